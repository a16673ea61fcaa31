//! Answers as values of a Rust type, whose JSON schema the model has to follow.

use std::future::Future;
use std::sync::Arc;

use opentelemetry::Context;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::chat::Chat;
use super::queue::Events;
use super::run::Output;
use super::{ChatError, OutputError, OutputErrorKind, Prompt, Reply, answer, run};
use crate::coerce::{accepts_kind, coerce};
use crate::content::Content;
use crate::provider::{OutputSchema, output};
use crate::telemetry::agent::AgentSpan;
use crate::turn::FinishReason;

/// An answer as a value, with its reply.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Extracted<T> {
    /// The value.
    pub value: T,
    /// The reply that contains it.
    pub reply: Reply,
}

impl Chat {
    /// Sends a prompt and reads the answer as a `T`. The model has to follow the JSON schema of `T`,
    /// in which the doc comments of its fields are descriptions.
    ///
    /// The run is the same as that of [`chat`](Self::chat), with `gen_ai.output.type` set to `json`:
    /// tools work, and the turns are added to the conversation.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError};
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Person {
    ///     name: String,
    ///     /// In years.
    ///     age: Option<u8>,
    /// }
    ///
    /// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
    /// let person = chat.extract::<Person>("Ada, 36, wrote the first program.").await?.value;
    /// println!("{}", person.name);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Models without schema enforcement write more than the JSON: it is also read from a code fence,
    /// after thinking between `<think>` and `</think>`, and between sentences. If there are several
    /// values of the type, the last one counts, one in a fence before others. Values that do not fit
    /// the schema are converted where it leaves no doubt, such as `"36"` to a number.
    ///
    /// # Errors
    ///
    /// Those of [`chat`](Self::chat), and [`ChatError::Output`] if the answer is truncated, refused,
    /// or not a `T`.
    #[doc(alias = "chat_structured")]
    #[doc(alias = "extractor")]
    pub fn extract<T>(
        &mut self,
        prompt: impl Into<Prompt>,
    ) -> impl Future<Output = Result<Extracted<T>, ChatError>> + Send
    where
        T: DeserializeOwned + JsonSchema,
    {
        // Boxed, because a run is large and callers embed it in futures of their own.
        Box::pin(run_extract(self, Expected::of::<T>(), prompt.into(), Context::current(), None))
    }

    /// Extracts a `T` as [`extract`](Self::extract) does, and leaves the conversation unchanged: the
    /// model receives the turns and the prompt, and neither the prompt nor the answer is kept.
    ///
    /// # Errors
    ///
    /// Those of [`extract`](Self::extract).
    pub fn extract_once<T>(
        &self,
        prompt: impl Into<Prompt>,
    ) -> impl Future<Output = Result<Extracted<T>, ChatError>> + Send
    where
        T: DeserializeOwned + JsonSchema,
    {
        let (mut copy, prompt, parent) = (self.detached(), prompt.into(), Context::current());
        let expected = Expected::of::<T>();
        Box::pin(async move { run_extract(&mut copy, expected, prompt, parent, None).await })
    }

    /// Returns how many times a run requests another answer if one is not of the requested type.
    pub fn extract_retries(&self) -> usize {
        self.extract_retries
    }

    /// Sets how many times a run requests another answer. See
    /// [`with_extract_retries`](Self::with_extract_retries).
    pub fn set_extract_retries(&mut self, retries: usize) {
        self.extract_retries = retries;
    }

    /// Sets how many times [`extract`](Self::extract) and its variants request another answer if one
    /// is not of the requested type. Default: 0, because each retry is a paid model call.
    ///
    /// A retry sends the model the error of its answer. Both are kept in the conversation, and count
    /// as rounds of the run. Truncated and refused answers are not retried. Each retry has its own
    /// `chat` span, with `chatlas.extract.retry.count` and `chatlas.extract.retry.reason`.
    #[doc(alias = "retries")]
    #[must_use]
    pub fn with_extract_retries(mut self, retries: usize) -> Self {
        self.set_extract_retries(retries);
        self
    }
}

/// Runs a prompt, and reads the answer as a `T`.
pub(super) async fn run_extract<T: DeserializeOwned>(
    chat: &mut Chat,
    expected: Expected,
    prompt: Prompt,
    parent: Context,
    events: Option<Events>,
) -> Result<Extracted<T>, ChatError> {
    let problem = |reply: &Reply| expected.problem::<T>(reply);
    let output = Output { schema: &expected.schema, problem: &problem };
    let read = |reply, span: &mut AgentSpan| expected.read(reply, span);
    run::run_and_read(chat, prompt, parent, events, Some(output), read).await
}

/// The position of the schema of a value in that of the wrapping object.
const WRAPPED_SCHEMA: &str = "/properties/value";

/// The schema of an answer.
#[derive(Clone)]
pub(super) struct Expected {
    schema: Arc<OutputSchema>,
    /// Whether the value is a field of an object.
    pub(super) wrapped: bool,
}

impl Expected {
    pub(super) fn of<T: JsonSchema>() -> Self {
        let (schema, wrapped) = output::schema_of::<T>();
        Self { schema: Arc::new(schema), wrapped }
    }

