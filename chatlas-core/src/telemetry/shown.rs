//! Conversion of any value to recorded content: contents unchanged, then the `Display` form, then
//! JSON, and `null` for a value without any of them.
//!
//! A macro sees tokens, not types, so method resolution selects the conversion: the compiler prefers
//! the trait that is implemented for the type with the most references.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::chat::Prompt;
use crate::tool::ToolOutput;
use crate::tool::returned::Rich;

/// A value to be recorded.
pub struct Shown<'a, T: ?Sized>(pub &'a T);

/// Records contents.
pub trait ShowContents {
    /// Returns the value as content.
    fn show(&self) -> ToolOutput;
}

impl<T: Rich> ShowContents for &&&Shown<'_, T> {
    fn show(&self) -> ToolOutput {
        self.0.clone().into()
    }
}

/// Records the `Display` form.
pub trait ShowText {
    /// Returns the value as content.
    fn show(&self) -> ToolOutput;
}

impl<T: fmt::Display + ?Sized> ShowText for &&Shown<'_, T> {
    fn show(&self) -> ToolOutput {
        self.0.to_string().into()
    }
}

/// Records JSON.
pub trait ShowJson {
    /// Returns the value as content.
    fn show(&self) -> ToolOutput;
}

impl<T: Serialize + ?Sized> ShowJson for &Shown<'_, T> {
    fn show(&self) -> ToolOutput {
        serde_json::to_value(self.0).unwrap_or_default().into()
    }
}

/// Records `null`.
pub trait ShowNothing {
    /// Returns `null`.
    fn show(&self) -> ToolOutput;
}

impl<T: ?Sized> ShowNothing for Shown<'_, T> {
    fn show(&self) -> ToolOutput {
        Value::Null.into()
    }
}

impl From<Prompt> for ToolOutput {
    fn from(prompt: Prompt) -> Self {
        Self::Contents(prompt.contents().to_vec())
    }
}

/// Returns a value as content.
#[doc(hidden)]
#[macro_export]
macro_rules! __show {
    ($value:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::{
            ShowContents as _, ShowJson as _, ShowNothing as _, ShowText as _,
        };
        (&&&&$crate::__private::Shown(&$value)).show()
    }};
}
