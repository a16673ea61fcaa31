use chatlas_core::Score;
use chatlas_macros::evaluator;

#[evaluator]
fn brevity(answer: &str) -> Score {
    Score::from(answer.len() < 100)
}

fn main() {}
