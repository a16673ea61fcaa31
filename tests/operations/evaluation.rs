//! `#[evaluator]` and `ModelJudge`: the event on what was judged.

use chatlas::evaluator;
use chatlas::operations::{Judged, ModelJudge, Score};
use chatlas::prelude::*;
use chatlas::testing::{Answer, RecordedEvent, Recorder, Script};
use serde_json::json;

const EVALUATION: &str = "gen_ai.evaluation.result";

async fn judged(question: &str, answer: &str) -> Judged {
    let answer = Answer::says(answer).with_response_id("resp-1");
    let reply = Chat::new(Script::new().then(answer)).chat(question).await.unwrap();
    Judged::from_reply(question, &reply)
}

#[evaluator(name = "brevity", labels("short", "long"))]
async fn brevity(judged: &Judged) -> Score {
    let words = judged.output.split_whitespace().count();
    let label = match words {
        0..3 => "short",
        3..10 => "long",
        _ => "endless",
    };
    Score::from(1.0 / f64::from(u32::try_from(words).unwrap())).with_label(label)
}

#[evaluator]
fn names_the_gate(judged: &Judged) -> Result<bool, String> {
    let expected = judged.expected.as_ref().ok_or("no expected answer")?;
    Ok(judged.output.contains(expected))
}

fn is_in_the_judged_call(trace: &Recorder, event: &RecordedEvent) {
    let call = &trace.spans_with_operation("chat")[0];
    assert_eq!((event.trace_id(), event.span_id()), (call.trace_id(), call.id()));
    assert_eq!(event.attributes()["gen_ai.response.id"], "resp-1");
}

#[tokio::test]
async fn result_is_recorded_on_the_judged_model_call() {
    let trace = Recorder::new();
    let score = brevity(&judged("Gate?", "Gate B12").await).await;
    assert_eq!(score.label.as_deref(), Some("short"));
    let event = trace.event(EVALUATION);
    is_in_the_judged_call(&trace, &event);
    let attributes = event.attributes();
    assert_eq!(attributes["gen_ai.evaluation.name"], "brevity");
    assert_eq!(attributes["gen_ai.evaluation.score.value"], 0.5);
    assert_eq!(attributes["gen_ai.evaluation.score.label"], "short");
    assert_eq!(attributes.len(), 4);
}

#[tokio::test]
async fn label_outside_the_list_is_recorded_as_other() {
    let trace = Recorder::new();
    let score = brevity(&judged("Gate?", "a b c d e f g h i j k").await).await;
    assert_eq!(score.label.as_deref(), Some("endless"));
    let event = trace.event(EVALUATION);
    assert_eq!(event.attributes()["gen_ai.evaluation.score.label"], "_OTHER");
}

#[tokio::test]
async fn evaluation_can_run_later_and_its_error_is_recorded() {
    let trace = Recorder::new();
    let judged = judged("Gate?", "Gate B12").await;
    let stored = serde_json::to_string(&judged).unwrap();
    let judged: Judged = serde_json::from_str(&stored).unwrap();
    names_the_gate(&judged).unwrap_err();
    assert!(names_the_gate(&judged.with_expected("B12")).unwrap());
    let events: Vec<_> =
        trace.events().into_iter().filter(|event| event.name() == EVALUATION).collect();
    for event in &events {
        is_in_the_judged_call(&trace, event);
        assert_eq!(event.attributes()["gen_ai.evaluation.name"], "names_the_gate");
    }
    assert_eq!(events[0].attributes()["error.type"], "alloc::string::String");
    assert!(events[0].attributes().get("gen_ai.evaluation.score.value").is_none());
    assert_eq!(events[1].attributes()["gen_ai.evaluation.score.value"], 1.0);
    assert_eq!(events[1].attributes()["gen_ai.evaluation.score.label"], "pass");
}

#[tokio::test]
async fn model_as_judge_returns_a_score_with_its_reason() {
    let trace = Recorder::new();
    let judged = judged("Gate?", "Gate B12").await;
    let verdict = json!({"reason": "It names the gate.", "score": 0.4});
    let model = Script::new().says(verdict.to_string());
    let judge = ModelJudge::new("relevance", Chat::new(model.clone()))
        .with_criteria("It names the gate.")
        .with_threshold(0.3);
    let score = judge.evaluate(&judged.with_expected("B12")).await.unwrap();
    assert_eq!(score, Score::from(0.4).with_label("pass").with_explanation("It names the gate."));
    trace.assert_sound();
    let event = trace.event(EVALUATION);
    is_in_the_judged_call(&trace, &event);
    assert_eq!(event.attributes()["gen_ai.evaluation.name"], "relevance");
    // The explanation may quote content.
    assert!(event.attributes().get("gen_ai.evaluation.explanation").is_none());
    let sent = serde_json::to_string(&model.requests()[0].turns).unwrap();
    for part in ["It names the gate.", "Gate?", "Gate B12", "B12"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
}

#[tokio::test]
async fn failed_judge_is_an_evaluation_with_an_error_type() {
    let trace = Recorder::new();
    let judged = judged("Gate?", "Gate B12").await;
    let judge = ModelJudge::new("relevance", Chat::new(Script::new().says("no JSON")));
    judge.evaluate(&judged).await.unwrap_err();
    let event = trace.event(EVALUATION);
    assert_eq!(event.attributes()["error.type"], "output_invalid");
}
