//! `#[tool]` on functions, and lists of them.

use std::fmt;
use std::sync::Arc;

use chatlas_core::{Tool, ToolCall, ToolError, ToolOutput};
use chatlas_macros::{tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize)]
struct Forecast {
    city: String,
    days: u8,
}

#[derive(Debug)]
struct NoSuchCity(String);

impl fmt::Display for NoSuchCity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no city named {}", self.0)
    }
}

/// Get the weather forecast.
///
/// For a city of this world.
#[tool]
async fn get_weather(
    /// The city, "Tokyo" for example.
    mut city: String,
    /// For how many days.
    days: Option<u8>,
) -> Result<Forecast, NoSuchCity> {
    tokio::task::yield_now().await;
    if city == "Atlantis" {
        return Err(NoSuchCity(city));
    }
    city.push('!');
    Ok(Forecast { city, days: days.unwrap_or(1) })
}

/// Joins words.
#[tool(name = "join-words")]
fn join(separator: &str, words: &[String]) -> String {
    words.join(separator)
}

#[tool(description = "Does nothing.")]
fn nothing() {}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Metric,
    Imperial,
}

#[derive(Deserialize, JsonSchema)]
struct Place {
    lat: f64,
    lon: f64,
}

/// Measures how far it is.
#[tool]
async fn distance(from: &Place, to: Place, unit: Option<Unit>, r#type: &str) -> String {
    let far = (from.lat - to.lat).hypot(from.lon - to.lon);
    let unit = match unit {
        Some(Unit::Imperial) => "mi",
        Some(Unit::Metric) | None => "km",
    };
    std::future::ready(format!("{far} {unit} by {type}")).await
}

/// Finds the first word, which it borrows.
#[tool]
fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// Boxes its error, which is not `Send`.
#[tool]
fn boxed_error(number: &str) -> Result<u8, Box<dyn std::error::Error>> {
    Ok(number.parse()?)
}

/// Counts down.
#[tool]
fn countdown(#[cfg(any())] never: Place, from: u8) -> u8 {
    if from == 0 { 0 } else { countdown(from - 1) }
}

macro_rules! constant_tool {
    ($name:ident, $ty:ty, $value:expr) => {
        /// A constant, written by a macro.
        #[tool]
        async fn $name(factor: $ty) -> $ty {
            std::future::ready($value * factor).await
        }
    };
}
constant_tool!(two, u8, 2);

macro_rules! fixed_tool {
    () => {
        /// Its name and its parameter come from the macro.
        #[tool]
        async fn three(factor: u8) -> Result<u8, String> {
            std::future::ready(Ok(3 * factor)).await
        }
    };
}
fixed_tool!();

fn find(name: &str) -> Arc<dyn Tool> {
    let set = tools![
        get_weather,
        join,
        nothing,
        distance,
        first_word,
        boxed_error,
        countdown,
        two,
        self::three,
    ];
    assert_eq!(set.len(), 9);
    Arc::clone(set.get(name).expect("a tool of this name"))
}

async fn call(name: &str, arguments: Value) -> Result<Value, ToolError> {
    match find(name).call(ToolCall::new("1", arguments)).await? {
        ToolOutput::Value(value) => Ok(value),
        other => panic!("no value: {other:?}"),
    }
}

async fn invalid(name: &str, arguments: Value) -> String {
    let error = call(name, arguments).await.expect_err("bad arguments");
    assert_eq!(error.error_type(), "invalid_arguments");
    error.message().to_owned()
}

#[test]
fn definition_describes_the_function() {
    let tool = find("get_weather");
    let definition = tool.definition();
    assert_eq!(definition.name, "get_weather");
    assert_eq!(definition.description, "Get the weather forecast.\n\nFor a city of this world.");
    let parameters = &definition.parameters;
    assert_eq!(parameters["required"], json!(["city"]));
    assert_eq!(parameters["additionalProperties"], json!(false));
    assert_eq!(parameters["properties"]["city"]["type"], "string");
    assert_eq!(parameters["properties"]["city"]["description"], "The city, \"Tokyo\" for example.");
    assert_eq!(parameters["properties"]["days"]["description"], "For how many days.");
    let names: Vec<&String> = parameters["properties"].as_object().expect("a map").keys().collect();
    assert_eq!(names, ["city", "days"]);
}

