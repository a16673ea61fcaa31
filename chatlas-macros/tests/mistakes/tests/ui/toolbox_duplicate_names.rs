use chatlas_macros::toolbox;

struct Counter;

#[toolbox]
impl Counter {
    /// Counts.
    #[tool]
    fn count(&self) -> u8 {
        1
    }

    /// Counts again.
    #[tool(name = "count")]
    fn count_again(&self) -> u8 {
        1
    }

    /// Counts where there is a system.
    #[cfg(not(any()))]
    #[tool(name = "count")]
    fn count_there(&self) -> u8 {
        1
    }
}

fn main() {}
