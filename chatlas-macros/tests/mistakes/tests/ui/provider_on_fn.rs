use chatlas_macros::provider;

#[provider]
fn echo() {}

struct Echo;

#[provider]
impl Echo {}

fn main() {
    echo();
}
