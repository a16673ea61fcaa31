//! An answer as a stream of partial values, which ends with the value.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use opentelemetry::Context as TraceContext;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::chat::Chat;
use super::extract::{Expected, Extracted, run_extract};
use super::partial::Partial;
use super::stream::{Step, Steps};
use super::{ChatError, Prompt, StreamEvent};

/// An event of an [`ExtractStream`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ExtractEvent<T, P = Value> {
    /// The value as far as it has arrived. Each replaces the one before.
    Partial(P),
    /// Another event of the run: thinking, a tool call, a rejected answer. The text of the answer
    /// and the end of the run are not among them.
    Other(StreamEvent),
    /// The end of the stream: the value.
    Done(Box<Extracted<T>>),
}

/// The events of a [`Chat::stream_extract`].
#[must_use = "a stream does nothing until it is polled"]
pub struct ExtractStream<'a, T, P = Value> {
    run: Steps<'a, Extracted<T>>,
    partial: Partial,
    /// A stream yields values of this type, and holds none.
    kind: PhantomData<fn() -> P>,
}

impl Chat {
    /// Extracts a `T` as [`extract`](Self::extract) does, and yields the partial values while the
    /// answer arrives: JSON in which strings, lists and objects may be incomplete, and in which
    /// fields are missing. Numbers and literals are complete.
    ///
    /// The last item is [`ExtractEvent::Done`] or an error of `extract`. Dropping the stream cancels
    /// the run. A partial value is parsed when the text has grown by a sixteenth since the last one,
    /// so a long answer yields fewer partial values than pieces of text.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError};
    /// # use chatlas_core::chat::ExtractEvent;
    /// use futures_util::StreamExt as _;
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Recipe {
    ///     title: String,
    ///     steps: Vec<String>,
    /// }
    ///
    /// /// A recipe of which any field may be missing.
    /// #[derive(serde::Deserialize)]
    /// struct PartialRecipe {
    ///     title: Option<String>,
    ///     steps: Option<Vec<String>>,
    /// }
    ///
    /// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
    /// let mut recipe = chat.stream_extract::<Recipe>("Bread").with_partial::<PartialRecipe>();
    /// while let Some(event) = recipe.next().await {
    ///     match event? {
    ///         ExtractEvent::Partial(recipe) => println!("{:?}", recipe.title),
    ///         ExtractEvent::Done(recipe) => println!("{} steps", recipe.value.steps.len()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "stream_structured")]
    pub fn stream_extract<'a, T>(&'a mut self, prompt: impl Into<Prompt>) -> ExtractStream<'a, T>
    where
        T: DeserializeOwned + JsonSchema + 'a,
    {
        let (expected, prompt, parent) =
            (Expected::of::<T>(), prompt.into(), TraceContext::current());
        let partial = Partial::new(expected.wrapped);
        let run = Steps::new(|events| {
            Box::pin(run_extract(self, expected, prompt, parent, Some(events)))
        });
        ExtractStream { run, partial, kind: PhantomData }
    }
}

impl<'a, T, P> ExtractStream<'a, T, P> {
    /// Sets the type of the partial values, for example a struct in which every field is an `Option`.
    /// Partial values that are not a `Q` are skipped. Default: [`serde_json::Value`].
    pub fn with_partial<Q: DeserializeOwned>(self) -> ExtractStream<'a, T, Q> {
        let Self { run, partial, .. } = self;
        ExtractStream { run, partial, kind: PhantomData }
    }
}

/// No value is pinned.
impl<T, P> Unpin for ExtractStream<'_, T, P> {}

impl<T, P: DeserializeOwned> Stream for ExtractStream<'_, T, P> {
    type Item = Result<ExtractEvent<T, P>, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let event = match this.run.poll(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Step::End(result))) => {
                    let result = result.map(|value| ExtractEvent::Done(Box::new(value)));
                    return Poll::Ready(Some(result));
                }
                Poll::Ready(Some(Step::Event(event))) => event,
            };
            if let StreamEvent::Text(piece) = event {
                let value = this.partial.push(&piece);
                if let Some(value) = value.and_then(|value| P::deserialize(value).ok()) {
                    return Poll::Ready(Some(Ok(ExtractEvent::Partial(value))));
                }
                continue;
            }
            if matches!(event, StreamEvent::ToolRequest(_) | StreamEvent::OutputRejected(_)) {
                this.partial.clear();
            }
            return Poll::Ready(Some(Ok(ExtractEvent::Other(event))));
        }
    }
}

impl<T, P> fmt::Debug for ExtractStream<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtractStream")
            .field("finished", &self.run.is_finished())
            .finish_non_exhaustive()
    }
}
