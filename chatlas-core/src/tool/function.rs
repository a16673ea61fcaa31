//! What `#[tool]` makes of a function: its facts ([`Spec`]), and the [`Tool`] that runs it. Called
//! by macro expansions, so as little as can be is generic.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::args::{Param, object_schema};
use super::{BoxFuture, Tool, ToolAnnotations, ToolCall, ToolDefinition, ToolError, ToolOutput};
use crate::schema::make_strict;

type Outcome = Result<ToolOutput, ToolError>;

/// What is known of a tool when the program is built; its definition is made once, when it is
/// first asked for.
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
    definition: OnceLock<ToolDefinition>,
}

impl Spec {
    /// The facts that every tool has.
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
            definition: OnceLock::new(),
        }
    }

    /// A name for people.
    #[must_use]
    pub const fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn read_only(mut self, on: bool) -> Self {
        self.read_only = Some(on);
        self
    }

    /// Whether it may destroy something.
    #[must_use]
    pub const fn destructive(mut self, on: bool) -> Self {
        self.destructive = Some(on);
        self
    }

    /// Whether the same call again changes nothing more.
    #[must_use]
    pub const fn idempotent(mut self, on: bool) -> Self {
        self.idempotent = Some(on);
        self
    }

    /// Whether it deals with a world outside the program.
    #[must_use]
    pub const fn open_world(mut self, on: bool) -> Self {
        self.open_world = Some(on);
        self
    }

    /// Whether the vendor is to hold the model to the schema to the letter.
    #[must_use]
    pub const fn strict(mut self, on: bool) -> Self {
        self.strict = Some(on);
        self
    }

    /// How long a call may take, in milliseconds.
    #[must_use]
    pub const fn timeout(mut self, millis: u64) -> Self {
        self.timeout = Some(Duration::from_millis(millis));
        self
    }

    /// Its parameters.
    pub(super) const fn params(&self) -> &'static [Param] {
        self.params
    }

    fn definition(&self) -> &ToolDefinition {
        self.definition.get_or_init(|| {
            let mut schema = object_schema(self.params);
            if self.strict == Some(true) {
                let mut exact = schema.clone();
                if make_strict(&mut exact) {
                    schema = exact;
                }
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
            definition
        })
    }
}

/// A tool made of its facts and of what runs it.
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

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Outcome> {
        (self.call)(call)
    }
}

/// The tool that runs a free function.
pub fn function(
    spec: &'static Spec,
    call: fn(ToolCall) -> BoxFuture<'static, Outcome>,
) -> Arc<dyn Tool> {
    Arc::new(Function { spec, call })
}

/// The tool that runs a function with state, or a method with its value.
pub fn bound<S: Send + Sync + 'static>(
    spec: &'static Spec,
    state: &Arc<S>,
    call: fn(Arc<S>, ToolCall) -> BoxFuture<'static, Outcome>,
) -> Arc<dyn Tool> {
    let state = Arc::clone(state);
    Arc::new(Function { spec, call: move |request| call(Arc::clone(&state), request) })
}

/// A tool's name as the compiler's checks take it: with a hash, so that a list of many tools is
/// checked in no time.
#[derive(Clone, Copy)]
pub struct Name {
    /// The same for the same text.
    pub hash: u64,
    /// The name; empty for what is no tool.
    pub text: &'static str,
}

/// What `#[tool]` implements for the struct beside the function.
pub trait ToolFn {
    /// The tool's name.
    const NAME: Name;
}

/// A tool that needs no state. One impl, so that the compiler has little to check: it is a
/// [`ToolFn`], and a [`ToolWith`] any state.
pub trait Stateless {
    /// The tool's name.
    const NAME: Name;

    /// The tool.
    fn tool() -> Arc<dyn Tool>;
}

impl<T: Stateless> ToolFn for T {
    const NAME: Name = T::NAME;
}

impl<T: Stateless, S> ToolWith<S, ()> for T {
    fn tool(_: &Arc<S>) -> Arc<dyn Tool> {
        T::tool()
    }
}

/// A tool that can be made where the state of its list is an `S`. `How` says how each of its
/// `#[state]` parameters comes out of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "no `#[tool]` function of this name",
    note = "write `#[tool]` above the function, and list it by its name"
)]
pub trait ToolWith<S, How> {
    /// The tool, with that state.
    fn tool(state: &Arc<S>) -> Arc<dyn Tool>;
}
