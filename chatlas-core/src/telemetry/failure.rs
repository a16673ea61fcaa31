//! Records failed calls of a provider: on their span, and as an exception event.

use std::borrow::Cow;

use super::events::Event;
use super::names::exception::PROVIDER_ERROR;
use super::run::Live;
use super::scope::{Exception, SpanScope};
use crate::provider::ProviderError;

/// Describes a failure without the vendor's message, which may quote content: for the span status
/// while capture is off.
pub(super) fn describe(error: &ProviderError) -> String {
    let kind = error.kind().as_str();
    match error.status() {
        Some(status) => format!("{kind} (HTTP {status})"),
        None => kind.to_owned(),
    }
}

impl Live {
    /// Sets the error status and the exception event of `scope`, and emits the log event.
    pub(super) fn record_provider_error(&self, scope: &SpanScope, error: &ProviderError) {
        let capture = self.writer.capture;
        let message = || self.writer.error(&error.to_string());
        let on_span = capture.on_spans().then(message).flatten();
        let exception = Exception { kind: Cow::Borrowed(PROVIDER_ERROR), message: on_span.clone() };
        scope.fail(on_span.unwrap_or_else(|| describe(error)), Some(exception));
        if let Some(sink) = &self.sink {
            let message = capture.on_events().then(message).flatten();
            sink.emit(Event::exception(scope.span_context(), PROVIDER_ERROR, message.as_deref()));
        }
    }
}
