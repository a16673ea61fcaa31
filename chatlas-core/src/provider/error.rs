//! The error of a model call: its kind, to match on, and the details that the vendor reports.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ProviderInfo;
use crate::turn::AssistantTurn;

/// The kind of a failed model call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The credentials are missing, invalid, or lack the permission.
    Authentication,
    /// The rate limit or the quota is exceeded.
    RateLimit,
    /// The vendor is overloaded or reports an internal error.
    Overloaded,
    /// The vendor rejects the request.
    InvalidRequest,
    /// The model does not exist, or the credentials have no access to it.
    ModelNotFound,
    /// The conversation exceeds the context window of the model.
    ContextTooLong,
    /// A content filter of the vendor blocked the request or the reply.
    ContentFilter,
    /// A timeout of the client expired.
    Timeout,
    /// The server could not be reached, or the connection broke before the reply began.
    Connection,
    /// The reply does not follow the protocol.
    MalformedReply,
    /// The reply ended before it was complete.
    TruncatedStream,
    /// The vendor does not support the operation.
    Unsupported,
    /// The HTTP client was called outside of a tokio runtime, or in one whose timer or I/O is
    /// disabled.
    NoRuntime,
    /// Anything else.
    Other,
}

impl ProviderErrorKind {
    /// Returns the `error.type` of this kind, for errors without a vendor code and a status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::InvalidRequest => "invalid_request",
            Self::ModelNotFound => "model_not_found",
            Self::ContextTooLong => "context_too_long",
            Self::ContentFilter => "content_filter",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::MalformedReply => "malformed_reply",
            Self::TruncatedStream => "truncated_stream",
            Self::Unsupported => "unsupported",
            Self::NoRuntime => "no_runtime",
            Self::Other => "_OTHER",
        }
    }
}

/// The error of a model call.
///
/// It holds no API key and no header. [`Display`](fmt::Display) writes one line for a person, without
/// control characters; [`message`](Self::message) is the vendor's text verbatim.
///
/// ```
/// # use chatlas_core::{Chat, ChatError, ProviderErrorKind};
/// # async fn example(mut chat: Chat) {
/// match chat.chat("Hello").await {
///     Ok(reply) => println!("{reply}"),
///     Err(ChatError::Provider(error)) if error.kind() == ProviderErrorKind::RateLimit => {
///         println!("retry after {:?}", error.retry_after());
///     }
///     Err(error) => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct ProviderError(Box<Failure>);

#[derive(Clone)]
struct Failure {
    kind: ProviderErrorKind,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    partial: Option<AssistantTurn>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl PartialEq for Failure {
    /// Compares everything but the source, which cannot be compared.
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.message, self.status, &self.code)
            == (other.kind, &other.message, other.status, &other.code)
            && (&self.request_id, self.retry_after, &self.partial)
                == (&other.request_id, other.retry_after, &other.partial)
    }
}

impl ProviderError {
    /// Creates an error of that kind, with a message for a person.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            message: message.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            partial: None,
            source: None,
        }))
    }

    /// Creates the error of an operation that the provider does not support.
    pub(crate) fn unsupported(info: &ProviderInfo, what: &str) -> Self {
        let message = format!("the provider `{}` cannot {what}", info.name);
        Self::new(ProviderErrorKind::Unsupported, message)
    }

    /// Creates the error of a stream that ended before its last event.
    pub(crate) fn without_end() -> Self {
        Self::new(ProviderErrorKind::TruncatedStream, "the reply broke off before its end")
    }

    /// Replaces the message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Sets the vendor's error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Sets the vendor's id of the request, for their support.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Sets how long the vendor wants the client to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Sets the partial reply. A [`Chat`](crate::Chat) adds what arrived before the error by itself;
    /// a provider sets it if the error itself reports token counts.
    #[must_use]
    pub fn with_partial(mut self, partial: AssistantTurn) -> Self {
        self.0.partial = Some(partial);
        self
    }

    /// Sets the error that caused this one. The message must not repeat its text, and its text must
    /// not contain secrets.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Returns the kind, to match on.
    pub fn kind(&self) -> ProviderErrorKind {
        self.0.kind
    }

    /// Returns the message of the vendor or the library.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the HTTP status, if there was a response.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the vendor's error code, if there is one.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the vendor's id of the request, if there is one.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns how long the vendor wants the client to wait, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the part of the reply that arrived before the error. A [`Chat`](crate::Chat) keeps it
    /// in its turns as well.
    pub fn partial(&self) -> Option<&AssistantTurn> {
        self.0.partial.as_ref()
    }

    /// Returns the value of `error.type`: the vendor's code, else the HTTP status, else the kind.
    ///
    /// A code that is longer than 64 bytes or has characters other than ASCII letters, digits, `_`,
    /// `-` and `.` is ignored, so that the values are few and free of content.
    pub fn error_type(&self) -> Cow<'static, str> {
        let plain = |code: &&str| {
            !code.is_empty()
                && code.len() <= 64
                && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        if let Some(code) = self.code().filter(plain) {
            return Cow::Owned(code.to_owned());
        }
        match self.0.status {
            Some(status) => Cow::Owned(status.to_string()),
            None => Cow::Borrowed(self.0.kind.as_str()),
        }
    }
}

impl fmt::Debug for ProviderError {
    /// Omits the partial reply, because it is message content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("request_id", &self.0.request_id)
            .field("retry_after", &self.0.retry_after)
            .field("has_partial", &self.0.partial.is_some())
            .finish()
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.0.message))?;
        let facts = [
            self.0.status.map(|status| format!("HTTP {status}")),
            self.0.code.as_deref().map(one_line),
            self.0.request_id.as_deref().map(|id| format!("request {}", one_line(id))),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        if facts.is_empty() { Ok(()) } else { write!(f, " ({})", facts.join(", ")) }
    }
}

/// Returns a text on one line, without the characters by which a server could forge lines of a log or
/// control a terminal: control characters, and those that change the direction of writing. Each of them
/// is replaced: if it were removed, the parts of a key around it would become the key.
fn one_line(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let shown = |c: char| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c };
    words.join(" ").chars().map(shown).collect()
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
