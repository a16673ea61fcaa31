use chatlas_macros::toolbox;

#[toolbox]
struct Counter;

fn main() {}
