//! Delivery over HTTP: sizes, concurrency, retries, flushes.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chatlas::otel::{Guard, Otlp, Protocol, Signal, Telemetry};
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Script};
use opentelemetry::{KeyValue, global};

use super::otlp::{Payload, Receiver};
use super::{span_with_text, turn};

fn install(url: String) -> Guard {
    let target = Otlp::new(url).with_signals(&[Signal::Traces]);
    Telemetry::new().with_otlp(target).install().unwrap()
}

/// Runs conversations of one turn with a prompt of this length. Each records two spans with content.
pub(super) fn chats(count: usize, prompt: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..count {
            let script = Script::from_fn(|_| Answer::says("ok"));
            let mut chat = chatlas::Chat::new(script).with_capture(Capture::SpansAndEvents);
            chat.chat("x".repeat(prompt)).await.unwrap();
        }
    });
}

/// <https://github.com/open-telemetry/opentelemetry-rust/issues/837>
#[test]
fn batches_are_bounded_by_bytes_whoever_enables_capture() {
    let _turn = turn();
    let receiver = Receiver::deciding(|received| {
        if received.bytes > 1 << 20 { "413 Payload Too Large" } else { "200 OK" }
    });
    let target = Otlp::new(receiver.url()).with_signals(&[Signal::Traces, Signal::Logs]);
    let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
    chats(40, 60_000);
    assert_eq!(telemetry.shutdown(), Ok(()));
    assert_eq!(receiver.spans().len(), 80);
    let sizes: Vec<usize> = receiver.received().iter().map(|received| received.bytes).collect();
    println!("bytes per request: {sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 1_000_000), "{sizes:?}");
}

#[test]
fn refused_requests_are_split_until_they_are_accepted() {
    let _turn = turn();
    for (protocol, gzip) in
        [(Protocol::HttpProtobuf, false), (Protocol::HttpJson, false), (Protocol::HttpJson, true)]
    {
        // The limit is unknown to the exporter.
        let receiver = Receiver::deciding(move |received| {
            let too_large = if gzip { received.spans().len() > 7 } else { received.bytes > 20_000 };
            if too_large { "413 Payload Too Large" } else { "200 OK" }
        });
        let target = Otlp::new(receiver.url()).with_protocol(protocol).with_gzip(gzip);
        let target = target.with_signals(&[Signal::Traces]);
        let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
        for _ in 0..200 {
            span_with_text(1_000);
        }
        assert_eq!(telemetry.shutdown(), Ok(()));
        assert_eq!(receiver.spans().len(), 200);
    }
}

#[test]
fn item_that_alone_is_too_large_is_dropped_and_reported() {
    let _turn = turn();
    let receiver = Receiver::deciding(|received| {
        if received.bytes > 20_000 { "413 Payload Too Large" } else { "200 OK" }
    });
    let telemetry = install(receiver.url());
    for index in 0..20 {
        span_with_text(if index == 5 { 30_000 } else { 100 });
    }
    let lost = telemetry.shutdown().unwrap_err();
    assert_eq!(lost.spans, 1);
    assert!(
        lost.reason.ends_with(
            "the receiver answered with the HTTP status 413, because one item alone is too large"
        ),
        "{lost}"
    );
    assert_eq!(receiver.spans().len(), 19);
}

#[test]
fn metrics_are_split_like_spans() {
    let _turn = turn();
    let receiver =
        Receiver::deciding(
            |received| {
                if received.bytes > 4_000 { "413 Payload Too Large" } else { "200 OK" }
            },
        );
    let target = Otlp::new(receiver.url()).with_signals(&[Signal::Metrics]);
    let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
    let counter = global::meter("test").u64_counter("calls").build();
    for user in 0..300 {
        counter.add(1, &[KeyValue::new("user", format!("user-{user}"))]);
    }
    assert_eq!(telemetry.shutdown(), Ok(()));
    let points: usize = receiver
        .received()
        .iter()
        .map(|received| match &received.payload {
            Payload::Metrics(metrics) => {
                let metric = &metrics.resource_metrics[0].scope_metrics[0].metrics[0];
                let data = serde_json::to_value(metric).unwrap();
                data["sum"]["dataPoints"].as_array().map_or(0, Vec::len)
            }
            _ => 0,
        })
        .sum();
    assert_eq!(points, 300);
}

#[test]
fn several_exports_are_in_flight_to_a_distant_receiver() {
    let _turn = turn();
    let receiver = Receiver::deciding(|_| {
        std::thread::sleep(Duration::from_millis(100));
        "200 OK"
    });
    let telemetry = install(receiver.url());
    // 5,000 spans a second of 1 kB, for two seconds.
    let start = Instant::now();
    for batch in 0..100 {
        for _ in 0..100 {
            span_with_text(1_000);
        }
        let next = start + Duration::from_millis((batch + 1) * 20);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    assert_eq!(telemetry.shutdown(), Ok(()));
    assert_eq!(receiver.spans().len(), 10_000);
}

#[test]
fn flush_during_traffic_reports_no_losses() {
    let _turn = turn();
    let receiver = Receiver::deciding(|_| {
        std::thread::sleep(Duration::from_millis(20));
        "200 OK"
    });
    let telemetry = install(receiver.url());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    span_with_text(100);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(50));
            let flushed = telemetry.flush();
            assert_eq!(flushed, Ok(()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(telemetry.shutdown(), Ok(()));
}

#[test]
fn flush_waits_for_the_spans_that_ended_before_it() {
    let _turn = turn();
    let receiver = Receiver::deciding(|_| {
        std::thread::sleep(Duration::from_millis(200));
        "200 OK"
    });
    let telemetry = install(receiver.url());
    for _ in 0..1_500 {
        span_with_text(10);
    }
    assert_eq!(telemetry.flush(), Ok(()));
    assert_eq!(receiver.spans().len(), 1_500);
    assert_eq!(telemetry.shutdown(), Ok(()));
}

/// <https://github.com/open-telemetry/opentelemetry-rust/issues/3126>
#[test]
fn retries_last_until_a_receiver_is_up() {
    let _turn = turn();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let telemetry = install(format!("http://{address}"));
    span_with_text(10);
    let starting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(2_500));
        Receiver::listening(TcpListener::bind(address).unwrap())
    });
    assert_eq!(telemetry.shutdown(), Ok(()));
    assert_eq!(starting.join().unwrap().spans().len(), 1);
}

