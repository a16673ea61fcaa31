#!/usr/bin/env python3
"""Measures the build time of tools. Rebuilds a crate of 100 tools with three parameters each,
written with chatlas, with rig, with rmcp, and by hand, and prints the CPU seconds.

    benches/compile/measure.py [--tools 100] [--runs 5] [--check] [--only chatlas,rmcp]

Each crate is generated in `target/compile-cost`. Its dependencies are built once. Then only the
crate is rebuilt, without optimization and without incremental compilation, so that every run does
the same work. The runs of the crates alternate. The table contains the median user CPU time of
cargo, rustc and the linker.
"""

import argparse
import os
import resource
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "target" / "compile-cost"

PARAMETERS = """\
    /// The city, "Tokyo" for example.
    city: String,
    /// For how many days.
    days: u32,
    /// Whether in metric units.
    metric: Option<bool>,
"""
FIELDS = PARAMETERS.replace("    city", "    pub city").replace("    days", "    pub days")
FIELDS = FIELDS.replace("    metric", "    pub metric")
BODY = 'format!("{city} {days} {metric:?}")'


def chatlas(count):
    tools = "".join(
        f"""
/// Get the weather of kind {i}.
#[tool]
pub async fn weather_{i}(
{PARAMETERS}) -> Result<String, std::io::Error> {{
    Ok({BODY})
}}
"""
        for i in range(count)
    )
    names = ", ".join(f"weather_{i}" for i in range(count))
    return f"""use chatlas_core::ToolSet;
use chatlas_macros::{{tool, tools}};
{tools}
pub fn all() -> ToolSet {{
    tools![{names}]
}}
"""


def derived(count):
    """Tools written by hand, with the derives of serde and schemars for the arguments."""
    tools = "".join(
        f"""
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments{i} {{
{FIELDS}}}

pub async fn weather_{i}(arguments: Arguments{i}) -> Result<String, std::io::Error> {{
    let Arguments{i} {{ city, days, metric }} = arguments;
    Ok({BODY})
}}

pub struct Weather{i}(ToolDefinition);

impl Weather{i} {{
    pub fn new() -> Self {{
        Self(ToolDefinition::new(
            "weather_{i}",
            "Get the weather of kind {i}.",
            schemars::schema_for!(Arguments{i}).to_value(),
        ))
    }}
}}

impl Tool for Weather{i} {{
    fn definition(&self) -> &ToolDefinition {{
        &self.0
    }}

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {{
        Box::pin(async move {{
            let arguments = serde_json::from_value(call.arguments)
                .map_err(|error| ToolError::new("invalid_arguments", error.to_string()))?;
            match weather_{i}(arguments).await {{
                Ok(value) => Ok(ToolOutput::from(value)),
                Err(error) => Err(ToolError::from_error(&error)),
            }}
        }})
    }}
}}
"""
        for i in range(count)
    )
    return IMPORTS + "use schemars::JsonSchema;\nuse serde::Deserialize;\n" + tools + all_tools(count)


def bare(count):
    """Tools written by hand without macros: arguments read one by one, the schema as a string."""
    schema = (
        '{"type":"object","properties":{'
        '"city":{"type":"string","description":"The city, \\"Tokyo\\" for example."},'
        '"days":{"type":"integer","minimum":0,"description":"For how many days."},'
        '"metric":{"type":["boolean","null"],"description":"Whether in metric units."}},'
        '"required":["city","days"],"additionalProperties":false}'
    )
    tools = "".join(
        f"""
pub async fn weather_{i}(
    city: String,
    days: u32,
    metric: Option<bool>,
) -> Result<String, std::io::Error> {{
    Ok({BODY})
}}

pub struct Weather{i}(ToolDefinition);

impl Weather{i} {{
    pub fn new() -> Self {{
        let schema = serde_json::from_str(r#"{schema}"#).unwrap_or_default();
        Self(ToolDefinition::new("weather_{i}", "Get the weather of kind {i}.", schema))
    }}
}}

impl Tool for Weather{i} {{
    fn definition(&self) -> &ToolDefinition {{
        &self.0
    }}

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {{
        Box::pin(async move {{
            let invalid = |message: &str| ToolError::new("invalid_arguments", message);
            let Value::Object(mut arguments) = call.arguments else {{
                return Err(invalid("not an object"));
            }};
            let city = match arguments.remove("city") {{
                Some(Value::String(city)) => city,
                _ => return Err(invalid("argument `city`")),
            }};
            let days = arguments.remove("days").and_then(|days| days.as_u64());
            let days = days.and_then(|days| u32::try_from(days).ok());
            let days = days.ok_or_else(|| invalid("argument `days`"))?;
            let metric = match arguments.remove("metric") {{
                None | Some(Value::Null) => None,
                Some(Value::Bool(metric)) => Some(metric),
                _ => return Err(invalid("argument `metric`")),
            }};
            if let Some(name) = arguments.keys().next() {{
                return Err(invalid(name));
            }}
            match weather_{i}(city, days, metric).await {{
                Ok(value) => Ok(ToolOutput::from(value)),
                Err(error) => Err(ToolError::from_error(&error)),
            }}
        }})
    }}
}}
"""
        for i in range(count)
    )
    return IMPORTS + "use serde_json::Value;\n" + tools + all_tools(count)


