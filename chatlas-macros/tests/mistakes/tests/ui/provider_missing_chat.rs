use chatlas_core::Provider;
use chatlas_macros::provider;

struct Echo;

#[provider(name = "echo")]
impl Provider for Echo {}

fn main() {}
