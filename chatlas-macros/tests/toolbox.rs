//! `#[toolbox]` on impls, and lists of functions, toolboxes and run-time tools.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use chatlas_core::tool::{DuplicateTool, DynTool, InvalidTool, Tool};
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

    /// Is disabled.
    #[cfg(any())]
    #[tool]
    fn never(&self, thing: NoSuchType) -> u8 {
        0
    }

    /// Is disabled, with the name of another tool.
    #[cfg(any())]
    #[tool(name = "twice")]
    fn twice_disabled(&self) -> u8 {
        0
    }

    /// Is enabled.
    #[cfg(not(any()))]
    #[tool(name = "twice")]
    fn twice_enabled(&self) -> u8 {
        2
    }

    /// Needs no value.
    #[tool]
    fn double(number: u8) -> u8 {
        number * 2
    }

    /// Returns a borrowed value.
    #[tool]
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&self, amount: u32) -> u32 {
        self.count.fetch_add(amount, Ordering::Relaxed) + amount
    }
}

/// A type with a tool that takes `Self` as a parameter.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    text: String,
}

#[toolbox]
impl Note {
    /// Appends a note to this one.
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

/// Uses state.
#[tool]
fn log(#[state] lines: &Mutex<Vec<String>>, line: String) -> usize {
    let mut lines = lines.lock().expect("not poisoned");
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

/// Creates a tool that returns its arguments as text.
fn echo(name: &'static str) -> Result<DynTool, InvalidTool> {
    let schema = json!({"type": "object"});
    DynTool::new(name, "Returns its arguments.", schema, async |call| {
        Ok(call.arguments.to_string())
    })
}

#[tokio::test]
async fn tools_of_a_toolbox_share_its_value() {
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
async fn list_takes_functions_toolboxes_and_state() {
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
async fn tools_added_at_run_time_need_new_names() {
    let mut set = tools![sum];
    set.add(echo("echo").expect("a name")).expect("a new name");
    assert_eq!(call(&set, "echo", json!({"a": 1})).await, Ok("{\"a\":1}".into()));
    let error = set.add(echo("sum").expect("a name")).expect_err("a name twice");
    assert!(error.to_string().contains("`sum`"), "{error}");
    let error = set.merge(tools![..Counter::default(), sum]).expect_err("a name twice");
    assert!(error.to_string().contains("`sum`"), "{error}");
    assert_eq!(names(&set), ["sum", "echo"], "the set is unchanged");
    set.merge(tools![..Counter::default()]).expect("new names");
    assert_eq!(set.len(), 7);
    let error = echo("no name").expect_err("a space");
    assert!(error.to_string().starts_with("`no name` is not a tool name"), "{error}");
    let error = DynTool::new("x", "", json!({"type": "string"}), async |_| Ok(""));
    let error = error.expect_err("no object");
    assert!(error.to_string().contains("schema of the tool `x`"), "{error}");
}

#[tokio::test]
async fn list_takes_run_time_tools() {
    let echo = |name| echo(name).expect("a valid name");
    let shared: Arc<dyn Tool> = Arc::new(echo("shared"));
    let loaded = vec![echo("loaded"), echo("loaded-too")];
    let lines = Mutex::new(Vec::new());
    let set = tools![
        with lines =>
        dyn echo("first"),
        sum,
        dyn Arc::clone(&shared),
        ..Note { text: "one".to_owned() },
        dyn loaded,
        log,
        dyn tools![..Counter::default()],
    ];
    let set = set.expect("distinct names");
    assert_eq!(
        names(&set),
        [
            "first",
            "sum",
            "shared",
            "append-note",
            "loaded",
            "loaded-too",
            "log",
            "add",
            "read",
            "twice",
            "double",
            "name"
        ]
    );
    assert_eq!(call(&set, "loaded", json!({"a": 1})).await, Ok("{\"a\":1}".into()));
    assert_eq!(call(&set, "log", json!({"line": "x"})).await, Ok(json!(1).into()));
    let empty: Vec<Arc<dyn Tool>> = Vec::new();
    assert_eq!(tools![dyn empty].map(|set| set.len()), Ok(0));
}

#[test]
fn list_with_run_time_tools_reports_duplicate_names() -> Result<(), InvalidTool> {
    let duplicate =
        |set: Result<ToolSet, DuplicateTool>| set.expect_err("a name twice").to_string();
    assert!(duplicate(tools![sum, dyn echo("sum")?]).contains("`sum`"));
    assert!(duplicate(tools![dyn echo("add")?, ..Counter::default()]).contains("`add`"));
    assert!(duplicate(tools![dyn vec![echo("echo")?, echo("echo")?]]).contains("`echo`"));
    assert!(duplicate(tools![sum, dyn tools![sum]]).contains("`sum`"));
    Ok(())
}

/// The compiler evaluates this assertion as a constant.
#[test]
#[should_panic(expected = "another tool in this list has the same name")]
fn toolbox_and_function_of_the_same_name_are_an_error() {
    use chatlas_core::__private::{NamedTool as _, Toolbox, assert_none_among};

    /// Adds.
    #[tool]
    fn add() {}

    assert_none_among(<Counter as Toolbox>::NAMES, &[add::NAME]);
}