#[test]
fn borrowed_parameters_have_the_schema_of_owned_ones() {
    let tool = find("join-words");
    let properties = &tool.definition().parameters["properties"];
    assert_eq!(properties["separator"]["type"], "string");
    assert_eq!(properties["words"]["type"], "array");
    assert_eq!(properties["words"]["items"]["type"], "string");
}

#[test]
fn raw_identifiers_lose_their_prefix() {
    let tool = find("distance");
    assert_eq!(tool.definition().parameters["required"], json!(["from", "to", "type"]));
}

#[test]
fn definition_is_created_once() {
    let parameters = || Arc::clone(&find("nothing").definition().parameters);
    assert!(Arc::ptr_eq(&parameters(), &parameters()));
    assert_eq!(find("nothing").definition().description, "Does nothing.");
}

#[test]
fn empty_list_is_an_empty_set() {
    assert!(tools![].is_empty());
}

#[tokio::test]
async fn values_and_errors_are_returned() {
    let value = call("get_weather", json!({"city": "Tokyo"})).await;
    assert_eq!(value, Ok(json!({"city": "Tokyo!", "days": 1})));
    let error = call("get_weather", json!({"city": "Atlantis", "days": null})).await;
    let error = error.expect_err("no such city");
    assert_eq!(error.message(), "there is no city named Atlantis");
    assert!(error.error_type().ends_with("NoSuchCity"), "{}", error.error_type());
}

#[tokio::test]
async fn parameters_of_every_kind_are_parsed() {
    let value = call("join-words", json!({"separator": "-", "words": ["a", "b"]})).await;
    assert_eq!(value, Ok(json!("a-b")));
    assert_eq!(call("nothing", Value::Null).await, Ok(Value::Null));
    let arguments = json!({
        "from": {"lat": 0.0, "lon": 0.0}, "to": {"lat": 3.0, "lon": 4.0},
        "unit": "imperial", "type": "air",
    });
    assert_eq!(call("distance", arguments).await, Ok(json!("5 mi by air")));
    assert_eq!(call("first_word", json!({"text": "one two"})).await, Ok(json!("one")));
    assert_eq!(call("countdown", json!({"from": 2})).await, Ok(json!(0)));
    assert_eq!(call("two", json!({"factor": 4})).await, Ok(json!(8)));
    assert_eq!(call("three", json!({"factor": 4})).await, Ok(json!(12)));
    assert_eq!(call("boxed_error", json!({"number": "7"})).await, Ok(json!(7)));
    assert!(call("boxed_error", json!({"number": "x"})).await.is_err());
}

#[tokio::test]
async fn invalid_arguments_are_described() {
    assert_eq!(invalid("get_weather", json!({})).await, "argument `city` is missing");
    let message = invalid("get_weather", json!({"city": 1})).await;
    assert!(message.starts_with("argument `city`: "), "{message}");
    let message = invalid("get_weather", json!({"city": "Tokyo", "country": "JP"})).await;
    assert_eq!(message, "unknown argument `country`: this tool takes `city`, `days`");
    let message = invalid("nothing", json!([1])).await;
    assert_eq!(message, "the arguments must be a JSON object, not an array");
}

#[tokio::test]
async fn tool_can_be_called_as_a_function() {
    let forecast = get_weather("Oslo".to_owned(), Some(3)).await.expect("Oslo exists");
    assert_eq!((forecast.city.as_str(), forecast.days), ("Oslo!", 3));
    assert!(get_weather("Atlantis".to_owned(), None).await.is_err());
    assert_eq!(join(" ", &["a".to_owned(), "b".to_owned()]), "a b");
    assert_eq!(first_word("one two"), "one");
    assert!(boxed_error("x").is_err());
    nothing();
}

#[tokio::test]
async fn tool_inside_a_function_works() {
    let before = 20;
    /// Answers.
    #[tool]
    async fn answer(more: u8) -> u8 {
        std::future::ready(22 + more).await
    }
    let set = tools![answer];
    let tool = set.get("answer").expect("a tool of this name");
    assert_eq!(tool.call(ToolCall::new("1", json!({"more": 0}))).await, Ok(json!(22).into()));
    assert_eq!(answer(before).await, 42);
}
