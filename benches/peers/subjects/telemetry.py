"""The OpenTelemetry SDK for the Python subjects: traces, metrics and logs over OTLP."""

import os
import time

from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SCENARIO = os.environ["PEERS_SCENARIO"]
STREAMS = SCENARIO in ("streamed", "torn", "dropped")
MODEL = os.environ["PEERS_MODEL"]
SYSTEM = os.environ["PEERS_SYSTEM"]
PROMPT = os.environ["PEERS_PROMPT"]
RESPONSES = os.environ["PEERS_API"] == "responses"


def install():
    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(traces)
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    metrics.set_meter_provider(meters)
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(logs)

    def shutdown():
        for provider in (traces, meters, logs):
            provider.shutdown()

    return shutdown


class StationError(Exception):
    pass


def weather(city):
    """Does the work of the tool, in a span."""
    with trace.get_tracer("station").start_as_current_span("fetch_forecast"):
        time.sleep(0.005)
        if SCENARIO == "tool_fails":
            raise StationError(os.environ["PEERS_TOOL_ERROR"])
        return f"{city}: {os.environ['PEERS_RESULT']}"
