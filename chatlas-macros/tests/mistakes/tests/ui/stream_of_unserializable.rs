use chatlas_macros::tool;

use futures_core::Stream;

struct Forecast;

/// Forecasts.
#[tool]
fn forecast() -> impl Stream<Item = Forecast> {
    futures_util::stream::iter([Forecast])
}

fn main() {}
