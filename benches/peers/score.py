"""Scores telemetry by the data of the conventions. The rules are the same for every subject.

`coverage-model.json` has the attributes of each span, metric and event with their requirement levels.
The registry has types and deprecations. The JSON schemas describe captured content.
"""

import json
from collections import defaultdict
from pathlib import Path

import jsonschema
import yaml

import model_server as script

CHAT, AGENT, TOOL = "chat", "invoke_agent", "execute_tool"
TYPES = {
    (CHAT, "client"): "gen_ai.client.inference",
    (AGENT, "internal"): "gen_ai.invoke_agent.internal",
    (AGENT, "client"): "gen_ai.invoke_agent.client",
    (TOOL, "internal"): "gen_ai.execute_tool.internal",
}
DEFAULT_KIND = {CHAT: "client", AGENT: "internal", TOOL: "internal"}
SUBJECT = {CHAT: "gen_ai.request.model", AGENT: "gen_ai.agent.name", TOOL: "gen_ai.tool.name"}

# The expected spans of each scenario, and those that must be errors. A failed model call also fails
# the agent's run. A failed tool call does not.
SPANS = {
    "tool": {AGENT: 1, CHAT: 2, TOOL: 1},
    "streamed": {AGENT: 1, CHAT: 2, TOOL: 1},
    "tool_fails": {AGENT: 1, CHAT: 2, TOOL: 1},
    "limited": {AGENT: 1, CHAT: 1},
    "broken": {AGENT: 1, CHAT: 1},
    "refused": {AGENT: 1, CHAT: 1},
    "torn": {AGENT: 1, CHAT: 1},
    "dropped": {AGENT: 1, CHAT: 1},
}
FAILED = {
    "tool_fails": [TOOL],
    "limited": [AGENT, CHAT],
    "broken": [AGENT, CHAT],
    "refused": [AGENT, CHAT],
    "torn": [AGENT, CHAT],
}
COMPLETE = ("tool", "streamed", "tool_fails")

# The attributes of the coverage model that have a value in these conversations. Others (a seed,
# images, stored prompts, …) are not expected.
EXPECTED = {
    CHAT: [
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.request.temperature",
        "gen_ai.request.max_tokens",
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "server.address",
        "server.port",
    ],
    AGENT: [
        "gen_ai.operation.name",
        "gen_ai.agent.name",
        "gen_ai.request.model",
        "gen_ai.request.temperature",
        "gen_ai.request.max_tokens",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    ],
    TOOL: [
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
        "gen_ai.tool.description",
        "gen_ai.tool.call.id",
        "gen_ai.agent.name",
    ],
}
STREAMED = ["gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"]
# Recommended without a condition, although they are optional in a request.
PARAMETERS = {
    f"gen_ai.request.{name}"
    for name in (
        "frequency_penalty",
        "max_tokens",
        "presence_penalty",
        "stop_sequences",
        "temperature",
        "top_p",
    )
}

CONTENT = {
    CHAT: [
        "gen_ai.system_instructions",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.definitions",
    ],
    AGENT: [
        "gen_ai.system_instructions",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.definitions",
    ],
    TOOL: ["gen_ai.tool.call.arguments", "gen_ai.tool.call.result"],
}
SCHEMAS = {
    "gen_ai.input.messages": "gen-ai-input-messages.json",
    "gen_ai.output.messages": "gen-ai-output-messages.json",
    "gen_ai.system_instructions": "gen-ai-system-instructions.json",
    "gen_ai.tool.definitions": "gen-ai-tool-definitions.json",
}

METRICS = [
    "gen_ai.client.inference.duration",
    "gen_ai.client.inference.time_to_first_chunk",
    "gen_ai.client.inference.time_per_output_chunk",
    "gen_ai.client.inference.usage.input_tokens",
    "gen_ai.client.inference.usage.output_tokens",
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "gen_ai.client.inference.usage.reasoning.output_tokens",
    "gen_ai.client.inference.operation.input_tokens",
    "gen_ai.client.inference.operation.output_tokens",
    "gen_ai.invoke_agent.duration",
    "gen_ai.invoke_agent.inference_calls",
    "gen_ai.invoke_agent.tool_calls",
    "gen_ai.execute_tool.duration",
]
# The metrics of release 1.41 of the conventions, which are still widely used.
OLDER = [
    "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.client.operation.time_per_output_chunk",
]
SECONDS = [0.01 * 2**n for n in range(14)]
AGENT_SECONDS = [0.1 * 2**n for n in range(13)]
WORKFLOW_SECONDS = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200]
CALLS = [2**n for n in range(8)]
TOKENS = [4**n for n in range(14)]
EVENTS = ["gen_ai.client.inference.operation.details", "gen_ai.client.operation.exception"]
NAMESPACES = ("gen_ai.", "openai.", "aws.bedrock.", "mcp.")
OPEN = ("gen_ai.provider.name", "gen_ai.operation.name", "openai.request.service_tier")


