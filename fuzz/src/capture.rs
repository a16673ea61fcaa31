//! Fuzzes captured content: any text and any JSON, with any size limit.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Script};
use opentelemetry::{Context, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use serde_json::{Value, json};

/// The attributes with captured content.
const CONTENT: [&str; 6] = [
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
];

#[derive(Clone, Debug, Default)]
struct SpanStore(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for SpanStore {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn span_store() -> &'static SpanStore {
    static STORE: OnceLock<SpanStore> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = SpanStore::default();
        let provider = SdkTracerProvider::builder().with_span_processor(store.clone()).build();
        global::set_tracer_provider(provider);
        store
    })
}

/// Records a conversation that has the bytes in every message of the user, the model and the tools. The
/// first two bytes are the size limit.
#[allow(unreachable_pub)] // the fuzzer is another crate
pub fn capture(bytes: &[u8]) {
    let [low, high, content @ ..] = bytes else { return };
    let limit = usize::from(u16::from_le_bytes([*low, *high]));
    let text = String::from_utf8_lossy(content).into_owned();
    let value: Value =
        serde_json::from_slice(content).unwrap_or_else(|_| json!({ &text: [&text, 1] }));
    let store = span_store();
    store.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let model = Script::new()
        .then(Answer::new().text(text.as_str()).thinking(text.as_str()).call("none", value.clone()))
        .then(Answer::new().call("none", value).call(text.as_str(), json!(text.as_str())))
        .says(text.as_str());
    let mut chat = Chat::new(model)
        .with_system_prompt(text.as_str())
        .with_capture(Capture::Spans)
        .with_capture_limit(limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(chat.chat(text)).expect("an answer");
    let limit = limit.max(512);
    for span in store.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        for attribute in &span.attributes {
            let (key, text) = (attribute.key.as_str(), attribute.value.as_str());
            if !CONTENT.contains(&key) {
                continue;
            }
            assert!(text.len() <= limit, "`{key}` has {} bytes, more than {limit}", text.len());
            // A tool result that is a string is recorded verbatim.
            let may_be_text = key.starts_with("gen_ai.tool.call.");
            assert!(may_be_text || serde_json::from_str::<Value>(&text).is_ok(), "`{key}`: {text}");
        }
    }
}
