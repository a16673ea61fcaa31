//! The schema of parameters, and the values that they accept: they agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chatlas_core::{ToolCall, ToolError, ToolOutput, ToolSet};
use chatlas_macros::{tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn schema(tools: &ToolSet, name: &str) -> Value {
    let tool = tools.get(name).expect("a tool of this name");
    Value::clone(&tool.definition().parameters)
}

async fn call(tools: &ToolSet, name: &str, arguments: Value) -> Result<Value, ToolError> {
    let tool = Arc::clone(tools.get(name).expect("a tool of this name"));
    match tool.call(ToolCall::new("1", arguments)).await? {
        ToolOutput::Value(value) => Ok(value),
        other => panic!("no value: {other:?}"),
    }
}

fn has_reference(schema: &Value) -> bool {
    schema.to_string().contains("$ref")
}

/// Where to.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trip {
    /// The city.
    #[serde(rename = "destination")]
    city: String,
    how_many_days: u8,
    #[serde(default)]
    pets: Vec<String>,
    #[serde(default = "one")]
    adults: u8,
    #[serde(skip)]
    #[expect(dead_code)]
    secret: u8,
    by: Option<Vehicle>,
}

fn one() -> u8 {
    1
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Vehicle {
    NightTrain,
    #[serde(rename = "bike")]
    Bicycle,
}

/// Plans a trip.
#[tool]
fn plan(
    /// The trip.
    trip: Trip,
) -> Trip {
    trip
}

#[tokio::test]
async fn serde_attributes_apply_to_schema_and_values() {
    let tools = tools![plan];
    let schema = schema(&tools, "plan");
    let trip = &schema["properties"]["trip"];
    assert_eq!(trip["description"], "The trip.", "the parameter's words win over the type's");
    let properties: Vec<_> = trip["properties"].as_object().expect("a map").keys().collect();
    assert_eq!(properties, ["adults", "by", "destination", "howManyDays", "pets"]);
    assert_eq!(trip["required"], json!(["destination", "howManyDays"]));
    assert_eq!(trip["additionalProperties"], json!(false));
    assert_eq!(trip["properties"]["adults"]["default"], json!(1));
    assert_eq!(trip["properties"]["destination"]["description"], "The city.");
    assert!(!has_reference(&schema), "{schema}");
    let least = json!({"trip": {"destination": "Oslo", "howManyDays": 2}});
    let planned = call(&tools, "plan", least).await.expect("what is required is enough");
    assert_eq!(
        planned,
        json!({"destination": "Oslo", "howManyDays": 2, "pets": [], "adults": 1, "by": null})
    );
    for by in ["night-train", "bike"] {
        assert!(trip["properties"]["by"].to_string().contains(by));
        let arguments = json!({"trip": {"destination": "Oslo", "howManyDays": 2, "by": by}});
        assert_eq!(call(&tools, "plan", arguments).await.expect("a trip")["by"], by);
    }
    let unknown = json!({"trip": {"destination": "Oslo", "how_many_days": 2}});
    let error = call(&tools, "plan", unknown).await.expect_err("not its name");
    assert_eq!(error.error_type(), "invalid_arguments");
    assert!(error.message().starts_with("argument `trip`: unknown field"), "{error}");
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shape {
    /// Round.
    Circle {
        radius: f64,
    },
    Square {
        side: f64,
    },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    One(u8),
    Two { a: u8 },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    Text(String),
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum External {
    Unit,
    Named { x: u8 },
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Page {
    query: String,
    #[serde(flatten)]
    window: Window,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Window {
    offset: u32,
    limit: u32,
}

/// Draws.
#[tool]
fn draw(
    shape: Shape,
    adjacent: Option<Adjacent>,
    untagged: Option<Untagged>,
    external: Option<External>,
    page: Option<Page>,
) -> Value {
    json!([shape, adjacent, untagged, external, page])
}

#[tokio::test]
async fn tagged_enums_and_flattened_structs_follow_the_schema() {
    let tools = tools![draw];
    let schema = schema(&tools, "draw");
    assert!(!has_reference(&schema), "{schema}");
    assert_eq!(schema["required"], json!(["shape"]));
    let page = schema["properties"]["page"].to_string();
    assert!(
        page.contains("offset") && page.contains("limit") && !page.contains("window"),
        "{page}"
    );
    assert!(schema["properties"]["shape"].to_string().contains("\"const\":\"circle\""), "{schema}");
    let all = json!({
        "shape": {"kind": "circle", "radius": 2.0},
        "adjacent": {"t": "Two", "c": {"a": 1}},
        "untagged": "text",
        "external": {"Named": {"x": 3}},
        "page": {"query": "q", "offset": 0, "limit": 10},
    });
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(&all));
    let drawn = call(&tools, "draw", all.clone()).await.expect("all fit");
    let in_order = ["shape", "adjacent", "untagged", "external", "page"].map(|name| &all[name]);
    assert_eq!(drawn, json!(in_order));
    let other = json!({"shape": {"kind": "square", "side": 1.0}, "adjacent": {"t": "One", "c": 1},
        "untagged": 2.5, "external": "Unit"});
    assert!(validator.is_valid(&other));
    assert!(call(&tools, "draw", other).await.is_ok());
    let wrong = json!({"shape": {"kind": "line"}});
    assert!(!validator.is_valid(&wrong));
    assert!(call(&tools, "draw", wrong).await.is_err());
}

type Maybe = Option<BTreeSet<String>>;

/// Counts.
#[tool]
fn count(
    numbers: BTreeSet<u8>,
    prices: HashMap<String, f64>,
    nested: BTreeMap<String, Vec<Option<u8>>>,
    pair: (u8, String),
    fixed: [u8; 2],
    any: Value,
    boxed: Box<u8>,
    maybe: Maybe,
) -> Value {
    json!([numbers, prices, nested, pair, fixed, any, boxed, maybe])
}

#[tokio::test]
async fn std_collections_follow_the_schema() {
    let tools = tools![count];
    let schema = schema(&tools, "count");
    assert!(!has_reference(&schema), "{schema}");
    let required = schema["required"].as_array().expect("a list");
    assert_eq!(required.len(), 7, "an alias of an `Option` is optional: {required:?}");
    let properties = &schema["properties"];
    assert_eq!(properties["numbers"]["uniqueItems"], json!(true));
    assert_eq!(properties["prices"]["additionalProperties"]["type"], "number");
    let all = json!({"numbers": [1, 2], "prices": {"a": 1.5}, "nested": {"x": [1, null]},
        "pair": [1, "a"], "fixed": [1, 2], "any": {"thing": []}, "boxed": 3});
    assert!(jsonschema::validator_for(&schema).expect("a schema").is_valid(&all));
    let counted = call(&tools, "count", all).await;
    assert_eq!(
        counted,
        Ok(json!([[1, 2], {"a": 1.5}, {"x": [1, null]}, [1, "a"], [1, 2], {"thing": []}, 3, null]))
    );
}

/// A tree.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Node {
    name: String,
    children: Vec<Node>,
}

/// Is not recursive.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Leaf {
    name: String,
}

/// Walks.
#[tool]
fn walk(tree: Node, leaf: Leaf) -> Value {
    json!([tree, leaf])
}

#[tokio::test]
async fn only_recursive_types_have_references() {
    let tools = tools![walk];
    let schema = schema(&tools, "walk");
    assert!(!has_reference(&schema["properties"]["leaf"]), "{schema}");
    let definitions = schema["definitions"].as_object().expect("a map");
    assert_eq!(definitions.keys().collect::<Vec<_>>(), ["Node"]);
    let tree = json!({"name": "a", "children": [{"name": "b", "children": []}]});
    let arguments = json!({"tree": tree, "leaf": {"name": "c"}});
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(&arguments));
    let wrong = json!({"tree": {"name": "a", "children": [{"name": 1, "children": []}]},
        "leaf": {"name": "c"}});
    assert!(!validator.is_valid(&wrong), "the reference is resolved");
    assert_eq!(call(&tools, "walk", arguments).await, Ok(json!([tree, {"name": "c"}])));
}

/// Looks up.
#[tool]
fn look_up(
    day: chrono::NaiveDate,
    at: Option<chrono::DateTime<chrono::Utc>>,
    id: uuid::Uuid,
    page: url::Url,
) -> String {
    format!("{day} {} {id} {page}", at.map(|at| at.timestamp()).unwrap_or_default())
}

#[tokio::test]
async fn dates_uuids_and_urls_are_parameters() {
    let tools = tools![look_up];
    let schema = schema(&tools, "look_up");
    let format = |name: &str| schema["properties"][name]["format"].clone();
    assert_eq!(format("day"), "date");
    assert_eq!(format("at"), "date-time");
    assert_eq!(format("id"), "uuid");
    assert_eq!(format("page"), "uri");
    assert_eq!(schema["required"], json!(["day", "id", "page"]));
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let arguments = json!({"day": "2024-02-29", "at": "1970-01-01T00:01:00Z", "id": id,
        "page": "https://example.com/a"});
    let found = call(&tools, "look_up", arguments).await;
    assert_eq!(found, Ok(json!(format!("2024-02-29 60 {id} https://example.com/a"))));
    let wrong = json!({"day": "2023-02-29", "id": id, "page": "https://example.com"});
    let error = call(&tools, "look_up", wrong).await.expect_err("no such day");
    assert!(error.message().starts_with("argument `day`: "), "{error}");
}

/// Types of a crate without serde or schemars among its dependencies.
mod re_exported {
    use chatlas_core::{schemars, serde};
    use chatlas_macros::tool;

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(crate = "chatlas_core::serde")]
    #[schemars(crate = "chatlas_core::schemars")]
    pub(crate) struct Point {
        x: i32,
    }

    /// Mirrors.
    #[tool]
    pub(crate) fn mirror(point: Point) -> Point {
        Point { x: -point.x }
    }
}

