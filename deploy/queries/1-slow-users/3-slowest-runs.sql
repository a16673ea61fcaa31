-- title: Slowest runs
-- panel: table
-- unit: ms
-- about: Open the trace to see which call takes the time.
SELECT Timestamp AS time,
       TraceId AS trace,
       SpanAttributes['user.id'] AS user,
       SpanAttributes['gen_ai.agent.name'] AS agent,
       round(Duration / 1e6) AS ms,
       SpanAttributes['error.type'] AS error
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
ORDER BY Duration DESC
LIMIT 20
