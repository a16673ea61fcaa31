"""How telemetry is scored: by the conventions' own data, the same for every subject.

`coverage-model.json` says which attribute belongs on which span, metric and event, and how much it
is wanted; the registry has types and deprecations; the JSON schemas say what content looks like.
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
USUAL = {CHAT: "client", AGENT: "internal", TOOL: "internal"}
SUBJECT = {CHAT: "gen_ai.request.model", AGENT: "gen_ai.agent.name", TOOL: "gen_ai.tool.name"}

# The spans that each scenario makes, and those of them that fail. A chat that breaks off ends the
# agent's run as well; a tool that fails does not.
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
WHOLE = ("tool", "streamed", "tool_fails")

# What the conversation has a value for, of all that the coverage model knows. The rest of it (a
# seed, images, prompts from a store, ...) does not occur here, and is not asked for.
APPLIES = {
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
# Recommended without a condition, though a request may do without.
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
# What the last release of the conventions (1.41) had instead, and what is still exported widely.
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
    """The boundaries that the conventions ask for, in the text about the metric."""
    if name == "gen_ai.invoke_agent.duration":
        return AGENT_SECONDS
    if name == "gen_ai.invoke_workflow.duration":
        return WORKFLOW_SECONDS
    if name.startswith("gen_ai.invoke_agent."):
        return CALLS
    return TOKENS if name.endswith("_tokens") else SECONDS


class Conventions:
    """The official data, in one folder."""

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
    """The schema without its reference to the meta-schema by address: any object will do."""
    if isinstance(schema, dict):
        if str(schema.get("$ref", "")).startswith("http"):
            return {"type": "object"}
        return {key: local(one) for key, one in schema.items()}
    return [local(one) for one in schema] if isinstance(schema, list) else schema


class Score:
    """What was seen of one subject, over all scenarios."""

    def __init__(self, conventions):
        self.conventions = conventions
        self.findings = {}  # what: where it was seen
        self.notes = []
        self.made = [0, 0]  # spans: seen, expected
        self.missing = defaultdict(set)
        self.attributes = {kind: [0, 0] for kind in APPLIES}
        self.lacking = {kind: set() for kind in APPLIES}
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

    def finding(self, what, where):
        self.findings.setdefault(what, set()).add(where)

    def add(self, scenario, capture, got, output):
        self.check_run(scenario, output)
        spans = [with_operation(span) for span in got["spans"]]
        where = f"{scenario}, capture {capture}"
        known = [span for span in spans if span["operation"] in APPLIES]
        for span in spans:
            self.check_span(span, scenario, where)
        for metric in got["metrics"]:
            self.check_metric(metric, where)
        for record in got["logs"]:
            self.check_event(record, where)
        if script.KEY.encode() in got["raw"]:
            self.keys.add(where)
        if capture == "off":
            for content, word in script.CONTENT.items():
                if word.encode() in got["raw"]:
                    self.leaks.add(content)
            self.count(scenario, known, spans)
        elif scenario in WHOLE:
            self.count_content(known, scenario)

    def check_run(self, scenario, output):
        """That the conversation took place: else there would be nothing to compare."""
        wrong = "failed:" in output
        if wrong != (scenario in ("limited", "broken", "refused", "torn")):
            self.failed_runs.append(f"{scenario}: {output.strip()[-300:]}")

    # -- Counts, without capture of content

    def count(self, scenario, known, spans):
        by = {kind: [s for s in known if s["operation"] == kind] for kind in APPLIES}
        for kind, wanted in SPANS[scenario].items():
            seen = by[kind]
            self.made[0] += min(len(seen), wanted)
            self.made[1] += wanted
            if len(seen) < wanted:
                self.missing[kind].add(scenario)
            if len(seen) > wanted:
                self.finding(f"{kind}: {len(seen)} spans for {wanted}", scenario)
            if scenario in FAILED and kind in FAILED[scenario]:
                self.failures[0] += min(wanted, sum(map(failed, seen)))
                self.failures[1] += wanted
            elif scenario not in FAILED and scenario != "dropped":
                for span in seen:
                    if failed(span):
                        self.finding(f"{kind}: ERROR without a failure", scenario)
        if scenario in ("tool", "streamed"):
            self.count_attributes(by, scenario)
            self.count_usage(by)
            inner = [s for s in spans if s["name"] == "fetch_forecast"]
            self.traces[scenario] = len({s["trace"] for s in known + inner})
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
        for kind, keys in APPLIES.items():
            due = keys + (STREAMED if kind == CHAT and scenario == "streamed" else [])
            for span in by[kind]:
                lacking = [key for key in due if get(span, key) is None]
                self.attributes[kind][0] += len(due) - len(lacking)
                self.attributes[kind][1] += len(due)
                self.lacking[kind].update(lacking)

    def count_usage(self, by):
        """Each figure of each chat span against what the server said, and the agent's totals."""
        figures = {
            "input": "gen_ai.usage.input_tokens",
            "output": "gen_ai.usage.output_tokens",
            "cached": "gen_ai.usage.cache_read.input_tokens",
            "reasoning": "gen_ai.usage.reasoning.output_tokens",
        }
        chats = sorted(by[CHAT], key=lambda span: span["start"])
        for at, step in enumerate(("call", "answer")):
            for figure, key in figures.items():
                told = get(chats[at], key) if at < len(chats) else None
                right = script.USAGE[step][figure]
                same = str(told) == str(right)  # a wrong type is a finding of its own
                self.usage[0] += same
                self.usage[1] += 1
                if told is not None and not same:
                    self.finding(f"{CHAT}: `{key}` is {told}, the server said {right}", step)
        for span in by[AGENT]:
            for figure in ("input", "output"):
                told = get(span, figures[figure])
                total = sum(cost[figure] for cost in script.USAGE.values())
                if told is not None and str(told) != str(total):
                    self.finding(f"{AGENT}: `{figures[figure]}` is {told}, not {total}", AGENT)

    # -- Counts, with capture of content

    def count_content(self, known, scenario):
        for span in known:
            for key in CONTENT[span["operation"]]:
                if key == "gen_ai.tool.call.result" and scenario == "tool_fails":
                    continue  # a call that failed has no result
                inside = key == "gen_ai.system_instructions" and system_inside(span)
                if inside and get(span, key) is None:
                    continue  # its place is the history that it was sent in
                self.content[1] += 1
                self.content[0] += get(span, key) is not None
                if get(span, key) is not None:
                    self.content_valid[1] += 1
                    self.content_valid[0] += not self.faults(key, get(span, key))

    def faults(self, key, value):
        """What is wrong with content, by its schema."""
        if key not in self.conventions.schemas:
            return []  # arguments and results: the conventions' own policy does not validate them
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return ["no JSON"]
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
        if operation not in APPLIES:
            self.notes.append(f"a span `{span['name']}` ({operation})")
            return
        kind = TYPES.get((operation, span["kind"]))
        if kind is None:
            self.finding(f"{mark}: kind is {span['kind']}, not {USUAL[operation]}", where)
            kind = TYPES[operation, USUAL[operation]]
        subject = get(span, SUBJECT[operation])
        name = f"{operation} {subject}" if subject else operation
        if span["name"] != name:
            self.finding(f"{mark}: name is `{span['name']}`, not `{name}`", where)
        if span["status"] == "ok":
            self.finding(f"{mark}: status is OK, a library leaves it unset", where)
        if (span["status"] == "error") != ("error.type" in keys):
            self.finding(f"{mark}: `error.type` and status ERROR not together", where)
        levels = self.conventions.levels("spans", kind)
        whole = scenario in WHOLE and not failed(span)
        for key, level in levels.items():
            due = level == "required" or (level == "recommended" and whole)
            if due and key not in keys and key not in PARAMETERS:
                self.finding(f"{mark}: `{key}` ({level}) is missing", where)
        for key in keys:
            foreign = key in self.conventions.types and key.startswith("gen_ai.")
            if foreign and key not in levels:
                self.notes.append(f"`{key}` on {kind}, which does not define it")
        if ("server.address" in keys) != ("server.port" in keys):
            self.finding(f"{mark}: `server.address` without `server.port`", where)

    def check_values(self, mark, pairs, where):
        seen, conventions = set(), self.conventions
        for key, value in pairs:
            if key in seen:
                self.finding(f"{mark}: `{key}` twice", where)
            seen.add(key)
            if not key.startswith(NAMESPACES) and key not in conventions.types:
                continue
            if key in conventions.deprecated:
                self.finding(f"{mark}: `{key}` is deprecated", where)
            kind = conventions.types.get(key)
            if kind is None:
                if not key.startswith("gen_ai.prompt.variable."):
                    self.finding(f"{mark}: the registry has no `{key}`", where)
                continue
            if not is_a(value, kind):
                shown = type(value).__name__
                self.finding(f"{mark}: `{key}` is a {kind}, not {shown}", where)
            words = conventions.model["enums"].get(key)
            if words and value not in words:
                custom = isinstance(value, str) and value == value.lower() and " " not in value
                if key not in OPEN or not custom:
                    self.finding(f"{mark}: `{key}` cannot be `{value}`", where)
            for fault in self.faults(key, value)[:3]:
                self.finding(f"{mark}: `{key}` by its schema: {fault}", where)

    def check_metric(self, metric, where):
        name = metric["name"]
        if not name.startswith(NAMESPACES):
            return
        mark = f"metric `{name}`"
        if name in METRICS:
            self.metrics.add(name)
        elif name in OLDER:
            self.older.add(name)
            return  # known, and counted apart
        if name not in self.conventions.instruments:
            self.finding(f"{mark}: the conventions have none", where)
            return
        instrument, unit, _ = self.conventions.instruments[name]
        if (metric["kind"], metric["unit"]) != (instrument, unit):
            self.finding(f"{mark}: {metric['kind']} in {metric['unit']}", where)
        levels = self.conventions.levels("metrics", name)
        for point in metric["points"]:
            keys = [key for key, _ in point["attributes"]]
            self.check_values(mark, point["attributes"], where)
            rounded = [[round(bound, 6) for bound in of] for of in (point["bounds"], buckets(name))]
            same = rounded[0] == rounded[1]
            if instrument == "histogram" and not same:
                self.finding(f"{mark}: other buckets than the conventions have", where)
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
            self.finding(f"{mark}: deprecated or unknown", where)
            return
        self.events.add(name)
        self.check_values(mark, record["attributes"], where)
        keys = [key for key, _ in record["attributes"]]
        for key, level in levels.items():
            if level == "required" and key not in keys:
                self.finding(f"{mark}: `{key}` ({level}) is missing", where)
        if not record["span"]:
            self.finding(f"{mark}: in the context of no span", where)


def with_operation(span):
    return span | {"operation": get(span, "gen_ai.operation.name")}


def get(span, key):
    return next((value for known, value in span["attributes"] if known == key), None)


def failed(span):
    return span["status"] == "error" and get(span, "error.type") is not None


def system_inside(span):
    """Whether the system prompt was sent, and is told, as a message of the history."""
    return '"role":"system"' in str(get(span, "gen_ai.input.messages")).replace(": ", ":")


def is_a(value, kind):
    if kind == "string[]":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == "any":
        return isinstance(value, (str, list, dict))
    python = {"int": int, "double": float, "boolean": bool}.get(kind, str)
    return isinstance(value, python) and (kind == "boolean" or not isinstance(value, bool))