#[tokio::test]
async fn reexported_derives_work() {
    let tools = tools![re_exported::mirror];
    let mirrored = call(&tools, "mirror", json!({"point": {"x": 3}})).await;
    assert_eq!(mirrored, Ok(json!({"x": -3})));
}

/// Finds places nearby.
#[tool(strict)]
fn near(
    place: (f64, f64),
    within: Option<u8>,
    #[default(10)] at_most: u32,
    page: Option<url::Url>,
    by: Vehicle,
) -> String {
    drop((place, page, by));
    format!("{within:?} {at_most}")
}

/// Lists places nearby.
#[tool(strict)]
fn list(within: Option<u8>, #[default(10)] at_most: u32, page: Option<url::Url>) -> String {
    format!("{within:?} {at_most} {page:?}")
}

#[tokio::test]
async fn strict_tool_has_a_strict_schema() {
    let tools = tools![list, near];
    let strict = schema(&tools, "list");
    assert_eq!(strict["required"], json!(["at_most", "page", "within"]));
    assert_eq!(strict["properties"]["within"]["type"], json!(["integer", "null"]));
    for refused in ["default", "format", "oneOf"] {
        assert!(!strict.to_string().contains(refused), "{refused} in {strict}");
    }
    let all = json!({"within": null, "at_most": 3, "page": null});
    assert_eq!(call(&tools, "list", all).await, Ok(json!("None 3 None")));
    // A schema without a strict form is sent unchanged, and the vendor refuses it.
    assert_eq!(schema(&tools, "near")["required"], json!(["place", "by"]));
}
