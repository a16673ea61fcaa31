//! A value whose methods are tools: what `#[toolbox]` implements.

use std::sync::Arc;

use super::Tool;
use super::function::Name;

/// A type whose methods the model may ask for. `#[toolbox]` above its impl writes this; a value of
/// it goes into a list as `tools![..value]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no toolbox",
    label = "its methods are no tools",
    note = "write `#[toolbox]` above its impl, and `#[tool]` above the methods"
)]
pub trait Toolbox: Send + Sync + 'static {
    /// The names of its tools, for the compiler's checks.
    #[doc(hidden)]
    const NAMES: &'static [Name];

    /// Its tools, which share the value.
    fn tools(self: Arc<Self>) -> Vec<Arc<dyn Tool>>;
}
