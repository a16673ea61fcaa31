//! What `#[toolbox]` makes of an impl.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use chatlas_core::tool::DynTool;
use chatlas_core::{ToolCall, ToolContext, ToolError, ToolOutput, ToolSet};
use chatlas_macros::{tool, toolbox, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Default)]
struct Counter {
    count: AtomicU32,
    name: String,
}

/// A counter for the model.
#[toolbox]
impl Counter {
    const STEP: u32 = { 1 };

    fn new(count: u32) -> Self {
        Self { count: AtomicU32::new(count), name: "counter".to_owned() }
    }

    /// Adds to the counter.
    #[tool]
    async fn add(
        &self,
        /// How much.
        #[default(1)]
        amount: u32,
    ) -> u32 {
        std::future::ready(()).await;
        self.step(amount * Self::STEP)
    }

    /// Reads the counter.
    #[tool(name = "read", read_only)]
    pub fn current(&self, context: &ToolContext) -> Result<String, std::fmt::Error> {
        Ok(format!("{} {}", self.count.load(Ordering::Relaxed), context.call_id()))
    }

    /// Is not there.
    #[cfg(any())]
    #[tool]
    fn never(&self, thing: NoSuchType) -> u8 {
        0
    }

    /// Is there on one of all systems.
    #[cfg(any())]
    #[tool(name = "twice")]
    fn twice_there(&self) -> u8 {
        0
    }

    /// Is there on all other systems.
    #[cfg(not(any()))]
    #[tool(name = "twice")]
    fn twice_here(&self) -> u8 {
        2
    }

    /// Needs no value.
    #[tool]
    fn double(number: u8) -> u8 {
        number * 2
    }

    /// Borrows what it returns.
    #[tool]
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&self, amount: u32) -> u32 {
        self.count.fetch_add(amount, Ordering::Relaxed) + amount
    }
}

/// A type that is its own parameter.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    text: String,
}

#[toolbox]
impl Note {
    /// Puts a note below this one.
    #[tool(name = "append-note")]
    fn append(&self, other: Self) -> Result<Self, String> {
        if other.text.is_empty() {
            return Err("an empty note".to_owned());
        }
        Ok(Self { text: format!("{}\n{}", self.text, other.text) })
    }
}

/// Adds two numbers.
#[tool]
fn sum(a: u8, b: u8) -> u8 {
    a + b
}

/// Uses what the app supplies.
#[tool]
fn log(#[state] lines: &Mutex<Vec<String>>, line: String) -> usize {
    let mut lines = lines.lock().expect("nobody panicked");
    lines.push(line);
    lines.len()
}

async fn call(tools: &ToolSet, name: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
    let tool = Arc::clone(tools.get(name).expect("a tool of this name"));
    tool.call(ToolCall::new("call-1", arguments)).await
}

fn names(tools: &ToolSet) -> Vec<&str> {
    tools.iter().map(|tool| tool.definition().name.as_ref()).collect()
}

#[tokio::test]
async fn methods_share_the_value() {
    let counter = Arc::new(Counter::new(5));
    let set = tools![..Arc::clone(&counter)];
    assert_eq!(names(&set), ["add", "read", "twice", "double", "name"]);
    assert_eq!(call(&set, "add", json!({"amount": 2})).await, Ok(json!(7).into()));
    assert_eq!(call(&set, "add", json!({})).await, Ok(json!(8).into()));
    assert_eq!(call(&set, "read", json!({})).await, Ok("8 call-1".into()));
    assert_eq!(call(&set, "double", json!({"number": 4})).await, Ok(json!(8).into()));
    assert_eq!(counter.add(1).await, 9);
    assert_eq!(counter.current(&ToolContext::new("direct")).as_deref(), Ok("9 direct"));
    assert_eq!(counter.name(), "counter");
    assert_eq!(Counter::double(2), 4);
    let definition = set.get("read").expect("a tool").definition();
    assert_eq!(definition.annotations.read_only, Some(true));
    let amount = &set.get("add").expect("a tool").definition().parameters["properties"]["amount"];
    assert_eq!((&amount["description"], &amount["default"]), (&json!("How much."), &json!(1)));
}

#[tokio::test]
async fn functions_toolboxes_and_state_stand_in_one_list() {
    let lines = Mutex::new(Vec::new());
    let note = Note { text: "one".to_owned() };
    let set = tools![with lines => sum, ..Counter::default(), log, ..note];
    assert_eq!(
        names(&set),
        ["sum", "add", "read", "twice", "double", "name", "log", "append-note"]
    );
    assert_eq!(call(&set, "log", json!({"line": "x"})).await, Ok(json!(1).into()));
    let appended = call(&set, "append-note", json!({"other": {"text": "two"}})).await;
    assert_eq!(appended, Ok(json!({"text": "one\ntwo"}).into()));
}

#[tokio::test]
async fn dynamic_tools_join_a_list_and_their_names_are_checked_then() {
    let echo = |name: &'static str| {
        let schema = json!({"type": "object"});
        DynTool::new(name, "Says it.", schema, async |call| Ok(call.arguments.to_string()))
    };
    let mut set = tools![sum];
    set.add(Arc::new(echo("echo").expect("a name"))).expect("a new name");
    assert_eq!(call(&set, "echo", json!({"a": 1})).await, Ok("{\"a\":1}".into()));
    let error = set.add(Arc::new(echo("sum").expect("a name"))).expect_err("a name twice");
    assert!(error.to_string().contains("`sum`"), "{error}");
    let error = set.merge(tools![..Counter::default(), sum]).expect_err("a name twice");
    assert!(error.to_string().contains("`sum`"), "{error}");
    assert_eq!(names(&set), ["sum", "echo"], "the set is as before");
    set.merge(tools![..Counter::default()]).expect("new names");
    assert_eq!(set.len(), 7);
    let error = echo("no name").expect_err("a space");
    assert!(error.to_string().starts_with("`no name` is not a tool name"), "{error}");
    let error = DynTool::new("x", "", json!({"type": "string"}), async |_| Ok(""));
    let error = error.expect_err("no object");
    assert!(error.to_string().contains("schema of the tool `x`"), "{error}");
}

/// The compiler runs this in a constant: a name that is there already stops the build with it.
#[test]
#[should_panic(expected = "another tool in this list has the same name")]
fn a_toolbox_beside_a_tool_of_the_same_name_is_refused() {
    use chatlas_core::__private::{NamedTool as _, Toolbox, assert_none_among};

    /// Adds.
    #[tool]
    fn add() {}

    assert_none_among(<Counter as Toolbox>::NAMES, &[add::NAME]);
}
