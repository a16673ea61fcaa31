//! Costs on spans. Prices are process-wide, so these tests use models that no other test has.

use chatlas::cost::{Price, Prices, record_costs};
use chatlas::prelude::*;
use chatlas::provider::ProviderInfo;
use chatlas::testing::{Answer, Recorder, Script};
use serde_json::json;

/// Returns four.
#[tool]
fn four() -> u8 {
    4
}

#[tokio::test]
async fn costs_are_recorded_on_model_calls_and_agents() {
    let recorder = Recorder::new();
    record_costs(Some(Prices::new("$").with_price("priced-model", Price::new(1e6, 2e6))));
    let run = async |model: &'static str| {
        let script = Script::new()
            .with_info(ProviderInfo::new("acme").with_model(model))
            .then(Answer::calls("four", json!({})).with_tokens(3, 1))
            .then(Answer::says("4").with_tokens(5, 2));
        Chat::new(script).with_tools(tools![four]).chat("2+2?").await.unwrap();
    };
    run("priced-model").await;
    run("unpriced-model").await;
    record_costs(None);
    run("priced-model").await;

    let costs = |operation: &str| -> Vec<Option<String>> {
        let spans = recorder.spans_with_operation(operation);
        let cost =
            |key| spans.iter().map(move |span| span.attributes().get(key).map(ToString::to_string));
        let currency = cost("chatlas.cost.currency");
        cost("chatlas.cost.amount")
            .zip(currency)
            .map(|(amount, currency)| Some(format!("{}{}", currency?, amount?)))
            .collect()
    };
    let some = |cost: &str| Some(cost.to_owned());
    assert_eq!(costs("chat"), [some("$5"), some("$9"), None, None, None, None]);
    assert_eq!(costs("invoke_agent"), [some("$14"), None, None]);
}
