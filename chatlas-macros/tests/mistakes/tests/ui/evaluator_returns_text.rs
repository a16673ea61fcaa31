use chatlas_core::Judged;
use chatlas_macros::evaluator;

#[evaluator]
fn brevity(judged: &Judged) -> &'static str {
    if judged.output.len() < 100 { "short" } else { "long" }
}

fn main() {}
