#!/usr/bin/env python3
"""What telemetry a conversation leaves behind: the same one through chatlas and through its peers,
against the same scripted model server, exported over OTLP to the same receiver, and scored by the
same rules, which are the data of the GenAI conventions.

    benches/peers/measure.py [--semconv FOLDER] [--only chatlas,rig] [--api responses] [--verbose]

The programs are generated below `target/peers` and built there, with what they need from crates.io
and PyPI. `FOLDER` holds `coverage-model.json` and `registry/` of the conventions; without it, it is
`$CHATLAS_SHARED/semconv`. Rust and Python 3.10 or later are needed, and nothing else.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.dont_write_bytecode = True
WHERE = Path(os.environ.get("PEERS_TARGET", ROOT / "target" / "peers"))

SCENARIOS = [
    "tool",
    "streamed",
    "tool_fails",
    "limited",
    "broken",
    "refused",
    "torn",
    "dropped",
]

TRACING = """\
futures = "0.3"
opentelemetry_sdk = "0.33"
opentelemetry-otlp = { version = "0.33", features = ["http-proto", "reqwest-blocking-client"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
tracing = "0.1"
tracing-opentelemetry = "0.34"
tracing-subscriber = { version = "0.3", features = ["env-filter"] }
"""
SDK = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"]
OPENAI = "opentelemetry-instrumentation-genai-openai"
AGENTS = "opentelemetry-instrumentation-genai-openai-agents"

# Each subject: its program, what it depends on, whose versions are told, and how it is asked to
# capture content.
SUBJECTS = {
    "chatlas": {
        "program": "chatlas.rs",
        "needs": f'chatlas = {{ path = "{ROOT}", features = ["otel"] }}\n',
        "versions": ["chatlas", "opentelemetry"],
        "capture": "SPAN_AND_EVENT",
    },
    "rig": {
        "program": "rig.rs",
        "needs": 'rig = "0.44"\n' + TRACING,
        "versions": ["rig", "tracing-opentelemetry"],
        "capture": "true",
    },
    "genai": {
        "program": "genai.rs",
        "needs": 'genai = { version = "0.7", features = ["otel"] }\n' + TRACING,
        "versions": ["genai", "tracing-opentelemetry"],
        "capture": "true",
    },
    "chatlas (Python)": {
        "program": "chatlas_python.py",
        "needs": ["chatlas", "openai", *SDK],
        "versions": ["chatlas", "openai"],
        "capture": "true",
    },
    "openai + OTel": {
        "program": "openai_python.py",
        "needs": ["openai", OPENAI, *SDK],
        "versions": ["openai", OPENAI, "opentelemetry-util-genai"],
        "capture": "SPAN_AND_EVENT",
    },
    "openai-agents + OTel": {
        "program": "openai_agents.py",
        "needs": ["openai-agents", OPENAI, AGENTS, *SDK],
        "versions": ["openai-agents", AGENTS, OPENAI],
        "capture": "SPAN_AND_EVENT",
    },
}


def pip(folder, packages):
    """A virtual environment with those packages, whose pre-releases count: the official
    instrumentations have nothing else."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *packages], check=True)
    return python


def slug(subject):
    return re.sub(r"[^a-z]+", "-", subject.lower()).strip("-")


def build(name, subject):
    """The command that runs a subject, and the versions in it."""
    folder = WHERE / slug(name)
    source = HERE / "subjects" / subject["program"]
    if source.suffix == ".py":
        fixed = [f"{p}>=0.0b0" if "-genai-" in p else p for p in subject["needs"]]
        python = pip(folder, fixed)
        code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
        told = subprocess.run(
            [python, "-c", code, *subject["versions"]], check=True, capture_output=True, text=True
        )
        return [python, source], dict(zip(subject["versions"], told.stdout.split(), strict=True))
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "main.rs").write_text(source.read_text())
    (folder / "src" / "telemetry.rs").write_text((HERE / "subjects" / "telemetry.rs").read_text())
    (folder / "Cargo.toml").write_text(
        f"""[package]
name = "peer-{slug(name)}"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.dev]
debug = 0

[dependencies]
opentelemetry = "0.33"
tokio = {{ version = "1", features = ["macros", "rt-multi-thread", "time"] }}
{subject["needs"]}"""
    )
    target = WHERE / "target"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "build", "--quiet"], cwd=folder, env=environment, check=True)
    lock = (folder / "Cargo.lock").read_text()
    versions = {}
    for package in subject["versions"]:
        found = re.search(rf'name = "{package}"\nversion = "([^"]+)"', lock)
        versions[package] = found.group(1)
    return [target / "debug" / f"peer-{slug(name)}"], versions


