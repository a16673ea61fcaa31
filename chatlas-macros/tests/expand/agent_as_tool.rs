/// Finds facts.
#[agent(tool)]
async fn research(/** The question. */ question: String) -> Result<String, Error> {
    ask(&question).await
}
