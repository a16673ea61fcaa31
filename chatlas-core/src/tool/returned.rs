//! Conversion of a tool's return value into the output that is sent to the model.
//!
//! A macro sees tokens, not types, so method resolution selects the conversion: [`Returned`] has
//! inherent methods for the special types (`Result`, contents, [`ToolError`]), and [`Plain`] has
//! methods of the same names for every other type. The compiler prefers inherent methods. The macro
//! passes the conversion of every other type as `ToolReturn::to_output` or `ToolFailure::to_error`,
//! so that the compiler reports an unsuitable type by these traits, at the return type.

use std::convert::Infallible;
use std::fmt;

use serde::Serialize;

use super::{ToolError, ToolOutput};
use crate::chat::{ChatError, Prompt, Reply};
use crate::content::Content;
use crate::operations::OperationError;
use crate::provider::ProviderError;
use crate::telemetry::names::error::UNSERIALIZABLE_RESULT;

/// A value that a `#[tool]` function can return.
///
/// Implemented for every type that implements `serde::Serialize`, and for [`ToolOutput`]. A tool can
/// also return an `Option<ToolOutput>`.
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

impl ToolReturn for ToolOutput {
    fn to_output(&self) -> Result<ToolOutput, ToolError> {
        Ok(self.clone())
    }
}

/// An error that a `#[tool]` function, or a function of another operation, can return.
///
/// Implemented for every type that implements `std::fmt::Display`. The text is sent to the model if
/// the function is a tool, and recorded with capture on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an annotated function, because it does not implement \
               `std::fmt::Display`",
    label = "the text of the error is sent to the model, or recorded",
    note = "implement `Display` for `{Self}` (for example with thiserror), or use `String`"
)]
pub trait ToolFailure {
    #[doc(hidden)]
    fn to_error(&self) -> ToolError;
}

impl<E: fmt::Display + ?Sized> ToolFailure for E {
    fn to_error(&self) -> ToolError {
        ToolError::from_error(self)
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
impl Rich for Prompt {}
impl Rich for Reply {}
impl<T: Rich> Rich for Option<T> {}

impl<T: Rich> Returned<&T> {
    /// Returns the value as an output. The parameter only determines its own type.
    pub fn output(
        self,
        _: fn(&ToolOutput) -> Result<ToolOutput, ToolError>,
    ) -> Result<ToolOutput, ToolError> {
        Ok(self.0.clone().into())
    }
}

/// An error that has an `error.type` itself. One bound for all of them, as for [`Rich`].
pub trait Coded {
    /// Returns the error with its `error.type`.
    fn coded(&self) -> ToolError;
}

impl Coded for ToolError {
    fn coded(&self) -> ToolError {
        self.clone()
    }
}

impl Coded for ChatError {
    fn coded(&self) -> ToolError {
        ToolError::new(self.error_type(), self.to_string())
    }
}

impl Coded for ProviderError {
    fn coded(&self) -> ToolError {
        ToolError::new(self.error_type(), self.to_string())
    }
}

impl Coded for OperationError {
    fn coded(&self) -> ToolError {
        self.clone().into()
    }
}

impl<T: Coded> Returned<&T> {
    /// Returns the error with its own `error.type`. The parameter only determines its own type.
    pub fn error(self, _: fn(&ToolError) -> ToolError) -> ToolError {
        self.0.coded()
    }
}

/// The methods of [`Returned`] for every type without inherent ones.
pub trait Plain<'a, T: ?Sized>: Sized {
    /// Returns the value: a type other than `Result` is never an error.
    fn split(self) -> Result<&'a T, &'a Infallible>;

    /// Converts the value.
    fn output(
        self,
        convert: fn(&T) -> Result<ToolOutput, ToolError>,
    ) -> Result<ToolOutput, ToolError>;

    /// Converts the error.
    fn error(self, convert: fn(&T) -> ToolError) -> ToolError;
}

impl<'a, T: ?Sized> Plain<'a, T> for Returned<&'a T> {
    fn split(self) -> Result<&'a T, &'a Infallible> {
        Ok(self.0)
    }

    fn output(
        self,
        convert: fn(&T) -> Result<ToolOutput, ToolError>,
    ) -> Result<ToolOutput, ToolError> {
        convert(self.0)
    }

    fn error(self, convert: fn(&T) -> ToolError) -> ToolError {
        convert(self.0)
    }
}
