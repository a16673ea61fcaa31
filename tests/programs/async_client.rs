//! A program in which another crate enables the asynchronous client of the OTLP exporter. The test
//! builds that program, so it is ignored by default: run it with
//! `cargo test --test programs -- --ignored async_client`.

use std::path::Path;
use std::process::Command;

use crate::support::otlp::Receiver;

#[test]
#[ignore = "builds another program"]
fn exports_work_if_another_crate_enables_the_asynchronous_client() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/async_client");
    // The program uses the dependency versions and the target directory of this build.
    std::fs::copy("Cargo.lock", fixture.join("Cargo.lock")).unwrap();
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let receiver = Receiver::start();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet"])
        .current_dir(&fixture)
        .env("CARGO_TARGET_DIR", target)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "both arrived\n");
    let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["chat test-model", "invoke_agent", "chat test-model", "invoke_agent"]);
}
