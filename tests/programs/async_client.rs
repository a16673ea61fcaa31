//! A build in which another crate turns on the OTLP exporter's asynchronous client: exports go on.
//! It takes a build of its own, so `.ci/run` asks for it by name.

use std::path::Path;
use std::process::Command;

use crate::support::otlp::Receiver;

#[test]
#[ignore = "builds a program of its own"]
fn exports_go_on_where_another_crate_turns_on_the_asynchronous_client() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/async_client");
    // The versions of this build, and its directory.
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
