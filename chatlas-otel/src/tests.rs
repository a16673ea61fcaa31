//! Tests of the SDK that `Telemetry` builds: outputs, shutdown in any runtime, lost telemetry.

use std::time::{Duration, Instant};

use opentelemetry::trace::{Tracer as _, TracerProvider as _};

use crate::env::Env;
use crate::env::tests::lookup;
use crate::output::tests::SharedWriter;
use crate::*;

fn build_without_env(telemetry: Telemetry) -> Guard {
    telemetry.build(Env::new(&lookup(&[]))).unwrap()
}

fn build_otlp(address: &str) -> Guard {
    let url = format!("http://{address}");
    let pairs = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    Telemetry::new().with_env().build(Env::new(&lookup(&pairs))).unwrap()
}

fn end_span(guard: &Guard, name: &'static str) {
    drop(guard.traces.as_ref().unwrap().tracer("test").start(name));
}

#[test]
fn console_and_json_write_to_the_configured_writer() {
    let written = SharedWriter::default();
    let telemetry = Telemetry::new().with_console().with_json().with_writer(written.clone());
    let guard = build_without_env(telemetry);
    end_span(&guard, "work");
    let text = written.text();
    assert!(text.contains("\nwork  "), "{text}");
    assert!(text.contains(r#""name":"work""#), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(guard.shutdown(), Ok(()));
}

#[test]
fn otel_sdk_disabled_builds_no_provider() {
    let variables = lookup(&[("OTEL_SDK_DISABLED", "TRUE")]);
    let guard = Telemetry::new().with_console().build(Env::new(&variables)).unwrap();
    assert!(guard.traces.is_none());
    assert_eq!(guard.shutdown(), Ok(()));
    let variables = lookup(&[("OTEL_SDK_DISABLED", "1")]);
    let guard = Telemetry::new().with_console().build(Env::new(&variables)).unwrap();
    assert!(guard.traces.is_some(), "only `true` disables the SDK");
}

#[test]
fn no_destination_builds_no_provider() {
    let guard = build_without_env(Telemetry::new().with_env());
    assert!(guard.traces.is_none() && guard.metrics.is_none() && guard.logs.is_none());
}

#[test]
fn guard_shuts_down_inside_and_outside_of_a_runtime() {
    let use_it = || {
        let guard = build_without_env(Telemetry::new().with_console().with_writer(std::io::sink()));
        end_span(&guard, "work");
        assert_eq!(guard.shutdown(), Ok(()));
        // An exporter with an empty queue, and a guard that is only dropped.
        assert_eq!(build_otlp("127.0.0.1:9").shutdown(), Ok(()));
        drop(build_otlp("127.0.0.1:9"));
    };
    use_it();
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.block_on(async { use_it() });
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    many.block_on(async { tokio::spawn(async move { use_it() }).await }).unwrap();
}

#[test]
fn the_longest_timeout_does_not_overflow() {
    let longest = Telemetry::new().with_shutdown_timeout(Duration::MAX);
    let guard = build_without_env(longest.with_console().with_writer(std::io::sink()));
    end_span(&guard, "work");
    assert_eq!(guard.flush(), Ok(()));
    assert_eq!(guard.shutdown(), Ok(()));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let receiver = Otlp::new(format!("http://{closed}")).with_timeout(Duration::MAX);
    let guard = build_without_env(Telemetry::new().with_otlp(receiver));
    end_span(&guard, "work");
    let error = guard.shutdown().unwrap_err();
    assert!(error.to_string().contains("could not be sent"), "{error}");
}

/// The threads that export belong to the parent.
#[test]
fn guard_does_nothing_in_a_forked_process() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut guard = build_otlp(&silent.local_addr().unwrap().to_string());
    end_span(&guard, "of the parent");
    guard.set_process(0);
    let start = Instant::now();
    assert_eq!(guard.flush(), Ok(()));
    assert_eq!(guard.shutdown(), Ok(()));
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// <https://github.com/open-telemetry/opentelemetry-python/issues/1860>
#[test]
fn export_of_a_batch_ends_after_its_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let pairs = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_EXPORT_TIMEOUT", "300")];
    let guard = Telemetry::new().with_env().build(Env::new(&lookup(&pairs))).unwrap();
    end_span(&guard, "work");
    let start = Instant::now();
    let lost = guard.shutdown().unwrap_err();
    assert!(lost.reason.ends_with("the receiver did not answer in time"), "{lost}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

/// <https://github.com/open-telemetry/opentelemetry-rust/issues/3433>
#[test]
fn histograms_have_the_buckets_that_the_environment_selects() {
    use opentelemetry::metrics::MeterProvider as _;

    let path = std::env::temp_dir().join(format!("chatlas-buckets-{}.jsonl", std::process::id()));
    for (value, expected) in [
        ("base2_exponential_bucket_histogram", "\"exponentialHistogram\""),
        ("explicit_bucket_histogram", "\"explicitBounds\":[1.0,2.0]"),
    ] {
        let pairs = [("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", value)];
        let telemetry = Telemetry::new().with_env().with_file(&path);
        let guard = telemetry.build(Env::new(&lookup(&pairs))).unwrap();
        let meter = guard.meter_provider().unwrap().meter("test");
        let histogram = meter.f64_histogram("duration").with_boundaries(vec![1.0, 2.0]).build();
        histogram.record(1.5, &[]);
        assert_eq!(guard.shutdown(), Ok(()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(expected), "{text}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn configuration_files_are_refused() {
    let variables = [("OTEL_CONFIG_FILE", "/etc/otel.yaml")];
    let error = Telemetry::new().with_env().build(Env::new(&lookup(&variables))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "OTEL_CONFIG_FILE must be unset: configuration files are not supported"
    );
    let console = Telemetry::new().with_console().with_writer(std::io::sink());
    assert!(console.build(Env::new(&lookup(&variables))).is_ok());
}

#[test]
fn shutdown_reports_spans_that_could_not_be_sent() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let guard = build_otlp(&format!("user:secret@{closed}/?key=secret"));
    end_span(&guard, "one");
    end_span(&guard, "two");
    let error: LostTelemetry = guard.shutdown().unwrap_err();
    let expected = format!("2 spans could not be sent to {closed}: ");
    assert!(error.to_string().contains(&expected), "{error}");
    assert!(error.to_string().contains("refused"), "the reason of the network: {error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn silent_receiver_does_not_block_shutdown_beyond_the_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let guard = build_otlp(&silent.local_addr().unwrap().to_string());
    end_span(&guard, "work");
    let start = Instant::now();
    let lost = guard.shutdown().unwrap_err();
    assert_eq!((lost.spans, lost.events), (1, 0));
    assert!(lost.reason.ends_with("the receiver did not accept them in time"), "{lost}");
    assert!(start.elapsed() > Duration::from_secs(1), "shutdown waits for the receiver");
    assert!(
        start.elapsed() < guard::SHUTDOWN_TIMEOUT + Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}
