"""Creates an experiment, or prints what MLflow shows of its traces: show_mlflow.py create NAME | show ID."""

import json
import sys

import mlflow

mlflow.set_tracking_uri("http://127.0.0.1:15000")
command, argument = sys.argv[1:]
if command == "create":
    existing = mlflow.get_experiment_by_name(argument)
    print(existing.experiment_id if existing else mlflow.create_experiment(argument))
    sys.exit()


def cell(value):
    return "--" if value is None else json.dumps(value, ensure_ascii=False)[:60]


for trace in mlflow.search_traces(locations=[argument], return_type="list"):
    info = trace.info
    print(
        f"* {info.trace_id}  request {cell(info.request_preview)}  response {cell(info.response_preview)}"
        f"  tokens {info.token_usage}  assessments {len(info.assessments)}"
    )
    for span in trace.data.spans:
        kind = span.span_type or "--"
        print(f"  {span.name:28} {kind:10}  inputs {cell(span.inputs)}  outputs {cell(span.outputs)}")
