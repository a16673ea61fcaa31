"""The OTLP receiver, over HTTP with protobuf. Stores the telemetry as dictionaries."""

import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUS = ["unset", "ok", "error"]


def value(any_value):
    """Converts an attribute value to Python."""
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value(v) for v in any_value.array_value.values]
    if kind == "kvlist_value":
        return {kv.key: value(kv.value) for kv in any_value.kvlist_value.values}
    return getattr(any_value, kind)


def attributes(pairs):
    """Returns the attributes as pairs, so that duplicate keys are visible."""
    return [(kv.key, value(kv.value)) for kv in pairs]


def spans(request):
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "scope": scope.scope.name,
                    "name": span.name,
                    "kind": KINDS[span.kind],
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "status": STATUS[span.status.code],
                    "message": span.status.message,
                    "attributes": attributes(span.attributes),
                    "events": [(e.name, attributes(e.attributes)) for e in span.events],
                }


def metrics(request):
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                points = getattr(metric, kind).data_points if kind else []
                yield {
                    "scope": scope.scope.name,
                    "name": metric.name,
                    "unit": metric.unit,
                    "kind": "counter" if kind == "sum" else kind,
                    "points": [
                        {
                            "attributes": attributes(point.attributes),
                            "bounds": list(getattr(point, "explicit_bounds", [])),
                        }
                        for point in points
                    ],
                }


def logs(request):
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                pairs = attributes(record.attributes)
                name = record.event_name or dict(pairs).get("event.name", "")
                yield {
                    "scope": scope.scope.name,
                    "name": name,
                    "severity": record.severity_number,
                    "trace": record.trace_id.hex(),
                    "span": record.span_id.hex(),
                    "body": value(record.body),
                    "attributes": pairs,
                }


SIGNALS = {
    "/v1/traces": ("spans", ExportTraceServiceRequest, spans),
    "/v1/metrics": ("metrics", ExportMetricsServiceRequest, metrics),
    "/v1/logs": ("logs", ExportLogsServiceRequest, logs),
}


class Receive(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path in SIGNALS:
            signal, request, read = SIGNALS[self.path]
            self.server.received[signal].extend(read(request.FromString(body)))
            self.server.raw.append(body)
        self.send_response(200 if self.path in SIGNALS else 404)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receive)
        self.take()

    def take(self):
        """Returns the telemetry received since the last call, and clears it."""
        received = getattr(self, "received", None)
        raw = getattr(self, "raw", None)
        self.received = {"spans": [], "metrics": [], "logs": []}
        self.raw = []
        return None if received is None else received | {"raw": b"".join(raw)}