def buckets(name):
    """Returns the bucket boundaries from the conventions' description of the metric."""
    if name == "gen_ai.invoke_agent.duration":
        return AGENT_SECONDS
    if name == "gen_ai.invoke_workflow.duration":
        return WORKFLOW_SECONDS
    if name.startswith("gen_ai.invoke_agent."):
        return CALLS
    return TOKENS if name.endswith("_tokens") else SECONDS


class Conventions:
    """The official data of the conventions, read from a folder."""

    def __init__(self, folder):
        folder = Path(folder)
        registry = folder / "registry"
        self.model = json.loads((folder / "coverage-model.json").read_text())
        self.types, self.deprecated, self.instruments = {}, set(), {}
        for part in ("gen-ai", "openai", "aws-bedrock", "mcp"):
            for one in load(registry / part / "registry.yaml").get("attributes", []):
                kind = one.get("type", "string")
                self.types[one["key"]] = kind if isinstance(kind, str) else "string"
                if one.get("deprecated"):
                    self.deprecated.add(one["key"])
        self.types |= {"error.type": "string", "server.address": "string", "server.port": "int"}
        for part in ("gen-ai/metrics.yaml", "gen-ai/token-metrics.yaml"):
            for one in load(registry / part)["metrics"]:
                value = one["annotations"]["code_generation"]["metric_value_type"]
                self.instruments[one["name"]] = (one["instrument"], one["unit"], value)
        self.schemas = {}
        for key, name in SCHEMAS.items():
            schema = json.loads((registry / "gen-ai" / name).read_text())
            self.schemas[key] = jsonschema.Draft202012Validator(local(schema))

    def levels(self, section, name):
        return self.model[section].get(name, {}).get("attributes", {})


def load(path):
    return yaml.safe_load(path.read_text())


def local(schema):
    """Returns the schema with references to remote schemas replaced by any object."""
    if isinstance(schema, dict):
        if str(schema.get("$ref", "")).startswith("http"):
            return {"type": "object"}
        return {key: local(one) for key, one in schema.items()}
    return [local(one) for one in schema] if isinstance(schema, list) else schema


