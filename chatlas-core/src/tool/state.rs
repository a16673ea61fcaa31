//! What the app supplies to its tools: `#[state]` parameters, and where they come from.

use std::sync::Arc;

/// An app type that supplies a `T` to the tools that ask for one with `#[state]`.
///
/// What stands behind `with` in `tools![with app => …]` supplies itself without further ado; a
/// type that supplies several things says so:
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
    message = "this tool needs a `{T}`, which the state of its list does not supply",
    label = "takes a `#[state]` parameter of the type `{T}`",
    note = "write `tools![with app => ...]`, where `app` is the `{T}` itself, or of a type that \
            implements `Provide<{T}>`"
)]
pub trait Provide<T> {
    /// The `T`, as the tools share it.
    fn provide(&self) -> &T;
}

/// How state is supplied: it is the value that the list was given.
pub struct Itself;
/// How state is supplied: it is the shared handle itself.
pub struct Handle;
/// How state is supplied: the value that the list was given provides it.
pub struct Provided;

/// Where a `#[state]` parameter comes from.
pub trait Supply<T, How> {
    /// The value.
    fn supply(&self) -> &T;
}

impl<T> Supply<T, Itself> for Arc<T> {
    fn supply(&self) -> &T {
        self
    }
}

impl<T> Supply<Self, Handle> for Arc<T> {
    fn supply(&self) -> &Self {
        self
    }
}

impl<T, S: Provide<T>> Supply<T, Provided> for Arc<S> {
    fn supply(&self) -> &T {
        self.provide()
    }
}

/// The state of a list that was given none.
pub struct NoState;

/// A value to be shared. One that is shared already stays as it is: by way of the inherent method,
/// which the compiler finds before that of the trait.
pub struct Shared<T>(pub T);

impl<T> Shared<Arc<T>> {
    /// The value that is shared.
    pub fn share(self) -> Arc<T> {
        self.0
    }
}

/// [`Shared::share`], for everything that is no `Arc`.
pub trait Share {
    /// What becomes shared.
    type Target;

    /// The value, from now on shared.
    fn share(self) -> Arc<Self::Target>;
}

impl<T> Share for Shared<T> {
    type Target = T;

    fn share(self) -> Arc<T> {
        Arc::new(self.0)
    }
}
