#!/usr/bin/env python3
"""Runs every query of the dashboards on ClickHouse, in this process, over the simulated day.

    pip install chdb
    cargo run --example five_questions day.jsonl > answers.txt
    deploy/check.py day.jsonl answers.txt [--spans N]

It creates the tables of `clickhouse/schema.sql`, loads the exported telemetry as the Collector's exporter
does, and compares the rows of the queries with the answers that the example printed. Then it copies the
day until the table has N spans (a million by default), and runs every query again: counts are multiples,
durations and shares the same. It prints the rows and the time of each query, and the bytes per span.
"""
import json
import pathlib
import re
import sys
import tempfile
import time

from chdb import session

HERE = pathlib.Path(__file__).parent


def value(any_value):
    """Returns an OTLP value as the exporter stores it: as text."""
    kind, value = next(iter(any_value.items()))
    if kind == "arrayValue":
        return json.dumps([json.loads(as_json(item)) for item in value.get("values", [])])
    if kind == "boolValue":
        return "true" if value else "false"
    return str(value)


def as_json(any_value):
    kind, value = next(iter(any_value.items()))
    return json.dumps(int(value) if kind == "intValue" else value)


def attributes(record):
    return {item["key"]: value(item["value"]) for item in record.get("attributes", [])}


def timestamp(nanos):
    return f"{int(nanos) // 10**9}.{int(nanos) % 10**9:09}"


KINDS = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"]
STATUS = ["Unset", "Ok", "Error"]


def rows(path):
    """Returns the spans and the log records of a file of OTLP JSON lines, as rows of the tables."""
    spans, logs = [], []
    for line in path.read_text().splitlines():
        export = json.loads(line)
        for resource in export.get("resourceSpans", []):
            at = attributes(resource["resource"])
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    start = int(span["startTimeUnixNano"])
                    events, links = span.get("events", []), span.get("links", [])
                    spans.append({
                        "Timestamp": timestamp(start),
                        "TraceId": span["traceId"],
                        "SpanId": span["spanId"],
                        "ParentSpanId": span.get("parentSpanId", ""),
                        "SpanName": span["name"],
                        "SpanKind": KINDS[span.get("kind", 0)],
                        "ServiceName": at.get("service.name", ""),
                        "ResourceAttributes": at,
                        "ScopeName": scope["scope"].get("name", ""),
                        "ScopeVersion": scope["scope"].get("version", ""),
                        "SpanAttributes": attributes(span),
                        "Duration": int(span["endTimeUnixNano"]) - start,
                        "StatusCode": STATUS[span.get("status", {}).get("code", 0)],
                        "StatusMessage": span.get("status", {}).get("message", ""),
                        "Events.Timestamp": [timestamp(event["timeUnixNano"]) for event in events],
                        "Events.Name": [event["name"] for event in events],
                        "Events.Attributes": [attributes(event) for event in events],
                        "Links.TraceId": [link["traceId"] for link in links],
                        "Links.SpanId": [link["spanId"] for link in links],
                        "Links.TraceState": ["" for _ in links],
                        "Links.Attributes": [attributes(link) for link in links],
                    })
        for resource in export.get("resourceLogs", []):
            at = attributes(resource["resource"])
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    logs.append({
                        "Timestamp": timestamp(record.get("timeUnixNano") or record["observedTimeUnixNano"]),
                        "TraceId": record.get("traceId", ""),
                        "SpanId": record.get("spanId", ""),
                        "ServiceName": at.get("service.name", ""),
                        "ResourceAttributes": at,
                        "ScopeName": scope["scope"].get("name", ""),
                        "LogAttributes": attributes(record),
                        "EventName": record.get("eventName", ""),
                    })
    return spans, logs


def statements(text):
    """Returns the statements of a file, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def plain(sql):
    """Replaces the macros of Grafana's plugin: all times, in intervals of five minutes."""
    sql = re.sub(r"\$__timeFilter\([\w.]+\)", "1", sql)
    return re.sub(r"\$__timeInterval\(([\w.]+)\)", r"toStartOfFiveMinutes(toDateTime(\1))", sql)


