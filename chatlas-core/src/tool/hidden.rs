//! [`Hidden`]: the content of a tool's calls that is never recorded, from `#[tool(skip(…))]`.

/// The content of the calls of one tool that is never recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// The names of the arguments.
    pub(crate) arguments: &'static [&'static str],
    /// Whether the result is hidden.
    pub(crate) output: bool,
}
