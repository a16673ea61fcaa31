//! The token counts of the process, by vendor and model.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::amount::Cost;
use super::table::{PricedCall, Prices};
use crate::turn::Usage;

/// The model calls of the process with one model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelUsage {
    /// `gen_ai.provider.name` of the vendor.
    pub vendor: String,
    /// The model: the one in the response, else the one in the request, else empty.
    pub model: String,
    /// The number of replies.
    pub calls: u64,
    /// The token counts of the replies.
    pub usage: Usage,
}

impl ModelUsage {
    /// Returns the cost with these prices, at the price of short prompts and the default service tier.
    pub fn cost(&self, prices: &Prices) -> Cost {
        let call = PricedCall::new(Some(&self.vendor), [Some(&self.model), None]);
        match prices.price_of(&call, 0) {
            Some(price) => price.cost(&self.usage),
            None => Cost { unknown_calls: self.calls, ..Cost::default() },
        }
    }
}

type Totals = BTreeMap<(String, String), (u64, Usage)>;

static TOTALS: Mutex<Totals> = Mutex::new(BTreeMap::new());

fn totals() -> MutexGuard<'static, Totals> {
    TOTALS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the token counts of all replies that chats of this process have received, by vendor and
/// model. Replies marked as [cached](crate::turn::ModelCall::cached) are not counted.
#[doc(alias = "token_usage")]
pub fn usage() -> Vec<ModelUsage> {
    let totals = totals();
    let of = |((vendor, model), (calls, usage)): (&(String, String), &(u64, Usage))| ModelUsage {
        vendor: vendor.clone(),
        model: model.clone(),
        calls: *calls,
        usage: *usage,
    };
    totals.iter().map(of).collect()
}

/// Sets the totals of the process to zero, for tests.
pub fn reset_usage() {
    totals().clear();
}

/// Counts a reply.
pub(crate) fn count_reply(vendor: &str, model: &str, usage: Usage) {
    let mut totals = totals();
    let key = (vendor.to_owned(), model.to_owned());
    let (calls, sum) = totals.entry(key).or_default();
    *calls += 1;
    *sum += usage;
}
