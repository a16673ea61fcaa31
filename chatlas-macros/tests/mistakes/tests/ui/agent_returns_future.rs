use std::future::Future;
use std::pin::Pin;

use chatlas_macros::{agent, workflow};

#[agent]
fn research(prompt: String) -> impl Future<Output = String> {
    async move { prompt }
}

#[workflow]
fn book(trip: String) -> Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { trip })
}

#[agent]
const fn constant(prompt: &str) -> &str {
    prompt
}

fn main() {}
