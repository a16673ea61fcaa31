//! How a model call fails: the kind, to match on, and what the vendor said of it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::ProviderInfo;
use crate::turn::AssistantTurn;

/// The kinds of failure a program may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The key is missing, wrong, or not allowed to do this.
    Authentication,
    /// Too many requests, or the quota is used up.
    RateLimit,
    /// The vendor is overloaded or has trouble of its own.
    Overloaded,
    /// The vendor refuses the request as it stands.
    InvalidRequest,
    /// There is no such model, or not for this key.
    ModelNotFound,
    /// The conversation does not fit the model's context.
    ContextTooLong,
    /// A filter of the vendor's stopped it.
    ContentFilter,
    /// It took longer than the client was told to wait.
    Timeout,
    /// The host could not be reached, or the connection broke before the reply began.
    Connection,
    /// The reply is not what the protocol says.
    MalformedReply,
    /// The reply broke off before its end.
    TruncatedStream,
    /// The vendor cannot do this at all.
    Unsupported,
    /// Anything else.
    Other,
}

impl ProviderErrorKind {
    /// A short, fixed word for it: `error.type` where neither a vendor code nor a status is known.
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
            Self::Other => "_OTHER",
        }
    }
}

/// A model call that failed: what was wrong, and what the vendor said of it.
///
/// It holds no key and no header. [`Display`](fmt::Display) is one line for a person.
///
/// ```
/// # use chatlas_core::{Chat, ChatError, ProviderErrorKind};
/// # async fn example(mut chat: Chat) {
/// match chat.chat("Hello").await {
///     Ok(reply) => println!("{reply}"),
///     Err(ChatError::Provider(error)) if error.kind() == ProviderErrorKind::RateLimit => {
///         println!("later, please: {:?}", error.retry_after());
///     }
///     Err(error) => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct ProviderError(Box<Failure>);

#[derive(Clone, PartialEq)]
struct Failure {
    kind: ProviderErrorKind,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    partial: Option<AssistantTurn>,
}

impl ProviderError {
    /// A failure of that kind, with a message for a person.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            message: message.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            partial: None,
        }))
    }

    /// A vendor that cannot do what is asked.
    pub(super) fn unsupported(info: &ProviderInfo, what: &str) -> Self {
        let message = format!("the provider `{}` cannot {what}", info.name);
        Self::new(ProviderErrorKind::Unsupported, message)
    }

    /// A stream that stopped before its last event.
    pub(crate) fn without_end() -> Self {
        Self::new(ProviderErrorKind::TruncatedStream, "the reply broke off before its end")
    }

    /// The same failure in other words: without a secret that it quoted, or with advice.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the vendor's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds the vendor's id of the request, to quote to their support.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Adds how long the vendor asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds what had arrived of the reply. A provider need not: a [`Chat`](crate::Chat) knows. But
    /// where a failure itself tells what it has cost, that belongs here.
    #[must_use]
    pub fn with_partial(mut self, partial: AssistantTurn) -> Self {
        self.0.partial = Some(partial);
        self
    }

    /// The kind, to match on.
    pub fn kind(&self) -> ProviderErrorKind {
        self.0.kind
    }

    /// What the vendor (or the library) said of it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The vendor's own code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The vendor's id of the request, where it gave one.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the vendor asks to wait, where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What had arrived of the reply when it broke off. A [`Chat`](crate::Chat) keeps it in its
    /// turns, too.
    pub fn partial(&self) -> Option<&AssistantTurn> {
        self.0.partial.as_ref()
    }

    /// The value of `error.type`: the vendor's code, else the HTTP status, else the kind.
    ///
    /// A code that does not look like one (long, or with other signs than letters, digits, `_`,
    /// `-` and `.`) is passed over, so that the values stay few and free of content.
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
    /// Of what had arrived nothing is shown: it is what people and models said.
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
        f.write_str(&self.0.message)?;
        let facts = [
            self.0.status.map(|status| format!("HTTP {status}")),
            self.0.code.clone(),
            self.0.request_id.as_ref().map(|id| format!("request {id}")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        if facts.is_empty() { Ok(()) } else { write!(f, " ({})", facts.join(", ")) }
    }
}

impl std::error::Error for ProviderError {}
