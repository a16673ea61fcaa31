//! The HTML report in headless Chromium, if it is installed.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use chatlas::otel::sdk::trace::SdkTracerProvider;
use chatlas::otel::{Price, Prices, Telemetry};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use serde_json::json;

use crate::support::browser::{browse, chromium, dom, picture, scratch};

/// Creates traces with given times.
pub(crate) struct TraceBuilder {
    pub(crate) provider: SdkTracerProvider,
    pub(crate) now: SystemTime,
}

impl TraceBuilder {
    pub(crate) fn span(
        &self,
        parent: &Context,
        name: String,
        (start, end): (u64, u64),
        attributes: Vec<KeyValue>,
        error: Option<&'static str>,
    ) -> Context {
        let tracer = self.provider.tracer("test");
        let at = |millis| self.now + Duration::from_millis(millis);
        let mut span = tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(at(start))
            .with_attributes(attributes)
            .start_with_context(&tracer, parent);
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error));
            span.add_event("exception", vec![KeyValue::new("exception.type", error)]);
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(at(end));
        Context::new().with_remote_span_context(span.span_context().clone())
    }

    /// Creates the trace of an assistant: a model call, tool calls, a second model call.
    pub(crate) fn assistant(
        &self,
        begin: u64,
        prompt: &str,
        tools: u64,
        error: Option<&'static str>,
    ) {
        let tracer = self.provider.tracer("test");
        let at = |millis| self.now + Duration::from_millis(begin + millis);
        let mut root = tracer
            .span_builder("invoke_agent travel_assistant")
            .with_start_time(at(0))
            .start(&tracer);
        root.set_attribute(KeyValue::new("gen_ai.operation.name", "invoke_agent"));
        let below = Context::new().with_remote_span_context(root.span_context().clone());
        let call = |first: u64, tokens: (i64, i64), messages: Vec<KeyValue>| {
            let mut attributes = vec![
                KeyValue::new("gen_ai.operation.name", "chat"),
                KeyValue::new("gen_ai.provider.name", "openai"),
                KeyValue::new("gen_ai.request.model", "gpt-4o"),
                KeyValue::new("gen_ai.response.model", "gpt-4o-2024-08-06"),
                KeyValue::new("gen_ai.usage.input_tokens", tokens.0),
                KeyValue::new("gen_ai.usage.cache_read.input_tokens", tokens.0 / 4),
                KeyValue::new("gen_ai.usage.output_tokens", tokens.1),
                #[allow(clippy::cast_precision_loss)]
                KeyValue::new("gen_ai.response.time_to_first_chunk", first as f64 / 1e3),
            ];
            attributes.extend(messages);
            attributes
        };
        let http = |attempt: i64| {
            vec![
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.response.status_code", 200),
                KeyValue::new("http.request.resend_count", attempt),
            ]
        };
        let model_call = self.span(
            &below,
            "chat gpt-4o".into(),
            (begin, begin + 400),
            call(210, (76, 15), vec![]),
            None,
        );
        self.span(&model_call, "POST".into(), (begin + 2, begin + 205), http(0), None);
        for n in 0..tools {
            let tool = self.span(
                &below,
                "execute_tool get_weather".into(),
                (begin + 400 + n * 7, begin + 700 + n * 11),
                vec![
                    KeyValue::new("gen_ai.operation.name", "execute_tool"),
                    KeyValue::new("gen_ai.tool.name", "get_weather"),
                    KeyValue::new("gen_ai.tool.call.id", format!("call_{n}")),
                ],
                error.filter(|_| n == 0),
            );
            let query = (begin + 410 + n * 7, begin + 690 + n * 11);
            self.span(&tool, "fetch_forecast".into(), query, vec![], None);
        }
        let input = json!([
            {"role": "user", "parts": [{"type": "text", "content": prompt}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_0",
                "name": "get_weather", "arguments": {"city": "Tokyo"}}], "finish_reason": "tool_call"},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_0",
                "response": "Tokyo: 14°C, light rain, breezy this weekend."}]},
        ]);
        let output = json!([{"role": "assistant", "finish_reason": "stop", "parts": [
            {"type": "text", "content": "Pack a light rain jacket and layers for about 14°C."}]}]);
        let system = json!([{"type": "text", "content": "You are a concise travel assistant."}]);
        let messages = vec![
            KeyValue::new("gen_ai.system_instructions", system.to_string()),
            KeyValue::new("gen_ai.input.messages", input.to_string()),
            KeyValue::new("gen_ai.output.messages", output.to_string()),
        ];
        let end = begin + 760 + tools * 11;
        let answered = self.span(
            &below,
            "chat gpt-4o".into(),
            (end, end + 700),
            call(180, (116, 24), messages),
            None,
        );
        self.span(&answered, "POST".into(), (end + 1, end + 178), http(1), None);
        root.end_with_timestamp(at(end - begin + 705));
    }
}

/// Reports are created one after the other, because the SDK is global.
pub(crate) static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

pub(crate) fn report(name: &str, make: impl FnOnce(&TraceBuilder)) -> PathBuf {
    let file = scratch(name).with_extension("html");
    let prices =
        Prices::new("$").with_price("gpt-4o", Price::new(2.5, 10.0).with_cached_input(1.25));
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let telemetry = Telemetry::new()
        .with_service_name("travel")
        .with_prices(prices)
        .with_html(&file)
        .install()
        .unwrap();
    let provider = telemetry.tracer_provider().unwrap().clone();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_000_000);
    make(&TraceBuilder { provider, now });
    telemetry.shutdown().unwrap();
    file
}

