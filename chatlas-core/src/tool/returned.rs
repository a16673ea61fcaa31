//! Conversion of a tool's return value into the output that is sent to the model.
//!
//! A macro sees tokens, not types, so method resolution selects the conversion: [`Returned`] has
//! inherent methods for the special types (`Result`, contents, [`ToolError`]), and [`Plain`] has
//! methods of the same names for every other type. The compiler prefers inherent methods. The
//! requirements on a type are those of [`ToolReturn`] and [`ToolFailure`], whose methods the macro
//! calls by path, so that the compiler reports an unsuitable type at the return type.

use std::convert::Infallible;
use std::fmt;

use serde::Serialize;

use super::{ToolError, ToolOutput};
use crate::content::Content;
use crate::telemetry::names::error::UNSERIALIZABLE_RESULT;

/// A value that a `#[tool]` function can return.
///
/// Implemented for every type that implements `serde::Serialize`. A tool can also return a
/// [`ToolOutput`], a [`Content`], a `Vec<Content>`, and an `Option` of these.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`, which does not implement `serde::Serialize`",
    label = "the value is sent to the model as JSON",
    note = "derive `serde::Serialize` for `{Self}`, or return a `String`"
)]
pub trait ToolReturn {
    #[doc(hidden)]
    fn to_output(&self) -> Result<ToolOutput, ToolError>;
}

impl<T: Serialize + ?Sized> ToolReturn for T {
    fn to_output(&self) -> Result<ToolOutput, ToolError> {
        serde_json::to_value(self).map(ToolOutput::Value).map_err(|error| {
            let message = format!("the tool's result cannot be written as JSON: {error}");
            ToolError::new(UNSERIALIZABLE_RESULT, message)
        })
    }
}

/// An error that a `#[tool]` function can return.
///
/// Implemented for every type that implements `std::fmt::Display`; its text is sent to the model.
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`, which does not implement `std::fmt::Display`",
    label = "the text of the error is sent to the model",
    note = "implement `Display` for `{Self}` (for example with thiserror), or use `String`"
)]
pub trait ToolFailure {
    #[doc(hidden)]
    fn to_error(&self) -> ToolError;
}

impl<E: fmt::Display + ?Sized> ToolFailure for E {
    fn to_error(&self) -> ToolError {
        ToolError::of(self)
    }
}

/// A reference to the value that a tool returned.
pub struct Returned<T>(pub T);

impl<'a, T, E> Returned<&'a Result<T, E>> {
    /// Returns the value, or the error.
    pub fn split(self) -> Result<&'a T, &'a E> {
        self.0.as_ref()
    }
}

/// A type that converts into [`ToolOutput`] without serialization. One bound for all of them, so
/// that an undefined type causes no second compiler error here.
pub trait Rich: Clone + Into<ToolOutput> {}
impl Rich for ToolOutput {}
impl Rich for Content {}
impl Rich for Vec<Content> {}
impl<T: Rich> Rich for Option<T> {}

/// A reference to a value that is converted without serialization and without `Display`.
pub struct Converted<'a, T>(&'a T);

#[diagnostic::do_not_recommend]
impl<T: Rich> ToolReturn for Converted<'_, T> {
    fn to_output(&self) -> Result<ToolOutput, ToolError> {
        Ok(self.0.clone().into())
    }
}

#[diagnostic::do_not_recommend]
impl ToolFailure for Converted<'_, ToolError> {
    fn to_error(&self) -> ToolError {
        self.0.clone()
    }
}

impl<'a, T: Rich> Returned<&'a T> {
    /// Returns the [`ToolReturn`] to convert, boxed because [`Plain::output`] returns a reference.
    pub fn output(self) -> Box<Converted<'a, T>> {
        Box::new(Converted(self.0))
    }
}

impl<'a> Returned<&'a ToolError> {
    /// Returns the [`ToolFailure`] to convert, which keeps the `error.type` that the tool chose.
    pub fn error(self) -> Box<Converted<'a, ToolError>> {
        Box::new(Converted(self.0))
    }
}

/// The methods of [`Returned`] for every type without inherent ones.
pub trait Plain<'a, T: ?Sized>: Sized {
    /// Returns the value: a type other than `Result` is never an error.
    fn split(self) -> Result<&'a T, &'a Infallible>;

    /// Returns the [`ToolReturn`] to convert.
    fn output(self) -> &'a T;

    /// Returns the [`ToolFailure`] to convert.
    fn error(self) -> &'a T;
}

impl<'a, T: ?Sized> Plain<'a, T> for Returned<&'a T> {
    fn split(self) -> Result<&'a T, &'a Infallible> {
        Ok(self.0)
    }

    fn output(self) -> &'a T {
        self.0
    }

    fn error(self) -> &'a T {
        self.0
    }
}