def run(command, subject, scenario, capture, api, model, receiver):
    """One conversation in a process of its own; what came out of it."""
    import model_server as script

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "OPENAI_"))}
    switch = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PEERS_API": api,
        "PEERS_CAPTURE": capture,
        "PEERS_MODEL": script.MODEL,
        "PEERS_PROMPT": script.PROMPT,
        "PEERS_RESULT": script.RESULT,
        "PEERS_SCENARIO": scenario,
        "PEERS_SYSTEM": script.SYSTEM,
        "PEERS_TOOL_ERROR": script.TOOL_ERROR,
        "OPENAI_API_KEY": script.KEY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/{scenario}/v1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "peers",
    }
    if capture == "on":
        environment[switch] = subject["capture"]
    receiver.take()
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        output = done.stdout + (done.stderr if done.returncode else "")
        if done.returncode:
            output = "failed: " + output
    except subprocess.TimeoutExpired:
        output = "failed: it did not end within 60 s"
    return receiver.take(), output


def measure(arguments):
    import report
    from model_server import ModelServer
    from receiver import Receiver
    from score import Conventions, Score

    conventions = Conventions(arguments.semconv)
    model, receiver = ModelServer(), Receiver()
    for server in (model, receiver):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    scores, versions = {}, {}
    for name in arguments.only.split(",") if arguments.only else SUBJECTS:
        subject = SUBJECTS[name]
        print(f"{name}: building", file=sys.stderr)
        command, versions[name] = build(name, subject)
        score = scores[name] = Score(conventions)
        for scenario in SCENARIOS:
            for capture in ("off", "on"):
                got, output = run(
                    command, subject, scenario, capture, arguments.api, model, receiver
                )
                score.add(scenario, capture, got, output)
                if arguments.dump:
                    kept = {k: v for k, v in got.items() if k != "raw"} | {"output": output}
                    place = Path(arguments.dump) / f"{slug(name)}-{scenario}-{capture}.json"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(json.dumps(kept, indent=1, default=str))
    report.table(scores, versions, arguments.api)
    if arguments.verbose:
        report.findings(scores)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("CHATLAS_SHARED", "")
    arguments.add_argument("--semconv", default=f"{shared}/semconv" if shared else None)
    arguments.add_argument("--only", help="subjects, with commas: " + ", ".join(SUBJECTS))
    arguments.add_argument("--api", default="completions", choices=["completions", "responses"])
    arguments.add_argument("--verbose", action="store_true", help="each finding")
    arguments.add_argument("--dump", help="a folder for what each run exported, as JSON")
    arguments = arguments.parse_args()
    if not arguments.semconv:
        sys.exit("--semconv or CHATLAS_SHARED says where the data of the conventions is")
    if not os.environ.get("PEERS_VENV"):
        python = pip(WHERE / "receiver", ["jsonschema", "opentelemetry-proto", "pyyaml"])
        environment = os.environ | {"PEERS_VENV": "yes"}
        os.execve(python, [python, __file__, *sys.argv[1:]], environment)
    measure(arguments)


if __name__ == "__main__":
    main()
