/// Finds facts.
#[agent(
    name = "researcher",
    model = "gpt-4o",
    conversation = session.id,
    skip(output),
    fields(app.tenant = tenant, "user.id" = session.user)
)]
pub async fn research(session: &Session, prompt: &str, tenant: u32) -> Result<String, Error> {
    let answer = ask(prompt).await?;
    Ok(answer)
}
