//! Tests that a program lists at run time, one for each recording, with libtest-mimic. Where the
//! shared data is missing they are reported as ignored, never as passed.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use super::cassettes::{Recording, shared};

/// The trials of a test binary.
pub struct Trials {
    available: bool,
    trials: Vec<Trial>,
}

impl Trials {
    /// Returns the list with its first trial, which reports whether the shared data is available.
    /// That trial is ignored where the data is missing, but fails if `CI=true`.
    pub fn new() -> Self {
        let available = shared().is_some();
        let required = std::env::var("CI").as_deref() == Ok("true");
        let first = Trial::test("shared_data_is_available", move || {
            if available { Ok(()) } else { Err(missing()) }
        });
        Self { available, trials: vec![first.with_ignored_flag(!available && !required)] }
    }

    /// Adds a trial that needs the shared data.
    pub fn add<F: Future<Output = ()>>(
        &mut self,
        name: impl Into<String>,
        run: impl FnOnce() -> F + Send + 'static,
    ) {
        let available = self.available;
        let trial = Trial::test(name, move || {
            if !available {
                return Err(missing());
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(run());
            Ok(())
        });
        self.trials.push(trial.with_ignored_flag(!available));
    }

    /// Adds a trial for each recording, named `check::test`. Recordings of the same test name in
    /// different folders are named `check::folder::test`.
    pub fn for_each<F: Future<Output = ()>>(
        &mut self,
        check: &str,
        recordings: &[Recording],
        run: impl Fn(Recording) -> F + Clone + Send + 'static,
    ) {
        if !self.available {
            // The names of the recordings are unknown: this trial represents all of them.
            self.trials.push(Trial::test(check, || Err(missing())).with_ignored_flag(true));
        }
        for recording in recordings {
            let test = recording.test();
            let same_name = recordings.iter().filter(|other| other.test() == test).count();
            let name = match same_name {
                1 => format!("{check}::{test}"),
                _ => format!("{check}::{}", recording.name.replace('/', "::")),
            };
            let (run, recording) = (run.clone(), recording.clone());
            self.add(name, move || run(recording));
        }
    }

    /// Runs the trials as the arguments of the program select them.
    pub fn run(self) -> ExitCode {
        libtest_mimic::run(&Arguments::from_args(), self.trials).exit_code()
    }
}

fn missing() -> Failed {
    "the shared data is missing: set CHATLAS_SHARED to the directory that contains `cassettes`, \
     `golden` and `semconv`"
        .into()
}