class Score:
    """The score of one subject over all scenarios."""

    def __init__(self, conventions):
        self.conventions = conventions
        self.findings = {}  # finding: the runs in which it occurred
        self.notes = []
        self.recorded = [0, 0]  # spans: recorded, expected
        self.missing = defaultdict(set)
        self.attributes = {kind: [0, 0] for kind in EXPECTED}
        self.lacking = {kind: set() for kind in EXPECTED}
        self.traces = {}
        self.nested = None
        self.failures = [0, 0]
        self.dropped = None
        self.usage = [0, 0]
        self.first_chunk = [0, 0]
        self.metrics, self.older, self.events = set(), set(), set()
        self.content = [0, 0]
        self.content_valid = [0, 0]
        self.leaks, self.keys = set(), set()
        self.failed_runs = []

    def finding(self, finding, where):
        self.findings.setdefault(finding, set()).add(where)

    def add(self, scenario, capture, telemetry, output):
        self.check_run(scenario, output)
        spans = [with_operation(span) for span in telemetry["spans"]]
        where = f"{scenario}, capture {capture}"
        expected = [span for span in spans if span["operation"] in EXPECTED]
        for span in spans:
            self.check_span(span, scenario, where)
        for metric in telemetry["metrics"]:
            self.check_metric(metric, where)
        for record in telemetry["logs"]:
            self.check_event(record, where)
        if script.KEY.encode() in telemetry["raw"]:
            self.keys.add(where)
        if capture == "off":
            for content, word in script.CONTENT.items():
                if word.encode() in telemetry["raw"]:
                    self.leaks.add(content)
            self.count(scenario, expected, spans)
        elif scenario in COMPLETE:
            self.count_content(expected, scenario)

    def check_run(self, scenario, output):
        """Checks that the conversation had the expected outcome. Otherwise the scores mean nothing."""
        has_failed = "failed:" in output
        if has_failed != (scenario in ("limited", "broken", "refused", "torn")):
            self.failed_runs.append(f"{scenario}: {output.strip()[-300:]}")

    # -- Counts, without capture of content

    def count(self, scenario, expected, spans):
        by = {kind: [s for s in expected if s["operation"] == kind] for kind in EXPECTED}
        for kind, count in SPANS[scenario].items():
            seen = by[kind]
            self.recorded[0] += min(len(seen), count)
            self.recorded[1] += count
            if len(seen) < count:
                self.missing[kind].add(scenario)
            if len(seen) > count:
                self.finding(f"{kind}: {len(seen)} spans instead of {count}", scenario)
            if scenario in FAILED and kind in FAILED[scenario]:
                self.failures[0] += min(count, sum(map(failed, seen)))
                self.failures[1] += count
            elif scenario not in FAILED and scenario != "dropped":
                for span in seen:
                    if failed(span):
                        self.finding(f"{kind}: status ERROR without a failure", scenario)
        if scenario in ("tool", "streamed"):
            self.count_attributes(by, scenario)
            self.count_usage(by)
            inner = [s for s in spans if s["name"] == "fetch_forecast"]
            self.traces[scenario] = len({s["trace"] for s in expected + inner})
            tools = {s["id"] for s in by[TOOL]}
            nested = bool(inner) and all(s["parent"] in tools for s in inner)
            self.nested = nested if self.nested is None else self.nested and nested
        if scenario == "streamed":
            for span in by[CHAT]:
                first = get(span, "gen_ai.response.time_to_first_chunk")
                lasted = (span["end"] - span["start"]) / 1e9
                self.first_chunk[0] += isinstance(first, float) and 0 < first <= lasted
            self.first_chunk[1] += SPANS[scenario][CHAT]
        if scenario == "dropped":
            self.dropped = [
                (kind, len(by[kind]), any(map(failed, by[kind]))) for kind in (AGENT, CHAT)
            ]

    def count_attributes(self, by, scenario):
        for kind, keys in EXPECTED.items():
            due = keys + (STREAMED if kind == CHAT and scenario == "streamed" else [])
            for span in by[kind]:
                lacking = [key for key in due if get(span, key) is None]
                self.attributes[kind][0] += len(due) - len(lacking)
                self.attributes[kind][1] += len(due)
                self.lacking[kind].update(lacking)

    def count_usage(self, by):
        """Compares the token counts of each chat span and the agent's totals with the server's."""
        figures = {
            "input": "gen_ai.usage.input_tokens",
            "output": "gen_ai.usage.output_tokens",
            "cached": "gen_ai.usage.cache_read.input_tokens",
            "reasoning": "gen_ai.usage.reasoning.output_tokens",
        }
        chats = sorted(by[CHAT], key=lambda span: span["start"])
        for index, step in enumerate(("call", "answer")):
            for figure, key in figures.items():
                value = get(chats[index], key) if index < len(chats) else None
                expected = script.USAGE[step][figure]
                same = str(value) == str(expected)  # a wrong type is a separate finding
                self.usage[0] += same
                self.usage[1] += 1
                if value is not None and not same:
                    self.finding(f"{CHAT}: `{key}` is {value} instead of {expected}", step)
        for span in by[AGENT]:
            for figure in ("input", "output"):
                value = get(span, figures[figure])
                total = sum(cost[figure] for cost in script.USAGE.values())
                if value is not None and str(value) != str(total):
                    self.finding(f"{AGENT}: `{figures[figure]}` is {value} instead of {total}", AGENT)

    # -- Counts, with capture of content

    def count_content(self, expected, scenario):
        for span in expected:
            for key in CONTENT[span["operation"]]:
                if key == "gen_ai.tool.call.result" and scenario == "tool_fails":
                    continue  # a failed call has no result
                in_history = key == "gen_ai.system_instructions" and system_prompt_in_history(span)
                if in_history and get(span, key) is None:
                    continue  # the conventions record it in the history, where it was sent
                self.content[1] += 1
                self.content[0] += get(span, key) is not None
                if get(span, key) is not None:
                    self.content_valid[1] += 1
                    self.content_valid[0] += not self.faults(key, get(span, key))

    def faults(self, key, value):
        """Returns the errors of content by its schema."""
        if key not in self.conventions.schemas:
            return []  # the conventions' policy does not validate arguments and results
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return ["not valid JSON"]
        errors = self.conventions.schemas[key].iter_errors(value)
        return [f"{error.json_path}: {error.message[:80]}" for error in errors]

    # -- Rules

    def check_span(self, span, scenario, where):
        operation, keys = span["operation"], [key for key, _ in span["attributes"]]
        mark = operation or f"span `{span['name']}`"
        self.check_values(mark, span["attributes"], where)
        if not operation:
            return
        if operation not in self.conventions.model["enums"]["gen_ai.operation.name"]:
            return
        if operation not in EXPECTED:
            self.notes.append(f"a span `{span['name']}` ({operation})")
            return
        kind = TYPES.get((operation, span["kind"]))
        if kind is None:
            self.finding(f"{mark}: kind is {span['kind']} instead of {DEFAULT_KIND[operation]}", where)
            kind = TYPES[operation, DEFAULT_KIND[operation]]
        subject = get(span, SUBJECT[operation])
        name = f"{operation} {subject}" if subject else operation
        if span["name"] != name:
            self.finding(f"{mark}: name is `{span['name']}` instead of `{name}`", where)
        if span["status"] == "ok":
            self.finding(f"{mark}: status is OK, which libraries must not set", where)
        if (span["status"] == "error") != ("error.type" in keys):
            self.finding(f"{mark}: `error.type` without status ERROR, or the reverse", where)
        levels = self.conventions.levels("spans", kind)
        is_complete = scenario in COMPLETE and not failed(span)
        for key, level in levels.items():
            is_due = level == "required" or (level == "recommended" and is_complete)
            if is_due and key not in keys and key not in PARAMETERS:
                self.finding(f"{mark}: `{key}` ({level}) is missing", where)
        for key in keys:
            is_registered = key in self.conventions.types and key.startswith("gen_ai.")
            if is_registered and key not in levels:
                self.notes.append(f"`{key}` on {kind}, which does not define it")
        if ("server.address" in keys) != ("server.port" in keys):
            self.finding(f"{mark}: `server.address` without `server.port`", where)

    def check_values(self, mark, pairs, where):
        seen, conventions = set(), self.conventions
        for key, value in pairs:
            if key in seen:
                self.finding(f"{mark}: `{key}` occurs twice", where)
            seen.add(key)
            if not key.startswith(NAMESPACES) and key not in conventions.types:
                continue
            if key in conventions.deprecated:
                self.finding(f"{mark}: `{key}` is deprecated", where)
            kind = conventions.types.get(key)
            if kind is None:
                if not key.startswith("gen_ai.prompt.variable."):
                    self.finding(f"{mark}: `{key}` is not in the registry", where)
                continue
            if not is_a(value, kind):
                type_name = type(value).__name__
                self.finding(f"{mark}: `{key}` is {type_name} instead of {kind}", where)
            words = conventions.model["enums"].get(key)
            if words and value not in words:
                custom = isinstance(value, str) and value == value.lower() and " " not in value
                if key not in OPEN or not custom:
                    self.finding(f"{mark}: `{key}` has the invalid value `{value}`", where)
            for fault in self.faults(key, value)[:3]:
                self.finding(f"{mark}: `{key}` is invalid by its schema: {fault}", where)

    def check_metric(self, metric, where):
        name = metric["name"]
        if not name.startswith(NAMESPACES):
            return
        mark = f"metric `{name}`"
        if name in METRICS:
            self.metrics.add(name)
        elif name in OLDER:
            self.older.add(name)
            return  # counted separately
        if name not in self.conventions.instruments:
            self.finding(f"{mark}: not in the conventions", where)
            return
        instrument, unit, _ = self.conventions.instruments[name]
        if (metric["kind"], metric["unit"]) != (instrument, unit):
            self.finding(f"{mark}: is a {metric['kind']} in {metric['unit']}", where)
        levels = self.conventions.levels("metrics", name)
        for point in metric["points"]:
            keys = [key for key, _ in point["attributes"]]
            self.check_values(mark, point["attributes"], where)
            rounded = [
                [round(bound, 6) for bound in bounds] for bounds in (point["bounds"], buckets(name))
            ]
            same = rounded[0] == rounded[1]
            if instrument == "histogram" and not same:
                self.finding(f"{mark}: other bucket boundaries than in the conventions", where)
            for key, level in levels.items():
                if level == "required" and key not in keys:
                    self.finding(f"{mark}: `{key}` ({level}) is missing", where)
            for key in keys:
                if key not in levels and key.startswith("gen_ai."):
                    self.notes.append(f"`{key}` on {mark}, which does not define it")

    def check_event(self, record, where):
        name = record["name"]
        if not name.startswith("gen_ai."):
            return
        mark = f"event `{name}`"
        levels = self.conventions.levels("events", name)
        if not levels:
            self.finding(f"{mark}: deprecated, or not in the conventions", where)
            return
        self.events.add(name)
        self.check_values(mark, record["attributes"], where)
        keys = [key for key, _ in record["attributes"]]
        for key, level in levels.items():
            if level == "required" and key not in keys:
                self.finding(f"{mark}: `{key}` ({level}) is missing", where)
        if not record["span"]:
            self.finding(f"{mark}: not in the context of a span", where)


def with_operation(span):
    return span | {"operation": get(span, "gen_ai.operation.name")}


def get(span, key):
    return next((value for name, value in span["attributes"] if name == key), None)


def failed(span):
    return span["status"] == "error" and get(span, "error.type") is not None


def system_prompt_in_history(span):
    """Returns whether the system prompt is recorded as a message of the history."""
    return '"role":"system"' in str(get(span, "gen_ai.input.messages")).replace(": ", ":")


def is_a(value, kind):
    if kind == "string[]":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == "any":
        return isinstance(value, (str, list, dict))
    python = {"int": int, "double": float, "boolean": bool}.get(kind, str)
    return isinstance(value, python) and (kind == "boolean" or not isinstance(value, bool))
