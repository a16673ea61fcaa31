"""Prints the table and the findings as Markdown."""

from score import AGENT, CHAT, EVENTS, EXPECTED, METRICS, OLDER, TOOL


def ratio(pair):
    seen, expected = pair
    return f"{seen}/{expected}" if expected else "no span"


def dropped(score):
    """Describes the spans of a stream that the caller dropped."""
    parts = []
    for kind, count, error in score.dropped or []:
        if count == 1:
            parts.append(f"{kind} ended" + (" as an error" if error else ""))
        else:
            parts.append(f"{kind} {'missing' if count == 0 else f'{count} times'}")
    return ", ".join(parts)


def yes_no(value):
    return "yes" if value else "no"


ROWS = [
    ("spans recorded, of those expected", lambda s: ratio(s.recorded)),
    (
        "traces of one conversation (non-streaming, streaming)",
        lambda s: " ".join(map(str, s.traces.values())),
    ),
    ("the span of the tool's work is a child of `execute_tool`", lambda s: yes_no(s.nested)),
    ("`chat` attributes", lambda s: ratio(s.attributes[CHAT])),
    ("`invoke_agent` attributes", lambda s: ratio(s.attributes[AGENT])),
    ("`execute_tool` attributes", lambda s: ratio(s.attributes[TOOL])),
    ("token figures that equal the server's", lambda s: ratio(s.usage)),
    ("time to first chunk, streamed calls", lambda s: ratio(s.first_chunk)),
    ("failures with ERROR and `error.type`", lambda s: ratio(s.failures)),
    ("dropped stream", dropped),
    ("content attributes, capture on", lambda s: ratio(s.content)),
    ("… of which valid by their schema", lambda s: ratio(s.content_valid)),
    ("content recorded with capture off", lambda s: ", ".join(sorted(s.leaks)) or "none"),
    ("the API key, where an error quotes it", lambda s: "exported" if s.keys else "not exported"),
    ("metrics with current names", lambda s: f"{len(s.metrics)}/{len(METRICS)}"),
    ("metrics of older names", lambda s: f"{len(s.older)}/{len(OLDER)}"),
    ("events", lambda s: f"{len(s.events & set(EVENTS))}/{len(EVENTS)}"),
    ("**violations**, each counted once", lambda s: f"**{len(s.findings)}**"),
]


def table(scores, versions, api):
    print(f"\n| {'Chat Completions' if api == 'completions' else 'Responses'} |", end="")
    print("".join(f" {name} |" for name in scores))
    print("|---|" + "---|" * len(scores))
    for title, cell in ROWS:
        print(f"| {title} | " + " | ".join(cell(score) for score in scores.values()) + " |")
    print()
    for name, parts in versions.items():
        print(f"- {name}: " + ", ".join(f"{package} {at}" for package, at in parts.items()))
    for name, score in scores.items():
        for run in score.failed_runs:
            print(f"- **{name}**: unexpected outcome: {run}")


def findings(scores):
    for name, score in scores.items():
        print(f"\n### {name}\n")
        for finding, where in sorted(score.findings.items()):
            scenarios = sorted({location.split(",")[0] for location in where})
            print(f"- {finding} ({', '.join(scenarios)})")
        for kind in EXPECTED:
            if score.missing[kind]:
                print(f"- no {kind} span in: {', '.join(sorted(score.missing[kind]))}")
            if score.lacking[kind]:
                print(f"- not on every {kind}: {', '.join(sorted(score.lacking[kind]))}")
        lacking = [m for m in METRICS if m not in score.metrics]
        if lacking:
            print(f"- no metric {', '.join(lacking)}")
        if score.older:
            print(f"- older metrics: {', '.join(sorted(score.older))}")
        for note in sorted(set(score.notes)):
            print(f"- allowed: {note}")
