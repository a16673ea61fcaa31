use chatlas_macros::tool;

use futures_core::Stream;

/// Counts.
#[tool]
fn count() -> impl Stream {
    futures_util::stream::iter([1, 2, 3])
}

fn main() {}
