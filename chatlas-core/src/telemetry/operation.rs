//! Operations of a provider other than inference. Each has a span and the duration metric. Listing
//! models and counting tokens are here, called by the expansion of `#[provider]`; `embeddings` has
//! embeddings and `hosted` the operations of hosted agents.
//!
//! The conventions do not define the operations here. Their spans have no `gen_ai.operation.name`,
//! because only values of the conventions are allowed there. The metric needs that attribute to
//! distinguish operations, so its values are specific to chatlas.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue, Value};

use super::attributes::{push, push_server, push_tokens, span_attributes, without_empty};
use super::names::{self, operation, request as key, response, usage};
use super::run::{Live, Run};
use super::scope::{SpanScope, in_context, observe_panic};
use super::shield::shielded;
use crate::provider::{ChatRequest, Model, ProviderError, ProviderInfo};

/// A running operation. Empty if no SDK is installed, and after its end.
pub(super) struct Operation(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    metric_attributes: Vec<KeyValue>,
    is_embeddings: bool,
    /// The input tokens of embeddings.
    tokens: Option<u64>,
}

impl Operation {
    /// Starts the span under the current one. `model` is the model of the operation, if it has one.
    fn start(run: Run, info: &ProviderInfo, name: &'static str, model: Option<&Arc<str>>) -> Self {
        let mut list = Vec::with_capacity(1);
        push(&mut list, key::MODEL, model.cloned());
        Self::start_with(run, info, (name, model.map(AsRef::as_ref)), list, false)
    }

