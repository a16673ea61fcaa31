use chatlas_macros::{tool, tools};

/// Needs nothing.
#[tool]
fn idle() {}

fn main() {
    let app = 1;
    let _ = tools![with app, idle];
}
