//! State for tools: [`Provide`], and how a `#[state]` parameter gets its value.

use std::sync::Arc;

/// A state type from which tools can borrow a `T` with `#[state]`.
///
/// Pass a single state value directly: `tools![with db => …]` supplies a `Db`. To supply several
/// values, implement this trait for each:
///
/// ```
/// use chatlas_core::tool::Provide;
/// # struct Db;
/// # struct Cache;
/// struct App {
///     db: Db,
///     cache: Cache,
/// }
///
/// impl Provide<Db> for App {
///     fn provide(&self) -> &Db {
///         &self.db
///     }
/// }
///
/// impl Provide<Cache> for App {
///     fn provide(&self) -> &Cache {
///         &self.cache
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this tool needs a `{T}`, which the state of this list does not supply",
    label = "this tool has a `#[state]` parameter of type `{T}`",
    note = "write `tools![with app => ...]`, where `app` is a `{T}`, or implements `Provide<{T}>`"
)]
pub trait Provide<T> {
    /// Returns the value that the tools share.
    fn provide(&self) -> &T;
}

/// A shared state from which a `#[state]` parameter of type `T` gets its value. `Source` selects
/// the implementation; the compiler infers it.
pub trait Supply<T, Source> {
    /// Returns the value.
    fn supply(&self) -> &T;
}

/// The source of a parameter that takes the state value itself.
pub struct ByValue;
/// The source of a parameter that takes the `Arc` around the state value.
pub struct ByHandle;
/// The source of a parameter that the state supplies by [`Provide`].
pub struct ByProvide;

impl<T> Supply<T, ByValue> for Arc<T> {
    fn supply(&self) -> &T {
        self
    }
}

impl<T> Supply<Self, ByHandle> for Arc<T> {
    fn supply(&self) -> &Self {
        self
    }
}

impl<T, S: Provide<T>> Supply<T, ByProvide> for Arc<S> {
    fn supply(&self) -> &T {
        self.provide()
    }
}

/// State that a `#[state]` parameter can take by value: it is cloned for each call.
///
/// Implemented for every type that implements `Clone`.
#[diagnostic::on_unimplemented(
    message = "this tool takes a `{Self}` by value, which cannot be cloned",
    label = "a `#[state]` parameter is a reference, or is cloned for each call",
    note = "take `&{Self}`, or derive `Clone` for `{Self}`"
)]
pub trait CloneState {
    /// Returns a clone of the value.
    #[must_use]
    fn clone_state(&self) -> Self;
}

impl<T: Clone> CloneState for T {
    fn clone_state(&self) -> Self {
        self.clone()
    }
}
