//! Tools that return a stream: each item is emitted as progress, and all items together are the
//! result that is sent to the model. Called by macro expansions.

use std::pin::pin;
use std::task::Poll;

use futures_core::Stream;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{ToolContext, ToolError, ToolOutput};
use crate::content::Content;

/// Converts the return value of a tool, or an item of its stream, to the output for the model. If the
/// second argument is `false`, the value is not serialized and only an error matters.
pub(crate) type ToOutput<T> = fn(&T, bool) -> Result<ToolOutput, ToolError>;

/// Consumes a stream, emits each item as progress, and returns the combined output. Stops at the
/// first item that is an error.
pub async fn drain<S: Stream>(
    stream: S,
    context: &ToolContext,
    to_output: ToOutput<S::Item>,
) -> Result<ToolOutput, ToolError> {
    let mut stream = pin!(stream);
    let mut collected = Collected::default();
    while let Some(item) = stream.next().await {
        let part = to_output(&item, true)?;
        context.progress(part.clone());
        collected.add(part);
        yield_once().await;
    }
    Ok(collected.into_output())
}

/// Yields to the consumer once, so that it receives each item before the next one is created, even
/// if the stream is always ready.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|task| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The items so far, combined.
#[derive(Default)]
pub(crate) enum Collected {
    #[default]
    Nothing,
    /// Strings: concatenated.
    Text(String),
    /// Contents: all of them, in order.
    Contents(Vec<Content>),
    /// Other values: the last one.
    Last(Value),
}

impl Collected {
    pub(crate) fn add(&mut self, part: ToolOutput) {
        *self = match (std::mem::take(self), part) {
            (Self::Text(mut text), ToolOutput::Value(Value::String(more))) => {
                text.push_str(&more);
                Self::Text(text)
            }
            (Self::Contents(mut contents), ToolOutput::Contents(more)) => {
                contents.extend(more);
                Self::Contents(contents)
            }
            (Self::Nothing, ToolOutput::Value(Value::String(text))) => Self::Text(text),
            (Self::Contents(mut contents), ToolOutput::Value(value)) => {
                contents.push(Content::text(text_of(value)));
                Self::Contents(contents)
            }
            (Self::Text(text), ToolOutput::Contents(more)) => {
                Self::Contents(std::iter::once(Content::text(text)).chain(more).collect())
            }
            (_, ToolOutput::Contents(contents)) => Self::Contents(contents),
            (_, ToolOutput::Value(value)) => Self::Last(value),
        };
    }

    pub(crate) fn into_output(self) -> ToolOutput {
        match self {
            Self::Nothing => ToolOutput::Value(Value::Null),
            Self::Text(text) => ToolOutput::Value(Value::String(text)),
            Self::Contents(contents) => ToolOutput::Contents(contents),
            Self::Last(value) => ToolOutput::Value(value),
        }
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
