//! Adds the evaluations that are recorded as events, such as feedback, to the reports.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

use super::record;

/// A report, or a live page.
pub(crate) trait Keep: fmt::Debug + Send + Sync {
    /// Adds a record.
    fn keep(&self, json: String);
}

/// A log processor that forwards evaluations to reports. Other events are ignored.
#[derive(Debug)]
pub(crate) struct Evaluations {
    reports: Vec<Weak<dyn Keep>>,
}

impl Evaluations {
    pub(crate) fn new(reports: Vec<Weak<dyn Keep>>) -> Self {
        Self { reports }
    }
}

impl LogProcessor for Evaluations {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        let Some(json) = record::evaluation(record) else { return };
        for report in self.reports.iter().filter_map(Weak::upgrade) {
            report.keep(json.clone());
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
