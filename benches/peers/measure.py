#!/usr/bin/env python3
"""Compares the telemetry of chatlas with that of other libraries. Runs the same conversations through
each library against a scripted model server, receives the exported telemetry over OTLP, and scores it
by the data of the OpenTelemetry GenAI conventions.

    benches/peers/measure.py [--semconv FOLDER] [--only chatlas,rig] [--api responses] [--verbose]

The programs are generated and built in `target/peers`, with dependencies from crates.io and PyPI.
`FOLDER` contains `coverage-model.json` and `registry/` of the conventions. Default:
`$CHATLAS_SHARED/semconv`. Requires Rust, and Python 3.10 or later.
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
BUILD = Path(os.environ.get("PEERS_TARGET", ROOT / "target" / "peers"))

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

# The libraries under comparison: the program, its dependencies, the packages whose versions are
# reported, and the value of the environment variable that enables content capture.
SUBJECTS = {
    "chatlas": {
        "program": "chatlas.rs",
        "dependencies": f'chatlas = {{ path = "{ROOT}", features = ["otel"] }}\n',
        "versions": ["chatlas", "opentelemetry"],
        "capture": "SPAN_AND_EVENT",
    },
    "rig": {
        "program": "rig.rs",
        "dependencies": 'rig = "0.44"\n' + TRACING,
        "versions": ["rig", "tracing-opentelemetry"],
        "capture": "true",
    },
    "genai": {
        "program": "genai.rs",
        "dependencies": 'genai = { version = "0.7", features = ["otel"] }\n' + TRACING,
        "versions": ["genai", "tracing-opentelemetry"],
        "capture": "true",
    },
    "chatlas (Python)": {
        "program": "chatlas_python.py",
        "dependencies": ["chatlas", "openai", *SDK],
        "versions": ["chatlas", "openai"],
        "capture": "true",
    },
    "openai + OTel": {
        "program": "openai_python.py",
        "dependencies": ["openai", OPENAI, *SDK],
        "versions": ["openai", OPENAI, "opentelemetry-util-genai"],
        "capture": "SPAN_AND_EVENT",
    },
    "openai-agents + OTel": {
        "program": "openai_agents.py",
        "dependencies": ["openai-agents", OPENAI, AGENTS, *SDK],
        "versions": ["openai-agents", AGENTS, OPENAI],
        "capture": "SPAN_AND_EVENT",
    },
}


def pip(folder, packages):
    """Creates a virtual environment with those packages, and returns its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *packages], check=True)
    return python


def slug(subject):
    return re.sub(r"[^a-z]+", "-", subject.lower()).strip("-")


def build(name, subject):
    """Builds a subject. Returns the command that runs it, and the versions of its packages."""
    folder = BUILD / slug(name)
    source = HERE / "subjects" / subject["program"]
    if source.suffix == ".py":
        # Allow pre-releases: the official instrumentations have no other releases.
        packages = [f"{p}>=0.0b0" if "-genai-" in p else p for p in subject["dependencies"]]
        python = pip(folder, packages)
        code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
        printed = subprocess.run(
            [python, "-c", code, *subject["versions"]], check=True, capture_output=True, text=True
        )
        return [python, source], dict(zip(subject["versions"], printed.stdout.split(), strict=True))
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
{subject["dependencies"]}"""
    )
    target = BUILD / "target"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "build", "--quiet"], cwd=folder, env=environment, check=True)
    lock = (folder / "Cargo.lock").read_text()
    versions = {}
    for package in subject["versions"]:
        found = re.search(rf'name = "{package}"\nversion = "([^"]+)"', lock)
        versions[package] = found.group(1)
    return [target / "debug" / f"peer-{slug(name)}"], versions


def run(command, subject, scenario, capture, api, model, receiver):
    """Runs one conversation in a separate process. Returns its telemetry and its output."""
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
        output = "failed: timeout after 60 s"
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
                telemetry, output = run(
                    command, subject, scenario, capture, arguments.api, model, receiver
                )
                score.add(scenario, capture, telemetry, output)
                if arguments.dump:
                    content = {k: v for k, v in telemetry.items() if k != "raw"} | {"output": output}
                    path = Path(arguments.dump) / f"{slug(name)}-{scenario}-{capture}.json"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps(content, indent=1, default=str))
    report.table(scores, versions, arguments.api)
    if arguments.verbose:
        report.findings(scores)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("CHATLAS_SHARED", "")
    arguments.add_argument("--semconv", default=f"{shared}/semconv" if shared else None)
    arguments.add_argument("--only", help="subjects, separated by commas: " + ", ".join(SUBJECTS))
    arguments.add_argument("--api", default="completions", choices=["completions", "responses"])
    arguments.add_argument("--verbose", action="store_true", help="print each finding")
    arguments.add_argument("--dump", help="write the telemetry of each run to this folder, as JSON")
    arguments = arguments.parse_args()
    if not arguments.semconv:
        sys.exit("missing the data of the conventions: set --semconv or CHATLAS_SHARED")
    if not os.environ.get("PEERS_VENV"):
        python = pip(BUILD / "receiver", ["jsonschema", "opentelemetry-proto", "pyyaml"])
        environment = os.environ | {"PEERS_VENV": "yes"}
        os.execve(python, [python, __file__, *sys.argv[1:]], environment)
    measure(arguments)


if __name__ == "__main__":
    main()
