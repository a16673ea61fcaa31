use chatlas_macros::tool;

use std::rc::Rc;

use futures_core::Stream;

/// Counts.
#[tool]
fn count() -> impl Stream<Item = u8> {
    let step = Rc::new(1);
    futures_util::stream::iter(std::iter::from_fn(move || Some(*step)))
}

fn main() {}