    /// Starts the span of an operation of a hosted agent, with its attributes.
    pub(super) fn start_agent(
        run: Run,
        info: &ProviderInfo,
        name: (&'static str, Option<&str>),
        list: Vec<KeyValue>,
    ) -> Self {
        Self::start_with(run, info, name, list, true)
    }

    /// Starts the span of a request for embeddings, which has separate metrics.
    pub(super) fn start_embeddings(
        run: Run,
        info: &ProviderInfo,
        name: (&'static str, Option<&str>),
        list: Vec<KeyValue>,
    ) -> Self {
        let mut operation = Self::start_with(run, info, name, list, true);
        if let Some(call) = &mut operation.0 {
            call.is_embeddings = true;
        }
        operation
    }

    /// `is_defined` is whether the conventions define the operation.
    fn start_with(
        run: Run,
        info: &ProviderInfo,
        (name, subject): (&'static str, Option<&str>),
        own: Vec<KeyValue>,
        is_defined: bool,
    ) -> Self {
        let Some(live) = run.0 else { return Self(None) };
        let mut list = span_attributes();
        list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
        push_server(&mut list, info);
        let mut metric_attributes = Vec::new();
        if live.instruments.is_some() {
            metric_attributes.push(KeyValue::new(names::OPERATION_NAME, name));
            metric_attributes.extend(list.iter().cloned());
            let model = own.iter().find(|attribute| attribute.key.as_str() == key::MODEL);
            metric_attributes.extend(model.cloned());
            without_empty(&mut metric_attributes);
        }
        push(&mut list, names::OPERATION_NAME, is_defined.then_some(name));
        list.extend(own);
        let parent = Context::current();
        live.push_settings(&mut list, &parent, name);
        let span_name = Live::span_name(name, subject);
        let scope = live.start(&parent, SpanKind::Client, span_name, list);
        Self(Some(Box::new(Call {
            live,
            scope,
            metric_attributes,
            is_embeddings: false,
            tokens: None,
        })))
    }

    /// Returns the telemetry and the span if content is recorded.
    pub(super) fn recording_content(&self) -> Option<(&Live, &SpanScope)> {
        self.0.as_ref()?.recording_content()
    }

    /// Runs `work` inside the span and ends the span. `attributes` returns those of the result; it
    /// receives the telemetry and the span if content is recorded.
    pub(super) async fn run<T>(
        mut self,
        work: impl Future<Output = Result<T, ProviderError>>,
        attributes: impl FnOnce(Option<(&Live, &SpanScope)>, &T) -> Vec<KeyValue>,
    ) -> Result<T, ProviderError> {
        let context = self.0.as_ref().and_then(|call| call.scope.context().cloned());
        let work = in_context(context.as_ref(), work);
        let result = observe_panic(work, || self.end_with_panic()).await;
        if let Some(mut call) = self.0.take() {
            match &result {
                Ok(value) => {
                    let list = attributes(call.recording_content(), value);
                    call.keep_figures(&list);
                    call.scope.set(list);
                    call.end(None);
                }
                Err(error) => {
                    call.scope.set(vec![KeyValue::new(names::ERROR_TYPE, error.error_type())]);
                    call.live.record_provider_error(&call.scope, error, None);
                    call.end(Some(error.error_type()));
                }
            }
        }
        result
    }

    fn end_with_panic(&mut self) {
        let Some(call) = self.0.take() else { return };
        call.scope.set(vec![KeyValue::new(names::ERROR_TYPE, names::error::PANIC)]);
        call.scope.fail_with_panic();
        call.end(Some(names::error::PANIC.into()));
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
    fn recording_content(&self) -> Option<(&Live, &SpanScope)> {
        self.live.records_content(&self.scope).then_some((&*self.live, &self.scope))
    }

    /// Keeps what the metrics of embeddings have of the result.
    fn keep_figures(&mut self, list: &[KeyValue]) {
        if self.is_embeddings && self.live.instruments.is_some() {
            let (model, tokens) = figures(list);
            self.metric_attributes.extend(model);
            self.tokens = tokens;
        }
    }

    fn end(mut self, error_type: Option<Cow<'static, str>>) {
        let duration = self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            if self.is_embeddings {
                let (attributes, error) = (&self.metric_attributes, error_type.as_deref());
                let record =
                    || instruments.record_embeddings(duration, attributes, error, self.tokens);
                shielded(record);
                return;
            }
            push(&mut self.metric_attributes, names::ERROR_TYPE, error_type);
            shielded(|| instruments.record_operation(duration, &self.metric_attributes));
        }
    }
}

/// Calls a provider's `list_models` inside its span.
pub async fn traced_list_models<Fut>(
    info: &ProviderInfo,
    body: impl FnOnce() -> Fut + Send,
) -> Result<Vec<Model>, ProviderError>
where
    Fut: Future<Output = Result<Vec<Model>, ProviderError>> + Send,
{
    let span = Operation::start(Run::for_single_call(), info, operation::LIST_MODELS, None);
    span.run(async move { body().await }, |_, _| Vec::new()).await
}

/// Calls a provider's `count_tokens` inside its span.
pub async fn traced_count_tokens<Fut>(
    info: &ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send,
) -> Result<u64, ProviderError>
where
    Fut: Future<Output = Result<u64, ProviderError>> + Send,
{
    let run = Run::for_request(&request);
    let span = Operation::start(run, info, operation::COUNT_TOKENS, info.model.as_ref());
    let attributes = |_: Option<(&Live, &SpanScope)>, tokens: &u64| {
        let mut list = Vec::with_capacity(1);
        push_tokens(&mut list, names::COUNTED_TOKENS, Some(*tokens));
        list
    };
    span.run(async move { body(request).await }, attributes).await
}

/// The measurements of a request for embeddings that its span has too.
fn figures(list: &[KeyValue]) -> (Option<KeyValue>, Option<u64>) {
    let find = |key: &str| list.iter().find(|attribute| attribute.key.as_str() == key);
    let tokens = find(usage::INPUT_TOKENS).and_then(|attribute| match attribute.value {
        Value::I64(tokens) => u64::try_from(tokens).ok(),
        _ => None,
    });
    (find(response::MODEL).cloned(), tokens)
}