    /// Returns the message that informs the model why its answer is not a `T`, unless it is one, or
    /// another answer would not differ.
    fn problem<T: DeserializeOwned>(&self, reply: &Reply) -> Option<String> {
        if refusal_in(reply).is_some() || is_incomplete(reply) {
            return None;
        }
        let error = self.value_in::<T>(&reply.turn.text()).err()?;
        Some(format!(
            "Your answer is not the requested JSON ({}): {error}. Answer again with that JSON only.",
            self.describe()
        ))
    }

    /// Reads a reply as a value.
    fn read<T: DeserializeOwned>(
        &self,
        reply: Reply,
        span: &mut AgentSpan,
    ) -> Result<Extracted<T>, ChatError> {
        use OutputErrorKind::{Invalid, Refused, Truncated};
        let fail = |kind, message: String, reply| {
            Err(ChatError::Output(OutputError::new(kind, message, reply)))
        };
        if let Some(refusal) = refusal_in(&reply) {
            return fail(Refused, format!("the model declined: {refusal}"), reply);
        }
        match &reply.turn.finish_reason {
            Some(FinishReason::Length) => {
                let message = "the token limit cut the answer off before it was complete: \
                               raise `Chat::with_max_tokens`, or request less";
                return fail(Truncated, message.to_owned(), reply);
            }
            Some(FinishReason::ContentFilter) => {
                let message = "a content filter stopped the answer before it was complete";
                return fail(Refused, message.to_owned(), reply);
            }
            _ => {}
        }
        match self.value_in(&reply.turn.text()) {
            Ok((value, notes)) => {
                span.record_coerced(notes);
                Ok(Extracted { value, reply })
            }
            Err(error) => {
                let expected = self.describe();
                let message = format!("the answer is not the requested JSON ({expected}): {error}");
                fail(Invalid, message, reply)
            }
        }
    }

    /// Returns the value in a text, and what was converted to fit the schema.
    fn value_in<T: DeserializeOwned>(&self, text: &str) -> serde_json::Result<(T, Vec<String>)> {
        let text = text.trim();
        if !self.wrapped
            && let Ok(value) = serde_json::from_str(text)
        {
            return Ok((value, Vec::new()));
        }
        let mut first_error = match serde_json::from_str(text) {
            Ok(value) => return self.decode(value),
            Err(error) => Err(error),
        };
        for candidate in answer::values_in(text).into_iter().filter(|found| self.may_be(found)) {
            match self.decode(candidate) {
                Ok(read) => return Ok(read),
                // The text as a JSON document is the least interesting of several errors.
                Err(error) if first_error.as_ref().is_err_and(|first| !first.is_data()) => {
                    first_error = Err(error);
                }
                Err(_) => {}
            }
        }
        first_error
    }

    /// Returns whether a value in a text is of the requested kind: serde would read the fields of a
    /// struct from an array, such as a footnote `[1]`.
    fn may_be(&self, found: &Value) -> bool {
        let OutputSchema { schema, .. } = &*self.schema;
        if !(found.is_array() || found.is_object()) {
            return true;
        }
        match schema.pointer(WRAPPED_SCHEMA).filter(|_| self.wrapped) {
            Some(inner) => {
                found.get(output::WRAPPING).is_some() || accepts_kind(found, inner, schema)
            }
            None => accepts_kind(found, schema, schema),
        }
    }

    fn decode<T: DeserializeOwned>(
        &self,
        mut value: Value,
    ) -> serde_json::Result<(T, Vec<String>)> {
        // A model without schema enforcement may omit the wrapping object.
        if self.wrapped && value.get(output::WRAPPING).is_none() {
            value = json!({ output::WRAPPING: value });
        }
        if let Ok(read) = T::deserialize(self.unwrapped(&value)) {
            return Ok((read, Vec::new()));
        }
        let notes = coerce(&mut value, &self.schema.schema);
        Ok((T::deserialize(self.unwrapped(&value))?, notes))
    }

    fn unwrapped<'v>(&self, value: &'v Value) -> &'v Value {
        value.get(output::WRAPPING).filter(|_| self.wrapped).unwrap_or(value)
    }

    /// Returns a description of the requested value, for a message.
    fn describe(&self) -> String {
        let OutputSchema { name, schema, .. } = &*self.schema;
        let fields = schema["properties"].as_object().filter(|_| !self.wrapped);
        let fields: Vec<&str> =
            fields.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        if fields.is_empty() {
            format!("the type `{name}`")
        } else {
            format!("the type `{name}`, an object with `{}`", fields.join("`, `"))
        }
    }
}

fn refusal_in(reply: &Reply) -> Option<&str> {
    reply.turn.contents.iter().find_map(|content| match content {
        Content::Refusal(refusal) => Some(refusal.text.as_str()),
        _ => None,
    })
}

/// Returns whether a limit or a filter ended the reply.
fn is_incomplete(reply: &Reply) -> bool {
    matches!(reply.turn.finish_reason, Some(FinishReason::Length | FinishReason::ContentFilter))
}