class Engine:
    def __init__(self, folder):
        self.session = session.Session(folder)

    def run(self, sql):
        return self.session.query(sql, "JSONCompact")

    def table(self, sql):
        answer = self.run(sql)
        return json.loads(str(answer))["data"] if str(answer) else []

    def load(self, table, records, folder):
        path = pathlib.Path(folder) / f"{table}.jsonl"
        path.write_text("\n".join(json.dumps(record) for record in records))
        self.run(f"INSERT INTO otel.{table} FROM INFILE '{path}' FORMAT JSONEachRow")


def printed(answers):
    """Returns the tables that the example printed, a list of rows of words per question."""
    tables = {}
    number = None
    for line in answers.splitlines():
        if match := re.match(r"(\d)\. ", line):
            number = int(match.group(1))
            tables[number] = []
        elif number and line.startswith("   "):
            tables[number].append(line.split())
    return tables


def close(one, other, tolerance):
    return abs(float(one) - float(other)) <= tolerance


def compare(engine, answers, queries, factor):
    """Compares the rows of the queries with the printed answers. Counts are `factor` times as large."""
    tables = printed(answers)
    rows_of = {name: engine.table(plain(sql)) for name, sql in queries.items()}

    def expect(what, condition):
        if not condition:
            sys.exit(f"the rows differ from the answers of the example: {what}")

    # 1: user, house, runs, median "ms", p95 "ms". Of an even number of runs, the median is anywhere between two of them.
    users = {row[0]: row for row in rows_of["1-slow-users/1-users"]}
    answered = [row for row in tables[1] if len(row) == 7 and row[4] == "ms"]
    expect("number of users", len(answered) == len(users) > 0)
    for user, _house, runs, median, _ms, _p95, _ms in answered:
        row = users[user]
        expect(f"runs of {user}", int(row[1]) == factor * int(runs))
        expect(f"median of {user}: {row[2]}, {median}", close(row[2], median, 2 + 0.15 * float(median)))
    slowest = [row[0] for row in rows_of["1-slow-users/1-users"][:5]]
    expect(f"slowest users: {slowest}", all(user.startswith("harbour") for user in slowest))
    difference = rows_of["1-slow-users/4-operations-of-slow-users"][0]
    expect(f"cause: {difference}", difference[0] == "execute_tool search_archive")

    # 2: operation (two words), calls, share "%", median "ms", p95 "ms".
    operations = {row[0]: row for row in rows_of["2-slow-operations/1-operations"]}
    answered = [row for row in tables[2] if row[-1] == "ms"]
    expect("number of operations", len(answered) == len(operations) > 0)
    for row in answered:
        name, calls, share, median = " ".join(row[:2]), row[2], row[3], row[5]
        found = operations[name]
        expect(f"calls of {name}", int(found[1]) == factor * int(calls))
        expect(f"share of {name}", close(found[2], share, 1))
        expect(f"median of {name}", close(found[3], median, 2 + 0.05 * float(median)))

    # 3: count, ended runs, first "to" last, operation (two words), error.
    errors = {(row[0], row[1]): row for row in rows_of["3-errors/1-sources"]}
    answered = [row for row in tables[3] if "to" in row]
    expect("number of errors", len(answered) == len(errors) > 0)
    for row in answered:
        found = errors[(" ".join(row[5:7]), row[7])]
        expect(f"errors {row}: {found}", int(found[2]) == factor * int(row[0]))
        expect(f"ended runs {row}: {found}", int(found[5]) == factor * int(row[1]))

    # 4: count, ratings, mean, question.
    questions = {row[0]: row for row in rows_of["4-questions-and-quality/1-questions"]}
    answered = [row for row in tables[4] if row[0].isdigit()]
    expect("number of questions", len(answered) == len(questions) > 0)
    for row in answered:
        found = questions[" ".join(row[3:])]
        expect(f"runs {row}: {found}", int(found[1]) == factor * int(row[0]))
        expect(f"ratings {row}: {found}", int(found[2]) == factor * int(row[1]))
        expect(f"score {row}: {found}", close(found[3], row[2], 0.011))

    # 5: model, house, input, output, cost; here by model alone.
    models = {row[1]: row for row in rows_of["5-cost/1-by-model"]}
    answered = [row for row in tables[5] if len(row) == 5 and row[2].isdigit()]
    for model in {row[0] for row in answered}:
        mine = [row for row in answered if row[0] == model]
        found = models[model]
        expect(f"input of {model}", int(found[2]) == factor * sum(int(row[2]) for row in mine))
        expect(f"output of {model}", int(found[4]) == factor * sum(int(row[3]) for row in mine))
        cost = factor * sum(float(row[4]) for row in mine)
        expect(f"cost of {model}: {found[5]}, {cost}", close(found[5], cost, 1e-4 * factor))
    by_user = sum(row[4] for row in rows_of["5-cost/3-by-user"])
    by_model = sum(row[5] for row in models.values())
    expect(f"cost by user {by_user}, by model {by_model}", close(by_user, by_model, 1e-3 * factor))


