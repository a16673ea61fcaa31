//! Answers as values of a Rust type, whose JSON schema the model has to follow.

use std::future::Future;
use std::sync::Arc;

use opentelemetry::Context;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::chat::Chat;
use super::{ChatError, OutputError, OutputErrorKind, Prompt, Reply, run};
use crate::content::Content;
use crate::provider::output;
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
    /// # Errors
    ///
    /// Those of [`chat`](Self::chat), and [`ChatError::Output`] if the answer is truncated, refused,
    /// or not a `T`.
    pub fn extract<T>(
        &mut self,
        prompt: impl Into<Prompt>,
    ) -> impl Future<Output = Result<Extracted<T>, ChatError>> + Send
    where
        T: DeserializeOwned + JsonSchema,
    {
        let (schema, wrapped) = output::schema_of::<T>();
        let read = move |reply| read(reply, wrapped);
        // Boxed, because a run is large and callers embed it in futures of their own.
        Box::pin(run::run_and_read(
            self,
            prompt.into(),
            Context::current(),
            None,
            Some(Arc::new(schema)),
            read,
        ))
    }
}

/// Reads a reply as a value. If `wrapped`, the value is a field of an object.
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
    let text = reply.turn.text();
    match value_in(&text, wrapped) {
        Ok(value) => Ok(Extracted { value, reply }),
        Err(error) => {
            fail(Invalid, format!("the answer is not the requested JSON: {error}"), reply)
        }
    }
}

fn value_in<T: DeserializeOwned>(text: &str, wrapped: bool) -> serde_json::Result<T> {
    let text = without_fence(text.trim());
    if !wrapped {
        return serde_json::from_str(text);
    }
    let mut object: Value = serde_json::from_str(text)?;
    // A model without schema enforcement may omit the wrapping object.
    let inner = object.get_mut(output::WRAPPING).map(Value::take);
    T::deserialize(inner.unwrap_or(object))
}

/// Removes a Markdown code fence, which models without schema enforcement put around JSON.
fn without_fence(text: &str) -> &str {
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}
