//! The work that every program of the comparison does, as the environment sets it.

use std::fmt::Debug;
use std::str::FromStr;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// The system prompt.
pub const SYSTEM: &str = "You plan trips. Look up the weather before you give advice.";
/// The prompt of each turn.
pub const PROMPT: &str = "What do I need for three days in Lisbon?";
/// The name of the tool that the server calls.
pub const TOOL: &str = "get_weather";
/// The description of every tool.
pub const DESCRIPTION: &str = "Returns the weather of a city for the next days.";
/// The requested model.
pub const MODEL: &str = "gpt-4o";

/// The work of one process.
pub struct Work {
    /// The base URL, including the scenario: `http://127.0.0.1:PORT/SCENARIO/v1`.
    pub url: String,
    /// Whether replies are streamed.
    pub streamed: bool,
    /// The number of turns. The runner subtracts two runs, so that start-up costs vanish.
    pub turns: usize,
    /// The questions and answers before each turn.
    pub history: Vec<(String, String)>,
    /// The number of tools, at least 1.
    pub tools: usize,
    /// The number of idle streams that are held open, or 0 for turns.
    pub idle: usize,
    /// Whether each turn creates a client.
    pub fresh: bool,
}

impl Work {
    /// Reads the work from `URL`, `STREAM`, `TURNS`, `HISTORY`, `TOOLS`, `IDLE` and `FRESH`.
    pub fn from_env() -> Self {
        Self {
            url: text("URL", ""),
            streamed: number("STREAM", 1) == 1,
            turns: number("TURNS", 10),
            history: (0..number("HISTORY", 0)).map(exchange).collect(),
            tools: number("TOOLS", 1),
            idle: number("IDLE", 0),
            fresh: number("FRESH", 0) == 1,
        }
    }
}

fn exchange(index: usize) -> (String, String) {
    let question = format!("Question {index}: which museums are open? {}", "q".repeat(150));
    (question, format!("Answer {index}: {}", "a".repeat(400)))
}

/// Returns the name of a tool.
pub fn tool_name(index: usize) -> String {
    if index == 0 { TOOL.to_owned() } else { format!("tool_{index}") }
}

/// Returns the JSON Schema of the parameters of a tool.
pub fn tool_schema(index: usize) -> Value {
    let city = json!({"type": "string", "description": "The city, for example Lisbon."});
    if index == 0 {
        return json!({"type": "object", "properties": {"city": city}, "required": ["city"],
            "additionalProperties": false});
    }
    let days = json!({"type": "integer", "description": "The number of days."});
    json!({"type": "object", "properties": {"city": city, "days": days, "metric": {"type": "boolean"}},
        "required": ["city", "days"], "additionalProperties": false})
}

/// Returns the result of the tool.
pub fn weather(city: &str) -> String {
    let city: String = city.chars().take(20).collect();
    format!("{city}: 17 degrees, windy, showers on Sunday")
}

/// Returns the resident memory of this process in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a line VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// The streams that are open before memory is measured.
const WARM: usize = 20;

/// Opens idle streams, prints how many bytes each of them holds, and ends the process. `open`
/// starts a task that sends a message for each piece of text.
pub async fn hold_idle(streams: usize, mut open: impl FnMut(UnboundedSender<()>)) -> ! {
    let (sender, mut pieces) = unbounded_channel();
    let mut before = 0;
    for number in 0..WARM + streams {
        if number == WARM {
            before = resident_kib();
        }
        open(sender.clone());
        pieces.recv().await;
    }
    println!("{}", (resident_kib() - before) * 1024 / streams as u64);
    std::process::exit(0)
}

/// Creates the runtime that all programs use.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Returns an environment variable.
pub fn text(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Returns an environment variable that is a number.
pub fn number<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}
