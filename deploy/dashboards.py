#!/usr/bin/env python3
"""Writes the Grafana dashboards from the queries: deploy/dashboards.py [--check].

Each folder of `queries/` is a dashboard, each file a panel. With `--check`, nothing is written, and the
exit status is 1 if a dashboard differs from its queries.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
SOURCE = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
# The plugin's `format`: 0 is a time series, 1 a table.
FORMATS = {"timeseries": 0, "table": 1, "stat": 1}


def panel(number, path):
    """Returns the panel of a query."""
    lines = path.read_text().splitlines()
    header = {}
    while lines and lines[0].startswith("-- "):
        key, value = lines.pop(0)[3:].split(": ", 1)
        header[key] = value
    kind = header["panel"]
    return {
        "id": number + 1,
        "type": kind,
        "title": header["title"],
        "description": header["about"],
        "datasource": SOURCE,
        "gridPos": {"h": 10, "w": 12, "x": 12 * (number % 2), "y": 10 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": header["unit"]} if kind != "table" else {}, "overrides": []},
        "options": {},
        "targets": [{
            "refId": "A",
            "datasource": SOURCE,
            "editorType": "sql",
            "queryType": kind if kind == "timeseries" else "table",
            "format": FORMATS[kind],
            "rawSql": "\n".join(lines),
        }],
    }


def dashboard(folder):
    """Returns the dashboard of a folder of queries."""
    number, _, words = folder.name.partition("-")
    return {
        "uid": f"chatlas-{folder.name}",
        "title": f"GenAI {number}: {words.replace('-', ' ')}",
        "tags": ["genai", "chatlas"],
        "schemaVersion": 42,
        "version": 1,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [{
            "type": "datasource",
            "name": "datasource",
            "label": "Data source",
            "query": "grafana-clickhouse-datasource",
        }]},
        "links": [{
            "type": "dashboards", "title": "GenAI", "tags": ["genai"], "asDropdown": True, "keepTime": True,
        }],
        "panels": [panel(number, path) for number, path in enumerate(sorted(folder.glob("*.sql")))],
    }


def main():
    check = "--check" in sys.argv[1:]
    differing = []
    for folder in sorted(path for path in (HERE / "queries").iterdir() if path.is_dir()):
        text = json.dumps(dashboard(folder), indent=2) + "\n"
        path = HERE / "grafana" / "dashboards" / f"{folder.name}.json"
        if check:
            if not path.exists() or path.read_text() != text:
                differing.append(path.name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if differing:
        sys.exit(f"{', '.join(differing)} differ from the queries: run deploy/dashboards.py")


main()
