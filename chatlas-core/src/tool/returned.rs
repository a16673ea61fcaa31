//! What a tool may return, and how it becomes what the model is handed.
//!
//! A macro knows no types, so the choice is the compiler's: [`Returned`] has inherent methods for
//! the types that are special (`Result`, contents, [`ToolError`]), and [`Plain`] has the same
//! methods for all others. An inherent method is found first. What a type lacks is told by the
//! bound of the method in `Plain`, at the return type and nowhere else.

use std::convert::Infallible;
use std::fmt;

use serde::Serialize;

use super::{ToolError, ToolOutput};
use crate::content::Content;
use crate::telemetry::names::error::UNSERIALIZABLE_RESULT;

/// What a tool may return: any value that serializes.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`: it does not serialize",
    label = "the model can be handed what implements `serde::Serialize`",
    note = "derive `serde::Serialize` for it, or return a `String`"
)]
pub trait Output: Serialize {}
impl<T: Serialize + ?Sized> Output for T {}

/// What a tool may fail with: anything that can be told to the model.
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`: it has no text to tell the model",
    label = "the error of a tool implements `std::fmt::Display`",
    note = "derive an error type (with thiserror for example), or use `String`"
)]
pub trait Failure: fmt::Display {}
impl<E: fmt::Display + ?Sized> Failure for E {}

/// What a tool returned.
pub struct Returned<T>(pub T);

impl<'a, T, E> Returned<&'a Result<T, E>> {
    /// What it returned, or what it failed with.
    pub fn split(self) -> Result<&'a T, &'a E> {
        self.0.as_ref()
    }
}

/// What is an output as it is. One bound, so that a type which the compiler does not know gives
/// no error of its own here.
pub trait Rich: Clone + Into<ToolOutput> {}
impl Rich for ToolOutput {}
impl Rich for Content {}
impl Rich for Vec<Content> {}
impl<T: Rich> Rich for Option<T> {}

impl<T: Rich> Returned<&T> {
    /// The output as it is.
    pub fn output(self) -> Result<ToolOutput, ToolError> {
        Ok(self.0.clone().into())
    }
}

impl Returned<&ToolError> {
    /// The error as it is, with the type that the tool gave it.
    pub fn error(self) -> ToolError {
        self.0.clone()
    }
}

/// The methods of [`Returned`] for every type that has none of its own.
pub trait Plain<'a, T: ?Sized>: Sized {
    /// A value that is no `Result` is no failure.
    fn split(self) -> Result<&'a T, &'a Infallible>;

    /// The value as JSON.
    fn output(self) -> Result<ToolOutput, ToolError>
    where
        T: Output;

    /// The error: its type's name, and its text.
    fn error(self) -> ToolError
    where
        T: Failure;
}

impl<'a, T: ?Sized> Plain<'a, T> for Returned<&'a T> {
    fn split(self) -> Result<&'a T, &'a Infallible> {
        Ok(self.0)
    }

    fn output(self) -> Result<ToolOutput, ToolError>
    where
        T: Output,
    {
        serde_json::to_value(self.0).map(ToolOutput::Value).map_err(|error| {
            let message = format!("the tool's result cannot be written as JSON: {error}");
            ToolError::new(UNSERIALIZABLE_RESULT, message)
        })
    }

    fn error(self) -> ToolError
    where
        T: Failure,
    {
        ToolError::from_error(self.0)
    }
}
