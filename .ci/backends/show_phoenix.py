"""Prints what Phoenix shows of the traces of a project: show_phoenix.py PROJECT."""

import json
import sys
import urllib.request

QUERY = """
query ($name: String!) {
  projects(filter: {col: name, value: $name}) { edges { node { name
    spans(first: 50, sort: {col: startTime, dir: asc}) { edges { node {
      name spanKind parentId tokenCountTotal input { value } output { value }
    } } }
  } } }
}
"""

body = json.dumps({"query": QUERY, "variables": {"name": sys.argv[1]}}).encode()
request = urllib.request.Request(
    "http://127.0.0.1:16006/graphql", body, {"content-type": "application/json"}
)
answer = json.load(urllib.request.urlopen(request))
if "errors" in answer:
    sys.exit(json.dumps(answer["errors"]))


def cell(value):
    return "--" if value is None else json.dumps(value["value"], ensure_ascii=False)[:60]


for project in answer["data"]["projects"]["edges"]:
    for edge in project["node"]["spans"]["edges"]:
        span = edge["node"]
        place = "  " if span["parentId"] else "* "
        print(
            f"{place}{span['name']:28} {span['spanKind']:10} tokens {span['tokenCountTotal']}"
            f"  input {cell(span['input'])}  output {cell(span['output'])}"
        )
