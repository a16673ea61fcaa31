#[toolbox]
impl Counter {
    fn step(&self) -> u32 {
        1
    }

    /// Adds to the counter.
    #[tool]
    pub async fn add(&self, amount: u32) -> u32 {
        self.step() * amount
    }

    /// Adds another.
    #[cfg(unix)]
    #[tool(name = "join")]
    fn append(&self, other: Self) -> Result<(), String> {
        Ok(())
    }
}
