//! Adapts spans to one destination: leaves out feedback that it receives as events, and adds the
//! attributes that its user interface reads.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::compatibility::Compatibility;
use crate::feedback::is_feedback;

/// A processor that receives the spans of one destination.
#[derive(Debug)]
pub(crate) struct Destination {
    processor: Box<dyn SpanProcessor>,
    receives_events: bool,
    compatibility: Vec<Compatibility>,
}

impl Destination {
    /// Returns a processor for a destination that receives traces, and events if `receives_events`.
    pub(crate) fn adapt(
        processor: Box<dyn SpanProcessor>,
        receives_events: bool,
        compatibility: &[Compatibility],
    ) -> Box<dyn SpanProcessor> {
        let compatibility = compatibility.to_vec();
        Box::new(Self { processor, receives_events, compatibility })
    }
}

impl SpanProcessor for Destination {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        if self.receives_events && is_feedback(&span) {
            return;
        }
        for compatibility in &self.compatibility {
            compatibility.add_attributes(&mut span);
        }
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}
