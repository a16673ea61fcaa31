//! A key that no print shows.

use std::fmt;
use std::sync::Arc;

/// A value that is sent and never shown.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into().into())
    }

    /// The value, to be sent.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without this secret: servers like to quote what they got.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.len() < 4 { text.to_owned() } else { text.replace(&*self.0, "[redacted]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