#[test]
fn retry_after_is_respected() {
    let _turn = turn();
    let first = Arc::new(Mutex::new(None::<Instant>));
    let shared = Arc::clone(&first);
    let receiver = Receiver::deciding(move |_| {
        let mut first = shared.lock().unwrap();
        match *first {
            None => {
                *first = Some(Instant::now());
                "429 Too Many Requests\r\nretry-after: 1"
            }
            Some(at) if at.elapsed() < Duration::from_secs(1) => "400 Too Early",
            Some(_) => "200 OK",
        }
    });
    let telemetry = install(receiver.url());
    span_with_text(10);
    assert_eq!(telemetry.shutdown(), Ok(()));
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn http_json_is_compact_and_has_the_numbers_that_json_lacks() {
    use std::io::{Read as _, Write as _};

    let _turn = turn();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let receiving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        let is_complete = |text: &str| {
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            Some(body.len() == length.parse::<usize>().ok()?)
        };
        while is_complete(&text) != Some(true) {
            let count = stream.read(&mut buffer).unwrap();
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        text
    });
    let target = Otlp::new(url).with_protocol(Protocol::HttpJson).with_signals(&[Signal::Traces]);
    let telemetry = Telemetry::new().with_otlp(target).install().unwrap();
    let mut span = opentelemetry::trace::Tracer::start(&global::tracer("test"), "work");
    opentelemetry::trace::Span::set_attribute(&mut span, KeyValue::new("score", f64::NAN));
    drop(span);
    assert_eq!(telemetry.shutdown(), Ok(()));
    let request = receiving.join().unwrap();
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    assert!(body.contains(r#"{"key":"score","value":{"doubleValue":"NaN"}"#), "{body}");
    assert!(!body.contains('\n') && !body.contains("\": "), "{body}");
}
