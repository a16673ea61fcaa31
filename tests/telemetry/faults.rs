//! Failing telemetry: unreachable, slow or rejecting receivers; panics in processors, exporters,
//! samplers and hooks. The program is not affected, and one warning is printed.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::history::assert_in_order;
use crate::support::server::{Answer as Wire, Server};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::telemetry::{Capture, EventSink, ReplyId, set_event_sink};
use chatlas::testing::{Answer, Recorder, Script};
use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, InstrumentationScope, KeyValue, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{
    SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanExporter, SpanProcessor,
};
use serde_json::{Value, json};

/// Looks something up.
#[tool]
async fn look_up(word: String) -> String {
    tokio::task::yield_now().await;
    word
}

fn chat() -> Chat {
    let model = Script::from_fn(|request| match request.turns.len() % 4 {
        1 => Answer::calls("look_up", json!({"word": "rain"})),
        _ => Answer::streams(["It ", "rains."]),
    });
    Chat::new(model).with_tools(tools![look_up])
}

/// Panics in the method with this name.
#[derive(Clone, Debug)]
struct Panics(&'static str);

impl Panics {
    fn at(&self, method: &str) {
        assert_ne!(self.0, method, "on purpose");
    }
}

impl SpanProcessor for Panics {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.at("on_start");
    }

    fn on_end(&self, _: SpanData) {
        self.at("on_end");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl SpanExporter for Panics {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        self.at("export");
        Ok(())
    }
}

impl ShouldSample for Panics {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        panic!("on purpose")
    }
}

impl LogProcessor for Panics {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {
        self.at("emit");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

async fn assert_unaffected(what: &str) {
    let mut chat = chat().with_capture(Capture::SpansAndEvents);
    for streams in [false, true] {
        if streams {
            let events: Vec<_> = in_time(chat.stream("Will it?").collect::<Vec<_>>()).await;
            assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{what}");
            // A dropped stream must not panic either.
            let mut stream = chat.stream("And tomorrow?");
            stream.next().await.unwrap().unwrap();
        } else {
            assert_eq!(in_time(chat.chat("Will it?")).await.unwrap().text(), "It rains.", "{what}");
        }
    }
    // A panic in the program unwinds through open spans.
    let program = tokio::spawn(async move {
        let mut stream = chat.stream("And then?");
        stream.next().await.unwrap().unwrap();
        panic!("on purpose");
    });
    assert!(program.await.unwrap_err().is_panic(), "{what}");
    let mut chat = self::chat();
    assert!(look_up("alone".to_owned()).await == "alone");
    assert_eq!(in_time(chat.chat("Will it?")).await.unwrap().text(), "It rains.", "{what}");
    assert_in_order(chat.turns());
}

#[test]
fn panics_in_processors_exporters_and_samplers_do_not_affect_runs() {
    let _alone = Recorder::for_process();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for method in ["on_start", "on_end"] {
        let provider = SdkTracerProvider::builder().with_span_processor(Panics(method)).build();
        global::set_tracer_provider(provider);
        runtime.block_on(assert_unaffected(method));
    }
    let provider = SdkTracerProvider::builder().with_simple_exporter(Panics("export")).build();
    global::set_tracer_provider(provider);
    runtime.block_on(assert_unaffected("a simple exporter"));
    let provider = SdkTracerProvider::builder().with_batch_exporter(Panics("export")).build();
    global::set_tracer_provider(provider.clone());
    runtime.block_on(assert_unaffected("a batch exporter"));
    let begin = Instant::now();
    let _ = provider.shutdown_with_timeout(Duration::from_secs(1));
    assert!(begin.elapsed() < Duration::from_secs(10));
    let provider = SdkTracerProvider::builder().with_sampler(Panics("should_sample")).build();
    global::set_tracer_provider(provider);
    runtime.block_on(assert_unaffected("a sampler"));
    let logs = SdkLoggerProvider::builder().with_log_processor(Panics("emit")).build();
    set_event_sink(Some(EventSink::new(&logs)));
    runtime.block_on(assert_unaffected("an event processor"));
    set_event_sink(None);
}

/// A processor that emits an event when it is shut down.
#[derive(Debug)]
struct LastWord;

impl LogProcessor for LastWord {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        assert!(ReplyId::default().feedback("thumbs", "up", None));
        Ok(())
    }
}

#[test]
fn replaced_sink_may_emit_to_the_next_one_while_it_shuts_down() {
    let _alone = Recorder::for_process();
    let before = SdkLoggerProvider::builder().with_log_processor(LastWord).build();
    set_event_sink(Some(EventSink::new(&before)));
    drop(before);
    let next = SdkLoggerProvider::builder().build();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        set_event_sink(Some(EventSink::new(&next)));
        let _ = done.send(());
    });
    ended.recv_timeout(Duration::from_secs(20)).expect("no deadlock");
    set_event_sink(None);
}

