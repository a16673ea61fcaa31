//! A tool that returns a stream: each item is shown as progress, and all of them together are the
//! answer to the model. Called by macro expansions.

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

/// Takes a stream to its end, and shows each item to the consumer of the conversation. The first
/// item that is an error ends it.
pub async fn drain<S: Stream>(
    stream: S,
    context: &ToolContext,
    to_output: ToOutput<S::Item>,
) -> Result<ToolOutput, ToolError> {
    let mut stream = pin!(stream);
    let mut whole = Whole::default();
    while let Some(item) = stream.next().await {
        let part = to_output(&item, true)?;
        context.progress(part.clone());
        whole.add(part);
        take_turns().await;
    }
    Ok(whole.into_output())
}

/// Lets the consumer see an item before the next one is made, even where the stream never waits.
async fn take_turns() {
    let mut waited = false;
    std::future::poll_fn(|task| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the items come to.
#[derive(Default)]
enum Whole {
    #[default]
    Nothing,
    /// Strings: one text, as they came.
    Text(String),
    /// Contents: all of them, in order.
    Contents(Vec<Content>),
    /// Any other values: the last one.
    Last(Value),
}

impl Whole {
    fn add(&mut self, part: ToolOutput) {
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

    fn into_output(self) -> ToolOutput {
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
