/// Sends a message.
#[tool(skip(text, output), fields(user.id = user, "app.urgent" = urgent))]
async fn send(user: &str, text: String, urgent: bool) -> String {
    deliver(user, text, urgent).await
}
