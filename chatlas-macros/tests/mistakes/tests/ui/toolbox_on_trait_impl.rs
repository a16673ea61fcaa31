use chatlas_macros::toolbox;

struct Counter;

#[toolbox]
impl Clone for Counter {
    fn clone(&self) -> Self {
        Self
    }
}

fn main() {}
