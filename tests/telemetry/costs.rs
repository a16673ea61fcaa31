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

    let costs = |operation: &str| {
        let spans = recorder.spans_with_operation(operation);
        let cost = |key: &str| -> Vec<Option<_>> {
            spans.iter().map(|span| span.attributes().get(key).cloned()).collect()
        };
        (cost("chatlas.cost.amount"), cost("chatlas.cost.currency"))
    };
    let (amounts, currencies) = costs("chat");
    assert_eq!(amounts, [Some(5.0.into()), Some(9.0.into()), None, None, None, None]);
    assert_eq!(currencies, [Some("$".into()), Some("$".into()), None, None, None, None]);
    let (amounts, currencies) = costs("invoke_agent");
    assert_eq!(amounts, [Some(14.0.into()), None, None]);
    assert_eq!(currencies, [Some("$".into()), None, None]);
}
