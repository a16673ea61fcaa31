//! The prices that telemetry uses.

use std::sync::{Arc, PoisonError, RwLock};

use super::table::Prices;

static RECORDED: RwLock<Option<Arc<Prices>>> = RwLock::new(None);

/// Sets the prices with which `chat` and `invoke_agent` spans record their cost, for the whole
/// process. `None` turns that off, which is the default: a cost is an estimate of the program, and the
/// built-in prices are linked only into programs that use them.
///
/// ```
/// use chatlas_core::cost::{Prices, record_costs};
///
/// record_costs(Some(Prices::built_in()));
/// # record_costs(None);
/// ```
pub fn record_costs(prices: Option<Prices>) {
    *RECORDED.write().unwrap_or_else(PoisonError::into_inner) = prices.map(Arc::new);
}

/// Returns the prices set by [`record_costs`].
pub fn recorded_prices() -> Option<Arc<Prices>> {
    RECORDED.read().unwrap_or_else(PoisonError::into_inner).clone()
}
