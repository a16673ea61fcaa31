//! What a provider does beside inference: listing models, counting tokens. Each has a span and
//! the duration metric. The conventions have no words for these two. The metric has to say which
//! operation it is about, and its word is one of our own; the spans have none, for there only the
//! conventions' own are allowed: their names say it.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::events::Event;
use super::inference::{EXCEPTION, describe};
use super::names::{self, operation, request as key};
use super::scope::{Exception, SpanScope, in_context, noting_panic};
use super::{Live, Run, push_server, shielded, without_empty};
use crate::provider::{ChatRequest, Model, ProviderError, ProviderInfo};

/// Such an operation under way; nothing where nobody listens.
struct Operation(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    common: Vec<KeyValue>,
    started: Option<Instant>,
}

impl Operation {
    /// Starts it; `model` is the one it is about, if any.
    fn start(run: Run, info: &ProviderInfo, name: &'static str, model: Option<&Arc<str>>) -> Self {
        let Some(live) = run.0 else { return Self(None) };
        let started = live.clock();
        let span_name = Live::span_name(name, model.map(AsRef::as_ref));
        let mut list = Live::attributes();
        list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
        list.extend(model.cloned().map(|model| KeyValue::new(key::MODEL, model)));
        push_server(&mut list, info);
        let mut common = Vec::new();
        if live.instruments.is_some() {
            common.push(KeyValue::new(names::OPERATION_NAME, name));
            common.extend(list.iter().cloned());
            without_empty(&mut common);
        }
        let parent = Context::current();
        live.push_settings(&mut list, &parent, name);
        let scope = live.start(&parent, SpanKind::Client, span_name, list);
        Self(Some(Box::new(Call { live, scope, common, started })))
    }

    fn context(&self) -> Option<Context> {
        self.0.as_ref()?.scope.context().cloned()
    }

    /// Ends it as one that panicked.
    fn panicked(&mut self) {
        let Some(call) = self.0.take() else { return };
        call.scope.set(vec![KeyValue::new(names::ERROR_TYPE, names::error::PANIC)]);
        call.scope.panicked();
        call.end(Some(names::error::PANIC.into()));
    }

    fn finish<T>(
        mut self,
        result: &Result<T, ProviderError>,
        facts: impl FnOnce(&T) -> Vec<KeyValue>,
    ) {
        let Some(call) = self.0.take() else { return };
        match result {
            Ok(value) => call.scope.set(facts(value)),
            Err(error) => call.fail(error),
        }
        call.end(result.as_ref().err().map(ProviderError::error_type));
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.scope.set(vec![KeyValue::new(names::CANCELLED, true)]);
            call.end(None);
        }
    }
}

impl Call {
    fn fail(&self, error: &ProviderError) {
        self.scope.set(vec![KeyValue::new(names::ERROR_TYPE, error.error_type())]);
        let writer = &self.live.writer;
        let message = || writer.error(&error.to_string());
        let on_span = writer.capture.on_spans().then(message).flatten();
        let exception = Exception { kind: Cow::Borrowed(EXCEPTION), message: on_span.clone() };
        self.scope.fail(on_span.unwrap_or_else(|| describe(error)), Some(exception));
        if let Some(sink) = &self.live.sink {
            let message = writer.capture.on_events().then(message).flatten();
            let span = self.scope.span_context();
            sink.emit(Event::exception(span, EXCEPTION, message.as_deref()));
        }
    }

    fn end(mut self, error_type: Option<Cow<'static, str>>) {
        let duration = self.started.map(|started| started.elapsed());
        self.scope.end();
        if let (Some(instruments), Some(duration)) = (&self.live.instruments, duration) {
            let kind = error_type.map(|kind| KeyValue::new(names::ERROR_TYPE, kind));
            self.common.extend(kind);
            shielded(|| instruments.operation(duration, &self.common));
        }
    }
}

/// A provider's `list_models`, in its span.
pub async fn traced_list_models<Fut>(
    info: &ProviderInfo,
    body: impl FnOnce() -> Fut + Send,
) -> Result<Vec<Model>, ProviderError>
where
    Fut: Future<Output = Result<Vec<Model>, ProviderError>> + Send,
{
    let mut span = Operation::start(Run::begin(), info, operation::LIST_MODELS, None);
    let context = span.context();
    let body = in_context(context.as_ref(), async move { body().await });
    let result = noting_panic(body, || span.panicked()).await;
    span.finish(&result, |_| Vec::new());
    result
}

/// A provider's `count_tokens`, in its span.
pub async fn traced_count_tokens<Fut>(
    info: &ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send,
) -> Result<u64, ProviderError>
where
    Fut: Future<Output = Result<u64, ProviderError>> + Send,
{
    let run = Run::of_request(&request);
    let mut span = Operation::start(run, info, operation::COUNT_TOKENS, info.model.as_ref());
    let context = span.context();
    let body = in_context(context.as_ref(), async move { body(request).await });
    let result = noting_panic(body, || span.panicked()).await;
    span.finish(&result, |count| {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        vec![KeyValue::new(names::COUNTED_TOKENS, count)]
    });
    result
}