IMPORTS = """use std::sync::Arc;

use chatlas_core::tool::BoxFuture;
use chatlas_core::{Tool, ToolCall, ToolDefinition, ToolError, ToolOutput, ToolSet};
"""


def all_tools(count):
    adds = "".join(f"    let _ = set.add(Weather{i}::new());\n" for i in range(count))
    return f"""
pub fn all() -> ToolSet {{
    let mut set = ToolSet::new();
{adds}    set
}}
"""


def rig(count):
    tools = "".join(
        f"""
/// Get the weather of kind {i}.
#[rig_tool]
pub async fn weather_{i}(
{PARAMETERS}) -> Result<String, rig_core::tool::ToolExecutionError> {{
    Ok({BODY})
}}
"""
        for i in range(count)
    )
    boxed = ", ".join(f"Box::new(Weather{i})" for i in range(count))
    return f"""use rig_core::tool::ErasedTool;
use rig_derive::rig_tool;
{tools}
pub fn all() -> Vec<Box<dyn ErasedTool>> {{
    vec![{boxed}]
}}
"""


def rmcp(count):
    arguments = "".join(
        f"""
#[derive(Deserialize, JsonSchema)]
pub struct Arguments{i} {{
{FIELDS}}}
"""
        for i in range(count)
    )
    tools = "".join(
        f"""
    /// Get the weather of kind {i}.
    #[tool]
    pub async fn weather_{i}(
        &self,
        Parameters(Arguments{i} {{ city, days, metric }}): Parameters<Arguments{i}>,
    ) -> Result<String, String> {{
        Ok({BODY})
    }}
"""
        for i in range(count)
    )
    return f"""use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::schemars::JsonSchema;
use rmcp::{{tool, tool_router}};
use serde::Deserialize;
{arguments}
pub struct Weather;

#[tool_router]
impl Weather {{
{tools}}}

pub fn all() -> ToolRouter<Weather> {{
    Weather::tool_router()
}}
"""


SERDE = 'serde = { version = "1", features = ["derive"] }\nserde_json = "1"\n'
CHATLAS_CORE = f'chatlas-core = {{ path = "{ROOT}/chatlas-core" }}\n'
KINDS = {
    "by hand, no derives": (bare, CHATLAS_CORE + SERDE),
    "by hand, derives": (derived, CHATLAS_CORE + SERDE + 'schemars = "1"\n'),
    "chatlas": (chatlas, CHATLAS_CORE + f'chatlas-macros = {{ path = "{ROOT}/chatlas-macros" }}\n'),
    "rmcp": (
        rmcp,
        'rmcp = { version = "3", default-features = false, features = ["macros", "server"] }\n'
        + SERDE
        + 'schemars = "1"\n',
    ),
    "rig": (
        rig,
        'rig-core = { version = "0.44", default-features = false }\nrig-derive = "0.44"\n'
        + SERDE
        + 'schemars = "1"\n',
    ),
}


def generate(kind, count):
    source, dependencies = KINDS[kind]
    name = "cost-" + kind.replace(", ", "-").replace(" ", "-")
    folder = BUILD / name
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "Cargo.toml").write_text(
        f"""[package]
name = "{name}"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
{dependencies}
[profile.dev]
incremental = false
"""
    )
    (folder / "src" / "lib.rs").write_text(source(count))
    return folder


def cargo(folder, command):
    environment = os.environ | {"CARGO_TARGET_DIR": str(BUILD / "target" / folder.name)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        ["cargo", command, "--quiet"], cwd=folder, env=environment, check=False, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode:
        print(result.stderr.decode()[:3000])
    return result.returncode == 0, after.ru_utime - before.ru_utime


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--tools", type=int, default=100)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--check", action="store_true", help="run `cargo check` instead of `cargo build`")
    arguments.add_argument("--only", default=",".join(k for k in KINDS).replace(", ", "; "))
    arguments = arguments.parse_args()
    kinds = [kind.replace("; ", ", ") for kind in arguments.only.split(",")]
    command = "check" if arguments.check else "build"
    folders = {}
    for kind in kinds:
        folder = generate(kind, arguments.tools)
        built, seconds = cargo(folder, command)
        print(f"{kind}: first build {seconds:.1f} s" if built else f"{kind}: the build failed")
        if built:
            folders[kind] = folder
    times = {kind: [] for kind in folders}
    for _ in range(arguments.runs):
        for kind, folder in folders.items():
            (folder / "src" / "lib.rs").touch()
            times[kind].append(cargo(folder, command)[1])
    print(f"\n| {arguments.tools} tools, `cargo {command}` | user CPU s (median) | min | max |")
    print("|---|---:|---:|---:|")
    for kind, seconds in times.items():
        median = statistics.median(seconds)
        print(f"| {kind} | {median:.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