def main():
    day, answers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
    target = int(sys.argv[sys.argv.index("--spans") + 1]) if "--spans" in sys.argv else 1_000_000
    queries = {
        f"{path.parent.name}/{path.stem}": path.read_text()
        for path in sorted((HERE / "queries").glob("*/*.sql"))
    }
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(str(pathlib.Path(folder) / "data"))
        for statement in statements((HERE / "clickhouse" / "schema.sql").read_text()):
            engine.run(statement)
        engine.run(
            "INSERT INTO otel.genai_prices (Provider, Model, Input, Output, CachedInput) VALUES "
            "('simulated', 'swift-1', 0.25, 2, 0.25), ('simulated', 'deep-2', 3, 15, 3)"
        )
        spans, logs = rows(day)
        engine.load("otel_traces", spans, folder)
        engine.run("INSERT INTO otel.genai_spans SELECT * FROM otel.otel_traces")
        engine.load("otel_logs", logs, folder)
        compare(engine, answers, queries, 1)
        print(f"{len(spans)} spans, {len(logs)} events: the rows equal the answers of the example")

        # Each copy is a day with other ids, as if the traffic were larger.
        copies = -(-target // len(spans)) - 1
        start = time.monotonic()
        for table in ["genai_spans", "otel_traces"]:
            engine.run(f"""
                INSERT INTO otel.{table}
                SELECT spans.* REPLACE (
                    lower(hex(MD5(concat(TraceId, toString(number))))) AS TraceId,
                    if(ParentSpanId = '', '', substring(lower(hex(MD5(concat(ParentSpanId, toString(number))))), 1, 16))
                        AS ParentSpanId,
                    substring(lower(hex(MD5(concat(SpanId, toString(number))))), 1, 16) AS SpanId
                )
                FROM (SELECT * FROM otel.otel_traces) AS spans CROSS JOIN numbers(1, {copies}) AS copy
            """)
        engine.run(f"""
            INSERT INTO otel.otel_logs
            SELECT logs.* REPLACE (
                lower(hex(MD5(concat(TraceId, toString(number))))) AS TraceId,
                substring(lower(hex(MD5(concat(SpanId, toString(number))))), 1, 16) AS SpanId
            )
            FROM (SELECT * FROM otel.otel_logs) AS logs CROSS JOIN numbers(1, {copies}) AS copy
        """)
        total = engine.table("SELECT count() FROM otel.otel_traces")[0][0]
        print(f"{total} spans in {time.monotonic() - start:.0f} s")
        compare(engine, answers, queries, copies + 1)
        print("the rows are the same, with the counts of all copies\n")

        print(f"{'query':<52} {'rows':>6} {'seconds':>8}")
        for name, sql in queries.items():
            start = time.monotonic()
            found = engine.table(plain(sql))
            print(f"{name:<52} {len(found):>6} {time.monotonic() - start:>8.2f}")
        engine.run("OPTIMIZE TABLE otel.genai_operations FINAL")
        print()
        for table, count, size, plain_size in engine.table(
            "SELECT table, sum(rows), sum(bytes_on_disk), sum(data_uncompressed_bytes) FROM system.parts "
            "WHERE active AND database = 'otel' GROUP BY table ORDER BY table"
        ):
            print(f"{table:<24} {count:>9} rows, {int(size) / int(count):>7.1f} bytes per row on disk, "
                  f"{int(plain_size) / int(count):>7.1f} uncompressed")


main()
