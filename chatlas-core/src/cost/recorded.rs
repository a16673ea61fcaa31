//! The prices that telemetry uses.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use super::amount::Cost;
use super::table::{PricedCall, Prices};
use crate::provider::{Completion, ProviderInfo};

/// The facts about a model call that its recorded cost depends on.
pub(crate) struct RecordedCall {
    prices: Arc<Prices>,
    vendor: Cow<'static, str>,
    model: Option<Arc<str>>,
}

impl RecordedCall {
    /// Returns the facts about a call of that provider, if costs are recorded.
    pub(crate) fn of(info: &ProviderInfo) -> Option<Self> {
        let prices = recorded_prices()?;
        Some(Self { prices, vendor: info.name.clone(), model: info.model.clone() })
    }

    /// Returns the cost of the call.
    pub(crate) fn cost(&self, reply: &Completion) -> Cost {
        if reply.call.as_ref().is_some_and(|call| call.cached) {
            return Cost::default();
        }
        let models = [reply.model.as_deref(), self.model.as_deref()];
        let tier = reply.reported_tier();
        let call = PricedCall::new(Some(&self.vendor), models).with_tier(tier.as_deref());
        self.prices.cost(&call, &reply.usage)
    }

    /// Returns the currency of the cost.
    pub(crate) fn currency(&self) -> &str {
        self.prices.currency()
    }
}

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
