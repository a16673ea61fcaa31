//! Answers as values: the model is held to the JSON schema of a Rust type, and what it writes is
//! read into it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use opentelemetry::Context;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Chat, ChatError, Prompt, Reply, run};
use crate::content::Content;
use crate::provider::output;
use crate::turn::FinishReason;

/// An answer as a value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Extracted<T> {
    /// The value.
    pub value: T,
    /// The reply that it was read from, with the tokens it took.
    pub reply: Reply,
}

/// Why an answer is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputErrorKind {
    /// The model ran into a token limit before it was done.
    Truncated,
    /// The model, or a filter of the vendor's, declined.
    Refused,
    /// What it wrote is no JSON of the type asked for.
    Invalid,
}

impl OutputErrorKind {
    /// A short, fixed word for it: the value of `error.type`.
    pub const fn as_str(self) -> &'static str {
        use crate::telemetry::names::error;
        match self {
            Self::Truncated => error::OUTPUT_TRUNCATED,
            Self::Refused => error::OUTPUT_REFUSED,
            Self::Invalid => error::OUTPUT_INVALID,
        }
    }
}

/// An answer that is no value of the type asked for. It was paid for all the same: the reply, with
/// its tokens, is here, and the conversation has the turn.
#[derive(Clone, PartialEq)]
pub struct OutputError(Box<Failure>);

#[derive(Clone, PartialEq)]
struct Failure {
    kind: OutputErrorKind,
    message: String,
    reply: Reply,
}

impl OutputError {
    fn new(kind: OutputErrorKind, message: impl Into<String>, reply: Reply) -> Self {
        Self(Box::new(Failure { kind, message: message.into(), reply }))
    }

    /// The kind, to match on.
    pub fn kind(&self) -> OutputErrorKind {
        self.0.kind
    }

    /// What the model answered.
    pub fn reply(&self) -> &Reply {
        &self.0.reply
    }
}

impl fmt::Debug for OutputError {
    /// Of the reply only the usage is shown: the rest is what the model said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("usage", &self.0.reply.usage)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for OutputError {}

impl Chat {
    /// Asks, and reads the answer as a `T`. The model is held to the JSON schema of `T`: doc
    /// comments of its fields tell the model what is meant.
    ///
    /// It is one run like that of [`chat`](Self::chat), with `gen_ai.output.type` `json`: tools
    /// work, and the turns stay in the conversation.
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
    /// # Errors
    ///
    /// As [`chat`](Self::chat), and [`ChatError::Output`] where the answer is cut off, refused, or
    /// no `T`.
    pub fn extract<T>(
        &mut self,
        prompt: impl Into<Prompt>,
    ) -> impl Future<Output = Result<Extracted<T>, ChatError>> + Send
    where
        T: DeserializeOwned + JsonSchema,
    {
        let (schema, wrapped) = output::schema_of::<T>();
        let read = move |reply| read(reply, wrapped);
        // A run is large, and callers put it into futures of their own.
        Box::pin(run::run_for(
            self,
            prompt.into(),
            Context::current(),
            None,
            Some(Arc::new(schema)),
            read,
        ))
    }
}

/// The reply as a value; `wrapped` says that it stands in an object of its own.
fn read<T: DeserializeOwned>(reply: Reply, wrapped: bool) -> Result<Extracted<T>, ChatError> {
    use OutputErrorKind::{Invalid, Refused, Truncated};
    let fail = |kind, message: String, reply| {
        Err(ChatError::Output(OutputError::new(kind, message, reply)))
    };
    let refusal = reply.turn.contents.iter().find_map(|content| match content {
        Content::Refusal(refusal) => Some(refusal.text.as_str()),
        _ => None,
    });
    if let Some(refusal) = refusal {
        return fail(Refused, format!("the model declined: {refusal}"), reply);
    }
    match &reply.turn.finish_reason {
        Some(FinishReason::Length) => {
            let message = "the answer was cut off at the token limit before it was whole; \
                           raise `Chat::max_tokens`, or ask for less";
            return fail(Truncated, message.to_owned(), reply);
        }
        Some(FinishReason::ContentFilter) => {
            let message = "a content filter stopped the answer before it was whole";
            return fail(Refused, message.to_owned(), reply);
        }
        _ => {}
    }
    let text = reply.turn.text();
    match value_in(&text, wrapped) {
        Ok(value) => Ok(Extracted { value, reply }),
        Err(error) => {
            fail(Invalid, format!("the answer is not the JSON that was asked for: {error}"), reply)
        }
    }
}

fn value_in<T: DeserializeOwned>(text: &str, wrapped: bool) -> serde_json::Result<T> {
    let text = without_fence(text.trim());
    if !wrapped {
        return serde_json::from_str(text);
    }
    let mut object: Value = serde_json::from_str(text)?;
    // A model that is not held to the schema may leave the wrapping out.
    let inner = object.get_mut(output::WRAPPING).map(Value::take);
    T::deserialize(inner.unwrap_or(object))
}

/// Models that are not held to a schema like to put JSON into a fence of Markdown.
fn without_fence(text: &str) -> &str {
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}
