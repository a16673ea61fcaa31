-- The tables for the Collector's ClickHouse exporter (`create_schema: false`), and what the dashboards
-- read beside them. Columns and types of `otel_traces` and `otel_logs` are those that the exporter
-- inserts; partitions, order, codecs and TTL are ours.

CREATE DATABASE IF NOT EXISTS otel;

CREATE TABLE IF NOT EXISTS otel.otel_traces
(
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    `Events.Timestamp` Array(DateTime64(9)) CODEC(ZSTD(1)),
    `Events.Name` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `Events.Attributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Links.TraceId` Array(String) CODEC(ZSTD(1)),
    `Links.SpanId` Array(String) CODEC(ZSTD(1)),
    `Links.TraceState` Array(String) CODEC(ZSTD(1)),
    `Links.Attributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX user_id SpanAttributes['user.id'] TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX conversation_id SpanAttributes['gen_ai.conversation.id'] TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
TTL toDateTime(Timestamp) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS otel.otel_logs
(
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    TraceFlags UInt8,
    SeverityText LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    EventName String CODEC(ZSTD(1)),
    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, EventName, toDateTime(Timestamp), Timestamp)
TTL toDateTime(Timestamp) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Finds the partition of a trace from its id.
CREATE TABLE IF NOT EXISTS otel.otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime),
    End SimpleAggregateFunction(max, DateTime)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(Start)
ORDER BY TraceId
TTL Start + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otel_traces_trace_id_ts_mv TO otel.otel_traces_trace_id_ts AS
SELECT TraceId, min(toDateTime(Timestamp)) AS Start, max(toDateTime(Timestamp)) AS End
FROM otel.otel_traces
WHERE TraceId != ''
GROUP BY TraceId;

-- All spans, before sampling. Nothing is stored: the table passes them to the views of the totals below, so
-- that counts, rates and costs are those of all traffic.
CREATE TABLE IF NOT EXISTS otel.genai_spans AS otel.otel_traces ENGINE = Null;

-- US dollars per million tokens. A price is valid from its time until the next one of the model. Load
-- the prices that you pay: the table is empty at first, and calls without a price are counted as such.
CREATE TABLE IF NOT EXISTS otel.genai_prices
(
    Provider LowCardinality(String),
    Model String,
    ValidFrom DateTime DEFAULT 0,
    Input Float64,
    Output Float64,
    CachedInput Float64 DEFAULT Input
)
ENGINE = ReplacingMergeTree
ORDER BY (Provider, Model, ValidFrom);

-- Five-minute totals of every model call, tool call and agent run. Dashboards over weeks read this table
-- of a few thousand rows a day instead of the spans.
CREATE TABLE IF NOT EXISTS otel.genai_operations
(
    Time DateTime,
    ServiceName LowCardinality(String),
    Operation LowCardinality(String),
    SpanName LowCardinality(String),
    Provider LowCardinality(String),
    Model LowCardinality(String),
    Agent LowCardinality(String),
    ErrorType LowCardinality(String),
    Calls SimpleAggregateFunction(sum, UInt64),
    Nanoseconds SimpleAggregateFunction(sum, UInt64),
    InputTokens SimpleAggregateFunction(sum, UInt64),
    CachedTokens SimpleAggregateFunction(sum, UInt64),
    OutputTokens SimpleAggregateFunction(sum, UInt64),
    Durations AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Time)
ORDER BY (ServiceName, Operation, SpanName, Provider, Model, Agent, ErrorType, Time)
TTL Time + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel.genai_operations_mv TO otel.genai_operations AS
SELECT
    toStartOfFiveMinutes(toDateTime(Timestamp)) AS Time,
    ServiceName,
    SpanAttributes['gen_ai.operation.name'] AS Operation,
    SpanName,
    SpanAttributes['gen_ai.provider.name'] AS Provider,
    SpanAttributes['gen_ai.request.model'] AS Model,
    SpanAttributes['gen_ai.agent.name'] AS Agent,
    SpanAttributes['error.type'] AS ErrorType,
    count() AS Calls,
    sum(Duration) AS Nanoseconds,
    sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.input_tokens'])) AS InputTokens,
    sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.cache_read.input_tokens'])) AS CachedTokens,
    sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.output_tokens'])) AS OutputTokens,
    quantilesTDigestState(0.5, 0.95, 0.99)(Duration) AS Durations
FROM otel.genai_spans
WHERE SpanAttributes['gen_ai.operation.name'] != ''
GROUP BY Time, ServiceName, Operation, SpanName, Provider, Model, Agent, ErrorType;

-- Daily totals of each user: the table behind "who is slow" and "who costs what" over months.
CREATE TABLE IF NOT EXISTS otel.genai_users
(
    Day Date,
    ServiceName LowCardinality(String),
    User String,
    Model LowCardinality(String),
    Provider LowCardinality(String),
    Runs SimpleAggregateFunction(sum, UInt64),
    FailedRuns SimpleAggregateFunction(sum, UInt64),
    InputTokens SimpleAggregateFunction(sum, UInt64),
    CachedTokens SimpleAggregateFunction(sum, UInt64),
    OutputTokens SimpleAggregateFunction(sum, UInt64),
    Durations AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Day)
ORDER BY (ServiceName, User, Day, Provider, Model)
TTL Day + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Runs have the durations and no tokens, model calls the tokens and no durations: nothing counts twice.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.genai_users_mv TO otel.genai_users AS
SELECT
    toDate(Timestamp) AS Day,
    ServiceName,
    SpanAttributes['user.id'] AS User,
    SpanAttributes['gen_ai.request.model'] AS Model,
    SpanAttributes['gen_ai.provider.name'] AS Provider,
    countIf(Operation = 'invoke_agent') AS Runs,
    countIf(Operation = 'invoke_agent' AND SpanAttributes['error.type'] != '') AS FailedRuns,
    sumIf(toUInt64OrZero(SpanAttributes['gen_ai.usage.input_tokens']), Operation = 'chat') AS InputTokens,
    sumIf(toUInt64OrZero(SpanAttributes['gen_ai.usage.cache_read.input_tokens']), Operation = 'chat') AS CachedTokens,
    sumIf(toUInt64OrZero(SpanAttributes['gen_ai.usage.output_tokens']), Operation = 'chat') AS OutputTokens,
    quantilesTDigestStateIf(0.5, 0.95, 0.99)(Duration, Operation = 'invoke_agent') AS Durations
FROM (SELECT *, SpanAttributes['gen_ai.operation.name'] AS Operation FROM otel.genai_spans)
WHERE Operation IN ('invoke_agent', 'chat') AND SpanAttributes['user.id'] != ''
GROUP BY Day, ServiceName, User, Model, Provider;
