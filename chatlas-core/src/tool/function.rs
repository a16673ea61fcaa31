//! The [`Tool`] that `#[tool]` creates for a function, and its static definition ([`Spec`]). Called
//! by macro expansions, with few generic functions, so that a tool is fast to compile.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::args::{Param, object_schema};
use super::{
    BoxFuture, Hidden, Tool, ToolAnnotations, ToolCall, ToolDefinition, ToolError, ToolOutput,
};
use crate::schema::to_strict;

type Outcome = Result<ToolOutput, ToolError>;

/// The definition of a tool as constants. The [`ToolDefinition`] with its JSON schema is created
/// once, on first use.
pub struct Spec {
    name: &'static str,
    description: &'static str,
    params: &'static [Param],
    title: Option<&'static str>,
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
    strict: Option<bool>,
    timeout: Option<Duration>,
    hidden: Hidden,
    definition: OnceLock<ToolDefinition>,
}

impl Spec {
    /// Creates the definition with its required parts.
    pub const fn new(
        name: &'static str,
        description: &'static str,
        params: &'static [Param],
    ) -> Self {
        Self {
            name,
            description,
            params,
            title: None,
            read_only: None,
            destructive: None,
            idempotent: None,
            open_world: None,
            strict: None,
            timeout: None,
            hidden: Hidden { arguments: &[], output: false },
            definition: OnceLock::new(),
        }
    }

    /// Sets the display name.
    #[must_use]
    pub const fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Sets whether the tool changes nothing.
    #[must_use]
    pub const fn read_only(mut self, on: bool) -> Self {
        self.read_only = Some(on);
        self
    }

    /// Sets whether the tool may destroy data.
    #[must_use]
    pub const fn destructive(mut self, on: bool) -> Self {
        self.destructive = Some(on);
        self
    }

    /// Sets whether repeating a call has no further effect.
    #[must_use]
    pub const fn idempotent(mut self, on: bool) -> Self {
        self.idempotent = Some(on);
        self
    }

    /// Sets whether the tool interacts with systems outside the program.
    #[must_use]
    pub const fn open_world(mut self, on: bool) -> Self {
        self.open_world = Some(on);
        self
    }

    /// Sets whether the vendor enforces the schema on the arguments.
    #[must_use]
    pub const fn strict(mut self, on: bool) -> Self {
        self.strict = Some(on);
        self
    }

    /// Sets the maximum duration of a call, in milliseconds.
    #[must_use]
    pub const fn timeout(mut self, millis: u64) -> Self {
        self.timeout = Some(Duration::from_millis(millis));
        self
    }

    /// Sets the arguments that are never recorded.
    #[must_use]
    pub const fn skip(mut self, arguments: &'static [&'static str]) -> Self {
        self.hidden.arguments = arguments;
        self
    }

    /// Sets that the result is never recorded.
    #[must_use]
    pub const fn skip_output(mut self) -> Self {
        self.hidden.output = true;
        self
    }

    fn definition(&self) -> &ToolDefinition {
        self.definition.get_or_init(|| {
            let mut schema = object_schema(self.params);
            if self.strict == Some(true) {
                schema = to_strict(&schema).unwrap_or(schema);
            }
            let mut definition = ToolDefinition::new(self.name, self.description.trim(), schema);
            definition.annotations = ToolAnnotations {
                title: self.title.map(Into::into),
                read_only: self.read_only,
                destructive: self.destructive,
                idempotent: self.idempotent,
                open_world: self.open_world,
            };
            definition.strict = self.strict;
            definition.timeout = self.timeout;
            definition.hidden = self.hidden;
            definition
        })
    }
}

/// A tool with a static definition.
struct Function<F> {
    spec: &'static Spec,
    call: F,
}

impl<F> Tool for Function<F>
where
    F: Fn(ToolCall) -> BoxFuture<'static, Outcome> + Send + Sync + 'static,
{
    fn definition(&self) -> &ToolDefinition {
        self.spec.definition()
    }

    fn call(&self, mut call: ToolCall) -> BoxFuture<'_, Outcome> {
        call.coerce(&self.definition().parameters);
        (self.call)(call)
    }
}

/// Returns the tool that calls a function without state.
pub fn function(
    spec: &'static Spec,
    call: fn(ToolCall) -> BoxFuture<'static, Outcome>,
) -> Arc<dyn Tool> {
    Arc::new(Function { spec, call })
}

/// Returns the tool that calls a function with state, or a method.
pub fn bound<S: Send + Sync + 'static>(
    spec: &'static Spec,
    state: &Arc<S>,
    call: fn(Arc<S>, ToolCall) -> BoxFuture<'static, Outcome>,
) -> Arc<dyn Tool> {
    let state = Arc::clone(state);
    Arc::new(Function { spec, call: move |request| call(Arc::clone(&state), request) })
}

/// The name of a tool for duplicate checks at compile time, with a hash, which makes the checks of
/// long lists fast.
#[derive(Clone, Copy)]
pub struct Name {
    /// The hash of the name.
    pub hash: u64,
    /// The name; empty for a path that is not a tool.
    pub text: &'static str,
}

/// The name of a `#[tool]` function, implemented by the struct of the same name.
pub trait NamedTool {
    /// The name of the tool.
    const NAME: Name;
}

/// A `#[tool]` function without state. Expansions implement this trait alone, which is fast to
/// compile; [`NamedTool`] and [`ToolFunction`] follow from it.
pub trait StatelessTool {
    /// The name of the tool.
    const NAME: Name;

    /// Returns the tool.
    fn tool() -> Arc<dyn Tool>;
}

impl<T: StatelessTool> NamedTool for T {
    const NAME: Name = T::NAME;
}

#[diagnostic::do_not_recommend]
impl<T: StatelessTool, S> ToolFunction<S, ()> for T {
    fn tool(_: &Arc<S>) -> Arc<dyn Tool> {
        T::tool()
    }
}

/// A `#[tool]` function, as an entry of `tools![]`.
///
/// Implemented by `#[tool]`. `State` is the state of the list: the value after `with`, or `()`.
/// `Sources` is inferred; it has a type for each `#[state]` parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "no `#[tool]` function of this name is in scope",
    note = "write `#[tool]` on the function and list it by its path; write `..value` for the tools of \
            a toolbox, and `dyn value` for a tool that is created at run time"
)]
pub trait ToolFunction<State, Sources> {
    /// Returns the tool with this state.
    fn tool(state: &Arc<State>) -> Arc<dyn Tool>;
}

/// A type of parameters whose default can be a text: every type that implements `From<&str>`.
#[diagnostic::on_unimplemented(
    message = "the default of a parameter of the type `{Self}` cannot be a text",
    label = "a text is not a value of `{Self}`",
    note = "write a value of the type `{Self}`: `#[default(value)]`"
)]
pub trait TextDefault {
    /// Returns the value.
    fn from_text(text: &'static str) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: From<&'static str>> TextDefault for T {
    fn from_text(text: &'static str) -> Self {
        text.into()
    }
}