#[tokio::test]
async fn panic_in_a_redaction_hook_drops_only_the_content() {
    let trace = Recorder::new();
    let mut chat = chat().with_capture(Capture::Spans).with_redaction(|_| panic!("on purpose"));
    assert_eq!(in_time(chat.chat("canary")).await.unwrap().text(), "It rains.");
    trace.assert_sound();
    let shown = format!("{:?}", trace.spans());
    assert!(!shown.contains("canary") && shown.contains("redaction hook panicked"), "{shown}");
}

/// The program that runs against each receiver: it measures many conversations.
#[test]
#[ignore = "run by another test"]
fn program() {
    const CONVERSATIONS: usize = 300;
    let guard = chatlas::otel::init().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut times = Vec::new();
    let mut resident = Vec::new();
    let word = "x".repeat(4096);
    for number in 0..CONVERSATIONS {
        let begin = Instant::now();
        runtime.block_on(chat().chat(word.as_str())).unwrap();
        times.push(u64::try_from(begin.elapsed().as_micros()).unwrap());
        if number == CONVERSATIONS / 2 || number == CONVERSATIONS - 1 {
            resident.push(resident_kib());
        }
    }
    times.sort_unstable();
    let begin = Instant::now();
    drop(guard);
    let result = json!({
        "median_us": times[times.len() / 2], "worst_us": times[times.len() - 1],
        "grown_kib": resident[1].saturating_sub(resident[0]),
        "shutdown_ms": u64::try_from(begin.elapsed().as_millis()).unwrap(),
    });
    println!("\nRESULT {result}");
}

/// Returns the resident memory of this process, or 0 where the system does not report it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}

struct Ran {
    result: Value,
    warnings: Vec<String>,
}

fn start(endpoint: Option<String>) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::program", "--ignored", "--nocapture"])
        .env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        // A small queue is full soon; memory must not grow afterwards.
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "128")
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64")
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(endpoint) = endpoint {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    }
    command.spawn().unwrap()
}

fn end(child: std::process::Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let result = out.lines().find_map(|line| line.strip_prefix("RESULT ")).expect("a result");
    Ran {
        result: serde_json::from_str(result).unwrap(),
        warnings: err.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
    }
}

#[test]
fn receivers_never_slow_the_program_or_grow_its_memory() {
    let took = |status: u16| Wire::new(status, "application/json", "{}");
    let well = Server::start(vec![took(200)]);
    let slow = Server::start(vec![took(200).after(Duration::from_millis(500))]);
    let broken = Server::start(vec![took(503)]);
    let refuses = Server::start(vec![took(400)]);
    let overrun = Server::start(vec![took(429).header("retry-after", "1")]);
    let page = Server::start(vec![Wire::new(502, "text/html", "<h1>Bad gateway</h1>")]);
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let hangs = format!("http://{}", silent.local_addr().unwrap());
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let receivers: HashMap<&str, Option<String>> = HashMap::from([
        ("none", None),
        ("well", Some(well.root().to_owned())),
        ("slow", Some(slow.root().to_owned())),
        ("503", Some(broken.root().to_owned())),
        ("400", Some(refuses.root().to_owned())),
        ("429", Some(overrun.root().to_owned())),
        ("a page", Some(page.root().to_owned())),
        ("hangs", Some(hangs)),
        ("dead", Some(format!("http://{free}"))),
    ]);
    // All receivers at once.
    let running: Vec<_> =
        receivers.into_iter().map(|(name, endpoint)| (name, start(endpoint))).collect();
    let ran: HashMap<&str, Ran> =
        running.into_iter().map(|(name, child)| (name, end(child))).collect();
    let number = |name: &str, key: &str| ran[name].result[key].as_u64().expect("a number");
    let usual = number("well", "median_us").max(number("none", "median_us"));
    for (name, Ran { result, warnings }) in &ran {
        println!("{name}: {result} {warnings:?}");
        assert!(number(name, "median_us") < 5 * usual + 2000, "{name}: {result}");
        assert!(number(name, "grown_kib") < 24 * 1024, "{name}: {result}");
        assert!(number(name, "shutdown_ms") < 8000, "{name}: {result}");
        // The loss has one line at the end. Failures of two seconds have a line of their own, and
        // another one if exports work again.
        let kinds = ["telemetry was lost", "cannot export", "work again"];
        let counts = kinds.map(|kind| warnings.iter().filter(|line| line.contains(kind)).count());
        assert_eq!(counts.iter().sum::<usize>(), warnings.len(), "{name}: {warnings:?}");
        match *name {
            "none" => assert_eq!(counts, [0; 3], "{name}: {warnings:?}"),
            // Lost spans may be reported.
            "well" | "slow" => {
                assert!(counts.iter().all(|count| *count <= 1), "{name}: {warnings:?}")
            }
            _ => {
                assert!(counts[0] == 1 && counts[1] <= 1 && counts[2] == 0, "{name}: {warnings:?}")
            }
        }
        assert!(
            warnings.iter().all(|line| line.starts_with("chatlas::otel: ")),
            "{name}: {warnings:?}"
        );
    }
}
