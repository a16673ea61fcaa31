-- title: Latest failed runs
-- panel: table
-- unit: short
-- about: Open the trace to see the failed call.
SELECT Timestamp AS time,
       TraceId AS trace,
       SpanAttributes['error.type'] AS error,
       SpanAttributes['user.id'] AS user,
       SpanAttributes['gen_ai.request.model'] AS model
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp)
  AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
  AND SpanAttributes['error.type'] != ''
ORDER BY Timestamp DESC
LIMIT 50
