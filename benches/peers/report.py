"""The table and the findings, as Markdown."""

from score import AGENT, APPLIES, CHAT, EVENTS, METRICS, OLDER, TOOL


def share(pair):
    seen, wanted = pair
    return f"{seen}/{wanted}" if wanted else "no span"


def dropped(score):
    """What became of the spans when the caller dropped the stream."""
    said = []
    for kind, count, error in score.dropped or []:
        if count == 1:
            said.append(f"{kind} ended" + (" as an error" if error else ""))
        else:
            said.append(f"{kind} {'missing' if count == 0 else f'{count} times'}")
    return ", ".join(said)


def mark(right):
    return "yes" if right else "no"


ROWS = [
    ("spans made, of those the conversation has", lambda s: share(s.made)),
    (
        "traces of one conversation (whole, streamed)",
        lambda s: " ".join(map(str, s.traces.values())),
    ),
    ("the tool's own work below `execute_tool`", lambda s: mark(s.nested)),
    ("`chat` attributes", lambda s: share(s.attributes[CHAT])),
    ("`invoke_agent` attributes", lambda s: share(s.attributes[AGENT])),
    ("`execute_tool` attributes", lambda s: share(s.attributes[TOOL])),
    ("token figures that equal the server's", lambda s: share(s.usage)),
    ("time to first chunk, streamed calls", lambda s: share(s.first_chunk)),
    ("failures with ERROR and `error.type`", lambda s: share(s.failures)),
    ("dropped stream", dropped),
    ("content attributes, capture on", lambda s: share(s.content)),
    ("… of which valid by their schema", lambda s: share(s.content_valid)),
    ("content told with capture off", lambda s: ", ".join(sorted(s.leaks)) or "none"),
    ("the API key, where an error quotes it", lambda s: "exported" if s.keys else "not exported"),
    ("metrics of today's names", lambda s: f"{len(s.metrics)}/{len(METRICS)}"),
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
        print(f"- {name}: " + ", ".join(f"{part} {at}" for part, at in parts.items()))
    for name, score in scores.items():
        for run in score.failed_runs:
            print(f"- **{name}**: not as scripted: {run}")


def findings(scores):
    for name, score in scores.items():
        print(f"\n### {name}\n")
        for what, where in sorted(score.findings.items()):
            scenarios = sorted({place.split(",")[0] for place in where})
            print(f"- {what} ({', '.join(scenarios)})")
        for kind in APPLIES:
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
            print(f"- allowed, and worth knowing: {note}")
