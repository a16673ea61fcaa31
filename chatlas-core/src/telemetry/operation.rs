//! The spans of what a provider does beside inference: listing models, counting tokens. The
//! conventions have no words for these two; the names are of the same kind as theirs.

use std::borrow::Cow;
use std::future::Future;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::Run;
use super::inference::describe;
use super::names::{self, operation, request as key};
use super::scope::{Exception, SpanScope, in_context};
use crate::provider::{ChatRequest, Model, ProviderError, ProviderInfo};

/// A running span of such an operation.
struct OperationSpan {
    scope: SpanScope,
    content: bool,
    done: bool,
}

impl OperationSpan {
    fn start(info: &ProviderInfo, name: &'static str, model: bool) -> Self {
        let run = Run::begin();
        let model = info.model.as_ref().filter(|_| model);
        let scope = run.start(
            &Context::current(),
            SpanKind::Client,
            || match model {
                Some(model) => Cow::Owned(format!("{name} {model}")),
                None => Cow::Borrowed(name),
            },
            |list| {
                list.push(KeyValue::new(names::OPERATION_NAME, name));
                list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
                list.extend(model.cloned().map(|model| KeyValue::new(key::MODEL, model)));
                super::push_server(list, info);
            },
        );
        Self { scope, content: run.capture().on_spans(), done: false }
    }

    fn finish<T>(
        mut self,
        result: &Result<T, ProviderError>,
        facts: impl FnOnce(&T) -> Vec<KeyValue>,
    ) {
        self.done = true;
        if !self.scope.is_recording() {
            return;
        }
        match result {
            Ok(value) => self.scope.set(facts(value)),
            Err(error) => {
                self.scope.set(vec![KeyValue::new(names::ERROR_TYPE, error.error_type())]);
                let message = self.content.then(|| error.to_string());
                let kind = Cow::Borrowed("chatlas::ProviderError");
                let exception = Exception { kind, message: message.clone() };
                self.scope.fail(message.unwrap_or_else(|| describe(error)), Some(exception));
            }
        }
    }
}

impl Drop for OperationSpan {
    fn drop(&mut self) {
        if !self.done && self.scope.is_recording() {
            self.scope.set(vec![KeyValue::new(names::CANCELLED, true)]);
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
    let span = OperationSpan::start(info, operation::LIST_MODELS, false);
    let context = span.scope.context().cloned();
    let result = in_context(context.as_ref(), async move { body().await }).await;
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
    let span = OperationSpan::start(info, operation::COUNT_TOKENS, true);
    let context = span.scope.context().cloned();
    let result = in_context(context.as_ref(), async move { body(request).await }).await;
    span.finish(&result, |count| {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        vec![KeyValue::new(names::usage::INPUT_TOKENS, count)]
    });
    result
}
