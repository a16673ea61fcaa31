//! [`Prompt`]: what the user sends.

use crate::content::Content;

/// A prompt: text, or several contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt(pub(super) Vec<Content>);

impl Prompt {
    /// Creates a prompt from its contents.
    pub fn new(contents: impl Into<Vec<Content>>) -> Self {
        Self(contents.into())
    }

    /// Returns the contents.
    pub fn contents(&self) -> &[Content] {
        &self.0
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self(vec![Content::text(text)])
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self(vec![Content::text(text)])
    }
}

impl From<&String> for Prompt {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Content> for Prompt {
    fn from(content: Content) -> Self {
        Self(vec![content])
    }
}

impl From<Vec<Content>> for Prompt {
    fn from(contents: Vec<Content>) -> Self {
        Self(contents)
    }
}

impl<const N: usize> From<[Content; N]> for Prompt {
    fn from(contents: [Content; N]) -> Self {
        Self(contents.into())
    }
}
