//! Runs the example programs, each in its own process and environment.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::path::PathBuf;
use std::process::{Command, Output};

/// Returns the command of an example without inherited telemetry settings. Cargo builds the
/// examples in the directory next to that of the tests.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("the path of the test binary");
    let directory = test.parent().expect("the directory of the test binary");
    let built: PathBuf = directory.with_file_name("examples").join(name);
    let there = built.exists();
    assert!(
        there,
        "{}: run `cargo build --workspace --examples --all-features` first",
        built.display()
    );
    let mut command = Command::new(built);
    for (name, _) in std::env::vars() {
        let ours = ["OTEL_", "OPENAI_", "LOGFIRE_", "DD_", "HONEYCOMB_", "PHOENIX_", "NO_COLOR"];
        if ours.iter().any(|prefix| name.starts_with(prefix)) || name == "COLUMNS" {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the command to its end. Returns its status, its standard output and its standard error.
pub fn run(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("the example is built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}
