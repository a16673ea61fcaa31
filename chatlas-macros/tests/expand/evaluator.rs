#[evaluator(name = "brevity", labels("short", "long"))]
async fn brevity(judged: &Judged) -> Score {
    measure(&judged.output)
}