#[test]
fn report_shows_traces_totals_errors_and_the_conversation() {
    if chromium().is_none() {
        return;
    }
    let page = report("guide", |maker| {
        for n in 0..12 {
            let error = (n % 5 == 4).then_some("timeout");
            maker.assistant(
                n * 60_000,
                "I'm headed to Tokyo: what should I pack?",
                1 + n % 3,
                error,
            );
        }
    });
    let shown = dom(&page, "");
    assert!(shown.contains("data-ready="), "the script has finished");
    for text in [
        "of travel",
        "invoke_agent travel_assistant",
        "execute_tool get_weather",
        "fetch_forecast",
        "Pack a light rain jacket",
        "→ get_weather(",
        "← Tokyo: 14°C",
    ] {
        assert!(shown.contains(text), "{text}\n{shown}");
    }
    let totals: String = shown.split("<dl").nth(1).unwrap().split("</dl>").next().unwrap().into();
    for total in [
        "Traces</dt><dd>12<",
        "Model calls</dt><dd>24<",
        "Tool calls</dt><dd>24<",
        "Input tokens</dt><dd>2,304 (576 cached)<",
        "Output tokens</dt><dd>468<",
        "Cost</dt><dd>$0.00972<",
        "Errors</dt><dd>2<",
    ] {
        assert!(totals.contains(total), "{total}\n{totals}");
    }
    let models = shown.split(r#"<section id="models""#).nth(1).unwrap();
    assert!(models.contains("gpt-4o-2024-08-06"), "{models}");
    let errors = shown.split(r#"<section id="errors""#).nth(1).unwrap();
    assert!(errors.contains("timeout"), "{errors}");
    picture(&page, "?theme=light", "report-light.png");
    picture(&page, "?theme=dark", "report-dark.png");
    picture(&page, "?theme=light#models", "models-light.png");
    picture(&page, "?theme=dark#errors", "errors-dark.png");
    std::fs::remove_file(page).unwrap();
}

#[test]
fn waterfall_can_be_filtered_collapsed_and_zoomed() {
    if chromium().is_none() {
        return;
    }
    let page = report("acts", |maker| {
        maker.assistant(0, "First", 2, Some("timeout"));
        maker.assistant(60_000, "Second", 1, None);
    });
    let acts = "<script>
        const of = (id) => document.getElementById(id);
        of('filter').value = 'timeout';
        of('filter').oninput();
        of('list').querySelector('.row').click();
        of('collapse').click();
        of('in').click();
        [...of('waterfall').querySelectorAll('.row')].at(-1).click();
        document.title = of('list').querySelectorAll('.row').length + ' traces, ' +
            of('waterfall').querySelectorAll('.row').length + ' rows, from ' +
            of('axis').querySelector('.tick').textContent;
    </script>";
    let changed =
        std::fs::read_to_string(&page).unwrap().replace("</body>", &format!("{acts}</body>"));
    std::fs::write(&page, changed).unwrap();
    let shown = dom(&page, "");
    // The root and its four children, zoomed to the middle half of 1.487 seconds.
    assert!(shown.contains("<title>1 traces, 5 rows, from 400 ms</title>"), "{shown}");
    assert!(shown.contains("(+1)"), "hidden rows are counted");
    assert!(shown.contains("✗ timeout"), "{shown}");
    std::fs::remove_file(page).unwrap();
}

#[test]
fn user_content_is_escaped() {
    if chromium().is_none() {
        return;
    }
    let bad = "</script><script>document.title='broken'</script><img src=x \
               onerror=\"document.title='broken'\"><!-- \u{2028} ]]>";
    let page = report("escaped", |maker| {
        maker.assistant(0, bad, 1, None);
        maker.span(&Context::new(), bad.to_owned(), (0, 10), vec![KeyValue::new(bad, bad)], None);
    });
    let shown = dom(&page, "");
    assert!(shown.contains("data-ready="), "{shown}");
    assert!(shown.contains("<title>chatlas traces</title>"), "no injected script ran");
    assert!(!shown.contains("<img"), "no injected element is in the page");
    assert!(shown.contains("&lt;img src=x"), "it is shown as text");
    std::fs::remove_file(page).unwrap();
}

#[test]
fn report_of_ten_thousand_spans_opens_quickly() {
    if chromium().is_none() {
        return;
    }
    let page = report("large", |maker| {
        // One trace with 8000 spans, and 250 small ones.
        maker.assistant(0, "A long night", 3_996, None);
        for n in 0..250 {
            maker.assistant(100_000 + n * 5_000, "Short", 1, (n % 50 == 0).then_some("500"));
        }
    });
    let size = std::fs::metadata(&page).unwrap().len();
    let begin = Instant::now();
    browse("about:blank", &["--dump-dom"]);
    let blank = begin.elapsed();
    let shown = dom(&page, "");
    let took = begin.elapsed().saturating_sub(blank);
    let ready = shown.split("data-ready=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(ready.parse::<u32>().unwrap(), 1 + 4 + 2 * 3_996 + 250 * 7);
    let rows = shown.matches(r#"class="row"#).count();
    assert!(rows < 200, "only visible rows are in the document:  {rows}");
    println!("{ready} spans, {size} bytes, {rows} rows; {took:?}, an empty page {blank:?}");
    picture(&page, "?theme=light", "large-light.png");
    std::fs::remove_file(page).unwrap();
}
