//! An answer as a stream of events. The loop runs inside the stream and waits at each event until the
//! consumer polls again.

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;

use super::chat::Chat;
use super::queue::{Events, Queue};
use super::{ChatError, Reply, StreamEvent};

pub(super) type Running<'a, R = Reply> =
    Pin<Box<dyn Future<Output = Result<R, ChatError>> + Send + 'a>>;

/// A run with the queue of its events.
pub(super) struct Steps<'a, R> {
    running: Option<Running<'a, R>>,
    queue: Queue,
    /// The result of the run, until the events before it have been yielded.
    result: Option<Result<R, ChatError>>,
}

/// An item of a run.
pub(super) enum Step<R> {
    Event(StreamEvent),
    End(Result<R, ChatError>),
}

impl<'a, R> Steps<'a, R> {
    pub(super) fn new(start: impl FnOnce(Events) -> Running<'a, R>) -> Self {
        let queue = Queue::default();
        Self { running: Some(start(Events::new(&queue))), queue, result: None }
    }

    /// Returns whether the run has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.running.is_none()
    }

    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<Step<R>>> {
        if self.running.is_none() && self.result.is_none() {
            // A detached tool may still report progress after the end: ignore it.
            return Poll::Ready(None);
        }
        // The loop continues only when the consumer has all events so far.
        if let Some(item) = self.next_ready() {
            return Poll::Ready(Some(item));
        }
        let Some(running) = &mut self.running else { return Poll::Ready(None) };
        self.queue.register(task.waker());
        if let Poll::Ready(result) = running.as_mut().poll(task) {
            self.running = None;
            self.result = Some(result);
        }
        self.next_ready().map_or(Poll::Pending, |item| Poll::Ready(Some(item)))
    }

    /// Returns the next event, or the result if all events have been yielded.
    fn next_ready(&mut self) -> Option<Step<R>> {
        if let Some(event) = self.queue.take() {
            return Some(Step::Event(event));
        }
        self.result.take().map(Step::End)
    }
}

/// The events of a [`Chat::stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct ChatStream<'a>(Steps<'a, Reply>);

impl<'a> ChatStream<'a> {
    pub(super) fn new(start: impl FnOnce(Events) -> Running<'a>) -> Self {
        Self(Steps::new(start))
    }
}

impl Stream for ChatStream<'_> {
    type Item = Result<StreamEvent, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll(task).map(|step| {
            step.map(|step| match step {
                Step::Event(event) => Ok(event),
                Step::End(result) => result.map(|reply| StreamEvent::Done(Box::new(reply))),
            })
        })
    }
}

impl ChatStream<'_> {
    /// Waits for the end of the stream and returns the answer. Other events are dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Chat::chat`]; [`ChatError::Cancelled`] if the end of the stream has already been taken.
    pub async fn into_reply(mut self) -> Result<Reply, ChatError> {
        self.drain(|_| {}).await
    }

    /// Writes the text of the answer to the standard output, each piece as soon as it arrives, and a
    /// line break at the end. Returns the answer. Errors of the output, such as a closed pipe, are
    /// ignored.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError};
    /// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
    /// let reply = chat.stream("Tell me a story.").to_stdout().await?;
    /// println!("{}", reply.usage);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`into_reply`](Self::into_reply).
    #[doc(alias = "stream_to_stdout")]
    #[doc(alias = "echo")]
    pub async fn to_stdout(self) -> Result<Reply, ChatError> {
        self.write_to(std::io::stdout()).await
    }

    async fn write_to(mut self, mut output: impl Write) -> Result<Reply, ChatError> {
        let mut write = |piece: &str| {
            let _ = output.write_all(piece.as_bytes()).and_then(|()| output.flush());
        };
        let result = self.drain(&mut write).await;
        write("\n");
        result
    }

    async fn drain(&mut self, mut on_text: impl FnMut(&str)) -> Result<Reply, ChatError> {
        while let Some(event) = self.next().await {
            match event? {
                StreamEvent::Text(piece) => on_text(&piece),
                StreamEvent::Done(reply) => return Ok(*reply),
                _ => {}
            }
        }
        Err(ChatError::Cancelled)
    }
}

impl fmt::Debug for ChatStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream").field("finished", &self.0.is_finished()).finish()
    }
}

/// The events of a [`Chat::into_stream`], with the chat.
#[must_use = "a stream does nothing until it is polled"]
pub struct OwnedChatStream {
    events: ChatStream<'static>,
    chat: Arc<Mutex<Option<Chat>>>,
}

impl OwnedChatStream {
    pub(super) fn new<F>(chat: Chat, start: F) -> Self
    where
        F: for<'a> FnOnce(&'a mut Chat, Events) -> Running<'a> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let mut lent = Lent { chat: Some(chat), slot: Arc::clone(&slot) };
        let events = ChatStream::new(move |events| {
            Box::pin(async move {
                match &mut lent.chat {
                    Some(chat) => start(chat, events).await,
                    // The chat is taken out only when `lent` is dropped.
                    None => Err(ChatError::Cancelled),
                }
            })
        });
        Self { events, chat: slot }
    }

    /// Waits for the end of the stream and returns the chat and the answer. Other events are dropped.
    /// Errors are those of [`ChatStream::into_reply`].
    pub async fn into_reply(mut self) -> (Chat, Result<Reply, ChatError>) {
        let result = self.events.drain(|_| {}).await;
        (self.into_chat(), result)
    }

    /// Cancels the rest of the run and returns the chat. Its history holds the complete turns, and
    /// what has arrived of the reply as a partial turn.
    #[expect(clippy::missing_panics_doc, reason = "`Lent` returns the chat whenever it is dropped")]
    pub fn into_chat(self) -> Chat {
        drop(self.events);
        let chat = self.chat.lock().unwrap_or_else(PoisonError::into_inner).take();
        chat.expect("the dropped run has returned the chat")
    }
}

/// A chat that a run borrows. It is returned when the run ends or is dropped.
struct Lent {
    chat: Option<Chat>,
    slot: Arc<Mutex<Option<Chat>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.chat.take();
    }
}

impl Stream for OwnedChatStream {
    type Item = Result<StreamEvent, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.events).poll_next(task)
    }
}

impl fmt::Debug for OwnedChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedChatStream").field("events", &self.events).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails like a closed pipe after the first write.
    struct Pipe<'a>(Option<&'a mut Vec<u8>>);

    impl Write for Pipe<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            match self.0.take() {
                Some(written) => written.write(bytes),
                None => Err(std::io::ErrorKind::BrokenPipe.into()),
            }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn stream() -> ChatStream<'static> {
        ChatStream::new(|events| {
            Box::pin(async move {
                events.emit(StreamEvent::Text("Hel".to_owned())).await;
                events.emit(StreamEvent::Text("lo".to_owned())).await;
                Err(ChatError::TruncatedCall)
            })
        })
    }

    #[tokio::test]
    async fn text_is_written_until_the_end_even_if_the_pipe_closes() {
        let mut written = Vec::new();
        let result = stream().write_to(&mut written).await;
        assert_eq!((written.as_slice(), result), (&b"Hello\n"[..], Err(ChatError::TruncatedCall)));
        let mut written = Vec::new();
        let result = stream().write_to(Pipe(Some(&mut written))).await;
        assert_eq!((written.as_slice(), result), (&b"Hel"[..], Err(ChatError::TruncatedCall)));
    }
}
