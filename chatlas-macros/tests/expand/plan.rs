#[plan(agent = "scheduler")]
async fn plan(steps: Vec<Step>) {
    sort(steps).await
}
