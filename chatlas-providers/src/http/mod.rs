//! HTTP, the same for every provider: settings, attempts, secrets, bodies.

pub(crate) mod attempts;
mod body;
mod deadline;
mod encoded;
mod failure;
mod options;
mod retry;
mod runtime;
mod secret;
mod sender;
mod span;
mod tls;
mod token;
mod url;

pub(crate) use attempts::{Outgoing, send};
pub(crate) use body::{
    REPLY, broken_off, content_type, html_title, malformed, one_line, read_body, snippet,
};
pub(crate) use deadline::{Deadline, complete_before};
pub use options::HttpOptions;
pub(crate) use secret::{Secret, Secrets};
pub(crate) use sender::Sender;
#[cfg(feature = "bedrock-aws-config")]
pub(crate) use sender::client_with;
pub use sender::http_client;
pub(crate) use tls::HAS_TLS;
pub use token::BearerToken;
pub(crate) use token::Tokens;
pub(crate) use url::{is_secret_parameter, sensitive, user_and_password};

/// Returns the value of an environment variable, unless it is blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
