#[agent]
fn write(&self, prompt: String) -> Result<impl Stream<Item = String> + use<>, Error> {
    open(prompt)
}
