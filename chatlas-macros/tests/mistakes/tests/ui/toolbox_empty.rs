use chatlas_macros::toolbox;

struct Counter;

#[toolbox]
impl Counter {
    fn count(&self) -> u8 {
        1
    }
}

fn main() {
    Counter.count();
}
