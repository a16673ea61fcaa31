//! Values that contribute several tools to a list: [`Toolbox`], whose methods are tools, and
//! [`IntoTools`], for tools that are created at run time.

use std::sync::Arc;

use super::function::Name;
use super::{Tool, ToolSet};

/// A type whose methods are tools.
///
/// Write `#[toolbox]` on its impl to implement this trait, and add a value to a list with
/// `tools![..value]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a toolbox",
    label = "no method of this type is a tool",
    note = "write `#[toolbox]` on the impl of `{Self}`, and `#[tool]` on its methods"
)]
pub trait Toolbox: Send + Sync + 'static {
    /// The names of the tools, which the compiler checks for duplicates.
    #[doc(hidden)]
    const NAMES: &'static [Name];

    /// Returns the tools, which share the value.
    fn tools(self: Arc<Self>) -> Vec<Arc<dyn Tool>>;
}

/// A value that adds tools to a list at run time: `tools![get_weather, dyn value]`.
///
/// Implemented for every [`Tool`], for [`ToolSet`], and for vectors of these. Implement it for a type
/// that holds tools, such as the client of a tool server.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a tool nor a set of tools",
    label = "this value cannot be added to a list of tools",
    note = "`dyn` takes a `Tool`, a `ToolSet`, or a `Vec` of these; write `..value` for a toolbox, \
            and the path alone for a `#[tool]` function"
)]
pub trait IntoTools {
    /// Returns the tools in the order of the list.
    fn into_tools(self) -> Vec<Arc<dyn Tool>>;
}

impl<T: Tool> IntoTools for T {
    fn into_tools(self) -> Vec<Arc<dyn Tool>> {
        vec![Arc::new(self)]
    }
}

impl IntoTools for ToolSet {
    fn into_tools(self) -> Vec<Arc<dyn Tool>> {
        self.into_iter().collect()
    }
}

impl<T: IntoTools> IntoTools for Vec<T> {
    fn into_tools(self) -> Vec<Arc<dyn Tool>> {
        self.into_iter().flat_map(T::into_tools).collect()
    }
}
