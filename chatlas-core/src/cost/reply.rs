//! The cost of a model's turn.

use opentelemetry::Key;

use super::amount::Cost;
use super::table::{PricedCall, Prices};
use crate::telemetry::names::openai;
use crate::turn::AssistantTurn;

impl AssistantTurn {
    /// Returns the service tier that the vendor reports, if it is not the default one.
    pub(crate) fn reported_tier(&self) -> Option<String> {
        let is_tier = |key: &Key| key.as_str() == openai::RESPONSE_SERVICE_TIER;
        let tier = self.attributes.iter().find(|attribute| is_tier(&attribute.key))?;
        Some(tier.value.as_str().into_owned()).filter(|tier| tier != "default")
    }

    /// Returns the cost of the model call with these prices. The cost of a
    /// [cached](crate::ModelCall::cached) reply is zero.
    ///
    /// ```
    /// use chatlas_core::cost::Prices;
    /// use chatlas_core::{AssistantTurn, Usage};
    ///
    /// let turn = AssistantTurn::new([]).with_usage(Usage::new(1_000, 100)).with_model("acme-1");
    /// assert_eq!(turn.cost(&Prices::built_in()).to_string(), "unknown (1 call)");
    /// ```
    pub fn cost(&self, prices: &Prices) -> Cost {
        let call = self.call.as_ref();
        if call.is_some_and(|call| call.cached) {
            return Cost::default();
        }
        let requested = call.and_then(|call| call.requested_model.as_deref());
        let vendor = call.map(|call| &*call.vendor);
        let facts = PricedCall::new(vendor, [self.model.as_deref(), requested])
            .with_tier(call.and_then(|call| call.service_tier.as_deref()));
        prices.cost(&facts, &self.usage)
    }
}
