//! [`ToolSet`]: the tools of a chat, with unique names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::{Tool, ToolDefinition};

/// The tools of a chat. Their names are unique.
///
/// `tools![a, b, ..toolbox]` makes a set whose names are checked by the compiler. A set of tools
/// that are known at run time is built by [`add`](Self::add) and [`merge`](Self::merge), which report
/// a duplicate name, or by `collect` and `extend`, where the later tool replaces the earlier one.
#[derive(Clone, Default)]
pub struct ToolSet {
    tools: Vec<Arc<dyn Tool>>,
    /// The index of each tool by its name.
    names: HashMap<Cow<'static, str>, usize>,
    /// The definitions of the tools, collected once.
    definitions: OnceLock<Arc<[ToolDefinition]>>,
}

/// The tools of a chat as an argument: a [`ToolSet`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of tools",
    label = "write `tools![...]`",
    note = "`tools![a, b]` lists `#[tool]` functions by their names, `tools![..value]` the tools of a \
            toolbox, and `tools![dyn value]?` tools that are created at run time"
)]
pub trait IntoToolSet {
    /// Returns the set.
    fn into_tool_set(self) -> ToolSet;
}

impl IntoToolSet for ToolSet {
    fn into_tool_set(self) -> Self {
        self
    }
}

impl ToolSet {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool.
    ///
    /// # Errors
    ///
    /// [`DuplicateTool`] if the set has a tool with the same name. The set is then unchanged.
    pub fn add(&mut self, tool: impl Tool) -> Result<(), DuplicateTool> {
        self.add_shared(Arc::new(tool))
    }

    /// Adds a tool that is shared.
    pub(crate) fn add_shared(&mut self, tool: Arc<dyn Tool>) -> Result<(), DuplicateTool> {
        self.check_free(&tool.definition().name)?;
        self.push(tool);
        Ok(())
    }

    /// Adds the tools of another set.
    ///
    /// ```
    /// # use chatlas_core::ToolSet;
    /// # fn example(local: ToolSet, remote: ToolSet) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tools = local;
    /// tools.merge(remote)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DuplicateTool`] if both sets have a tool with the same name. The set is then unchanged.
    pub fn merge(&mut self, other: Self) -> Result<(), DuplicateTool> {
        for tool in other.iter() {
            self.check_free(&tool.definition().name)?;
        }
        other.tools.into_iter().for_each(|tool| self.push(tool));
        Ok(())
    }

    /// Removes the tool with that name and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Arc<dyn Tool>> {
        let index = self.names.remove(name)?;
        for later in self.names.values_mut().filter(|later| **later > index) {
            *later -= 1;
        }
        self.definitions = OnceLock::new();
        Some(self.tools.remove(index))
    }

    /// Returns the tool with that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.get(*self.names.get(name)?)
    }

    /// Returns an iterator over the tools, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.iter()
    }

    /// Returns the number of tools.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Returns the definitions of the tools: the same allocation until the set changes.
    pub fn definitions(&self) -> Arc<[ToolDefinition]> {
        let collect = || self.tools.iter().map(|tool| tool.definition().clone()).collect();
        Arc::clone(self.definitions.get_or_init(collect))
    }

    /// Creates a set of tools whose names are distinct, as `tools![]` has checked.
    pub(crate) fn from_distinct(tools: Vec<Arc<dyn Tool>>) -> Self {
        let name = |tool: &Arc<dyn Tool>| tool.definition().name.clone();
        let names = tools.iter().map(name).zip(0..).collect();
        Self { tools, names, definitions: OnceLock::new() }
    }

    fn push(&mut self, tool: Arc<dyn Tool>) {
        self.names.insert(tool.definition().name.clone(), self.tools.len());
        self.tools.push(tool);
        self.definitions = OnceLock::new();
    }

    fn check_free(&self, name: &str) -> Result<(), DuplicateTool> {
        match self.get(name) {
            Some(_) => Err(DuplicateTool { name: name.to_owned() }),
            None => Ok(()),
        }
    }
}

/// Adds the tools; a tool replaces an earlier one with the same name.
impl<T: Tool> Extend<T> for ToolSet {
    fn extend<I: IntoIterator<Item = T>>(&mut self, tools: I) {
        for tool in tools {
            self.remove(&tool.definition().name);
            self.push(Arc::new(tool));
        }
    }
}

/// Collects the tools; a tool replaces an earlier one with the same name.
impl<T: Tool> FromIterator<T> for ToolSet {
    fn from_iter<I: IntoIterator<Item = T>>(tools: I) -> Self {
        let mut set = Self::new();
        set.extend(tools);
        set
    }
}

impl IntoIterator for ToolSet {
    type Item = Arc<dyn Tool>;
    type IntoIter = std::vec::IntoIter<Arc<dyn Tool>>;

    fn into_iter(self) -> Self::IntoIter {
        self.tools.into_iter()
    }
}

impl fmt::Debug for ToolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tools.iter().map(|tool| &tool.definition().name)).finish()
    }
}

/// The error of adding a tool whose name a [`ToolSet`] already has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateTool {
    name: String,
}

impl DuplicateTool {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for DuplicateTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the set already has a tool named `{}`: rename one of them", self.name)
    }
}

impl std::error::Error for DuplicateTool {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::{DynTool, ToolCall, ToolError};
    use serde_json::json;

    fn tool(name: &'static str, description: &'static str) -> DynTool {
        let run = async |_: ToolCall| Ok::<_, ToolError>("done");
        DynTool::new(name, description, json!({"type": "object"}), run).unwrap()
    }

    #[test]
    fn collecting_replaces_a_tool_of_the_same_name() {
        let mut set: ToolSet = [tool("a", "first"), tool("b", "")].into_iter().collect();
        assert_eq!(set.add(tool("a", "second")).unwrap_err().name(), "a");
        set.extend([tool("a", "second")]);
        let descriptions: Vec<_> = set
            .definitions()
            .iter()
            .map(|tool| (tool.name.clone(), tool.description.clone()))
            .collect();
        assert_eq!(descriptions, [("b".into(), "".into()), ("a".into(), "second".into())]);
    }

    #[test]
    fn definitions_are_shared_until_the_set_changes() {
        let mut set: ToolSet = [tool("a", "")].into_iter().collect();
        assert!(Arc::ptr_eq(&set.definitions(), &set.clone().definitions()));
        assert!(set.remove("a").is_some() && set.remove("a").is_none());
        assert!(set.definitions().is_empty());
    }

    #[test]
    fn tools_are_found_after_an_earlier_one_is_removed() {
        let mut set: ToolSet = ["a", "b", "c"].map(|name| tool(name, "")).into_iter().collect();
        set.remove("b");
        set.merge([tool("d", "")].into_iter().collect()).unwrap();
        for name in ["a", "c", "d"] {
            assert_eq!(set.get(name).unwrap().definition().name, name);
        }
        assert!(set.get("b").is_none());
    }
}
