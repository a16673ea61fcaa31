//! Files: nothing is lost, and everything is released at shutdown.

use chatlas::otel::Telemetry;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{KeyValue, global};

use super::{scratch, span_with_text, turn};

#[test]
fn file_loses_nothing_of_a_burst() {
    let _turn = turn();
    let path = scratch("burst.jsonl");
    let telemetry = Telemetry::new().with_file(&path).install().unwrap();
    for _ in 0..10_000 {
        span_with_text(10);
    }
    assert_eq!(telemetry.shutdown(), Ok(()));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(r#""name":"work""#).count(), 10_000);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn spans_are_in_the_file_when_they_end() {
    let _turn = turn();
    let path = scratch("immediate.jsonl");
    let telemetry = Telemetry::new().with_file(&path).install().unwrap();
    let mut span = global::tracer("test").start("work");
    span.set_attribute(KeyValue::new("score", f64::INFINITY));
    span.end();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(r#"{"doubleValue":"Infinity"}"#), "{text}");
    assert_eq!(telemetry.shutdown(), Ok(()));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn failures_of_a_file_and_a_report_are_both_reported() {
    let _turn = turn();
    let directory = scratch("directory");
    std::fs::create_dir_all(&directory).unwrap();
    let telemetry = Telemetry::new()
        .with_file("/dev/full")
        .with_html(directory.join("report.html"))
        .install()
        .unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    span_with_text(10);
    let lost = telemetry.shutdown().unwrap_err();
    assert_eq!(lost.spans, 1);
    assert!(lost.reason.contains("could not be sent to /dev/full: "), "{lost}");
    assert!(lost.reason.contains("cannot write the report "), "{lost}");
}

#[test]
fn report_is_written_through_a_link_and_to_a_device() {
    let _turn = turn();
    let (target, link) = (scratch("target.html"), scratch("link.html"));
    let (missing, dangling) = (scratch("missing.html"), scratch("dangling.html"));
    std::fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    std::os::unix::fs::symlink(missing.file_name().unwrap(), &dangling).unwrap();
    let telemetry = Telemetry::new()
        .with_html(&link)
        .with_html(&dangling)
        .with_html("/dev/null")
        .install()
        .unwrap();
    span_with_text(10);
    assert_eq!(telemetry.shutdown(), Ok(()));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(std::fs::symlink_metadata(&dangling).unwrap().is_symlink());
    for target in [&target, &missing] {
        assert!(std::fs::read_to_string(target).unwrap().contains("work"));
    }
    let device = std::fs::metadata("/dev/null").unwrap();
    assert!(!device.is_file(), "the device is not replaced");
    assert!(!std::path::Path::new("/dev/null.part").exists());
    for file in [link, target, dangling, missing] {
        std::fs::remove_file(file).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn threads_and_files_are_released_at_shutdown() {
    let _turn = turn();
    let (report, file) = (scratch("released.html"), scratch("released.jsonl"));
    let names = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("chatlas-otel")).count()
    };
    for _ in 0..50 {
        let telemetry = Telemetry::new().with_html(&report).with_file(&file).install().unwrap();
        span_with_text(10);
        assert_eq!(telemetry.shutdown(), Ok(()));
    }
    // Threads end shortly after their guard.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(2);
    while names() > 0 && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(names(), 0);
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter(|descriptor| {
        let target = descriptor.as_ref().map(|entry| std::fs::read_link(entry.path()));
        matches!(target, Ok(Ok(target)) if target == file)
    });
    assert_eq!(open.count(), 0);
    std::fs::remove_file(report).unwrap();
    std::fs::remove_file(file).unwrap();
}

/// Simple processors of the SDK block on a future, which panics inside `block_on` of `futures`.
#[test]
fn local_exporters_work_in_any_executor() {
    let _turn = turn();
    let path = scratch("executor.jsonl");
    let telemetry = Telemetry::new()
        .with_file(&path)
        .with_json()
        .with_console()
        .with_writer(std::io::sink())
        .install()
        .unwrap();
    futures_executor::block_on(async { span_with_text(10) });
    assert_eq!(telemetry.shutdown(), Ok(()));
    std::fs::remove_file(path).unwrap();
}
