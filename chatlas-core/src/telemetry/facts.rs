//! The facts that an annotated function states about its operation at its start. Macro expansions
//! call these functions.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::{SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, Value};

use super::attributes::{push, span_attributes};
use super::names::{self, request};
use super::run::Live;
use super::scope::SpanScope;
use crate::tool::ToolOutput;

/// The facts about an operation.
#[derive(Default)]
pub struct Facts {
    captures: bool,
    pub(super) name: Option<&'static str>,
    pub(super) description: Option<&'static str>,
    pub(super) model: Option<&'static str>,
    pub(super) provider: Option<&'static str>,
    pub(super) conversation_id: Option<Arc<str>>,
    pub(super) store_id: Option<Arc<str>>,
    pub(super) data_source_id: Option<Arc<str>>,
    pub(super) top_k: Option<Value>,
    pub(super) record_count: Option<i64>,
    pub(super) record_id: Option<Arc<str>>,
    pub(super) skips_output: bool,
    /// The memory records of a call, with capture on.
    pub(super) records: Option<Vec<serde_json::Value>>,
    /// The input, with capture on.
    pub(super) input: Option<ToolOutput>,
    fields: Vec<KeyValue>,
}

impl Facts {
    /// Reads the facts. `captures`: whether content may be recorded.
    pub(super) fn read(captures: bool, describe: &mut dyn FnMut(&mut Self)) -> Self {
        let mut facts = Self { captures, ..Self::default() };
        describe(&mut facts);
        facts
    }

    /// Returns whether content may be recorded.
    pub fn captures(&self) -> bool {
        self.captures
    }

    /// Sets the name.
    pub fn name(&mut self, name: &'static str) {
        self.name = Some(name);
    }

    /// Sets the description. A doc comment may have blank lines around it.
    pub fn description(&mut self, description: &'static str) {
        self.description = Some(description.trim()).filter(|text| !text.is_empty());
    }

    /// Sets the only model of an agent.
    pub fn model(&mut self, model: &'static str) {
        self.model = Some(model);
    }

    /// Sets the provider.
    pub fn provider(&mut self, provider: &'static str) {
        self.provider = Some(provider);
    }

    /// Sets the id of the conversation.
    pub fn conversation(&mut self, id: Option<Value>) {
        self.conversation_id = text(id);
    }

    /// Sets the id of the memory store.
    pub fn store(&mut self, id: Option<Value>) {
        self.store_id = text(id);
    }

    /// Sets the id of the data source.
    pub fn data_source(&mut self, id: Option<Value>) {
        self.data_source_id = text(id);
    }

    /// Sets the maximum number of documents.
    pub fn top_k(&mut self, count: Option<Value>) {
        self.top_k = count.filter(|count| matches!(count, Value::I64(_)));
    }

    /// Sets the input.
    pub fn input(&mut self, input: ToolOutput) {
        self.input = Some(input);
    }

    /// Sets an attribute of the program. Keys that the library writes are ignored.
    pub fn field(&mut self, key: &'static str, value: Option<Value>) {
        if !names::is_reserved(key) {
            self.fields.extend(value.map(|value| KeyValue::new(key, value)));
        }
    }

    /// Starts the span of an operation with its own attributes and those of the program.
    pub(super) fn start(
        &mut self,
        live: &Live,
        kind: SpanKind,
        (operation, subject): (&'static str, Option<&str>),
        own: impl IntoIterator<Item = (&'static str, Option<Value>)>,
    ) -> SpanScope {
        let parent = Context::current();
        let mut list = span_attributes();
        list.push(KeyValue::new(names::OPERATION_NAME, operation));
        push(&mut list, names::PROVIDER_NAME, self.provider);
        push(&mut list, request::MODEL, self.model);
        push(&mut list, names::CONVERSATION_ID, self.conversation_id.clone());
        for (key, value) in own {
            push(&mut list, key, value);
        }
        list.append(&mut self.fields);
        live.push_settings(&mut list, &parent, operation);
        live.start(&parent, kind, Live::span_name(operation, subject), list)
    }
}

/// Records attributes of the program on the current span: that of the running `#[tool]` function.
pub fn record_fields(describe: &mut dyn FnMut(&mut Facts)) {
    Context::map_current(|context| {
        let span = context.span();
        if span.is_recording() {
            for field in Facts::read(false, describe).fields {
                span.set_attribute(field);
            }
        }
    });
}

fn text(value: Option<Value>) -> Option<Arc<str>> {
    value.map(|value| value.as_str().as_ref().into())
}

/// A value of an attribute of a span: a text, a number or a `bool`, or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as an attribute of a span",
    label = "not a text, a number or a `bool`",
    note = "convert it, for example with `.to_string()`"
)]
pub trait FieldValue {
    #[doc(hidden)]
    fn to_value(&self) -> Option<Value>;
}

impl<T: FieldValue + ?Sized> FieldValue for &T {
    fn to_value(&self) -> Option<Value> {
        (**self).to_value()
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn to_value(&self) -> Option<Value> {
        self.as_ref()?.to_value()
    }
}

impl<T: FieldValue + ?Sized> FieldValue for Arc<T> {
    fn to_value(&self) -> Option<Value> {
        (**self).to_value()
    }
}

impl FieldValue for str {
    fn to_value(&self) -> Option<Value> {
        Some(self.to_owned().into())
    }
}

impl FieldValue for String {
    fn to_value(&self) -> Option<Value> {
        self.as_str().to_value()
    }
}

impl FieldValue for Cow<'_, str> {
    fn to_value(&self) -> Option<Value> {
        (**self).to_value()
    }
}

impl FieldValue for bool {
    fn to_value(&self) -> Option<Value> {
        Some((*self).into())
    }
}

macro_rules! numbers {
    ($kind:ty: $($number:ty)*) => {
        $(impl FieldValue for $number {
            fn to_value(&self) -> Option<Value> {
                Some(<$kind>::from(*self).into())
            }
        })*
    };
}

numbers!(i64: i8 i16 i32 i64 u8 u16 u32);
numbers!(f64: f32 f64);

impl FieldValue for u64 {
    fn to_value(&self) -> Option<Value> {
        Some(i64::try_from(*self).unwrap_or(i64::MAX).into())
    }
}

impl FieldValue for usize {
    fn to_value(&self) -> Option<Value> {
        Some(i64::try_from(*self).unwrap_or(i64::MAX).into())
    }
}
