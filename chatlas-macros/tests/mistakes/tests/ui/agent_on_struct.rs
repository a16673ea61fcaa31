use chatlas_macros::agent;

#[agent]
struct Researcher;

fn main() {}
