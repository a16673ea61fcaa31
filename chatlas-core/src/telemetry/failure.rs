//! Records failures: on their span, and as an exception event.

use std::borrow::Cow;

use opentelemetry::KeyValue;

use super::events::{Event, old_names_enabled};
use super::function::End;
use super::names::exception::PROVIDER_ERROR;
use super::names::{self, error, event};
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
    /// Sets the error status and the exception event of the span of a failed call of a provider.
    /// `event` is the name of the log event, if the conventions define one for the operation.
    pub(super) fn record_provider_error(
        &self,
        scope: &SpanScope,
        error: &ProviderError,
        event: Option<&'static str>,
    ) {
        let message = || self.writer.error(&error.to_string());
        let on_span = self.writer.capture.on_spans().then(message).flatten();
        let exception = Exception { kind: Cow::Borrowed(PROVIDER_ERROR), message: on_span.clone() };
        scope.fail(on_span.unwrap_or_else(|| describe(error)), Some(exception));
        self.emit_exception(scope, event, PROVIDER_ERROR, message);
        if old_names_enabled() {
            self.emit_exception(scope, Some(event::OLD_EXCEPTION), PROVIDER_ERROR, message);
        }
    }

    /// Emits the exception event of a failed operation. `message` may quote content.
    fn emit_exception(
        &self,
        scope: &SpanScope,
        event: Option<&'static str>,
        kind: &str,
        message: impl FnOnce() -> Option<String>,
    ) {
        if let (Some(sink), Some(name)) = (&self.sink, event) {
            let message = self.writer.capture.on_events().then(message).flatten();
            sink.emit(Event::exception(name, scope.span_context(), kind, message.as_deref()));
        }
    }

    /// Records on its span how a function ended, and returns its `error.type`. `event` is the name of
    /// the log event of a failure, if the conventions define one for the operation.
    pub(super) fn record_end(
        &self,
        scope: &SpanScope,
        end: End<'_>,
        event: Option<&'static str>,
    ) -> Option<Cow<'static, str>> {
        let failure = match end {
            End::Failed(error) => Some(error),
            _ => None,
        };
        let kind = match end {
            End::Failed(error) => low_cardinality(error.error_type().clone()),
            End::Panicked => Cow::Borrowed(error::PANIC),
            End::Cancelled => {
                scope.set(vec![KeyValue::new(names::CANCELLED, true)]);
                return None;
            }
            End::Completed(_) => return None,
        };
        let message = || failure.and_then(|error| self.writer.error(error.message()));
        if scope.is_recording() {
            scope.set(vec![KeyValue::new(names::ERROR_TYPE, kind.clone())]);
            let message = self.writer.capture.on_spans().then(message).flatten();
            let description = message.clone().unwrap_or_else(|| kind.clone().into_owned());
            scope.fail(description, Some(Exception { kind: kind.clone(), message }));
        }
        self.emit_exception(scope, event, &kind, message);
        Some(kind)
    }
}

/// Returns an error's type as a value of `error.type` with a limited number of values: a generic
/// type without its parameters, and `_OTHER` for text that is not a type name, such as a message.
pub(super) fn low_cardinality(kind: Cow<'static, str>) -> Cow<'static, str> {
    let is_type_name = |kind: &str| {
        (1..=100).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:<>&[]()/".contains(&b))
    };
    if is_type_name(&kind) {
        return kind;
    }
    match kind.split_once('<') {
        Some((name, _)) if is_type_name(name) => name.to_owned().into(),
        _ => error::OTHER.into(),
    }
}
