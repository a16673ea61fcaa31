use chatlas_macros::tool;

use futures_core::Stream;

/// Counts.
#[tool]
fn count() -> std::io::Result<impl Stream<Item = u8>> {
    Ok(futures_util::stream::iter([1, 2, 3]))
}

fn main() {}
