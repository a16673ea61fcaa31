-- title: Errors by operation and type
-- panel: table
-- unit: short
-- about: An error is recorded on the span where it happened. `ended_runs` counts the errors that ended their run: an error of a tool is sent to the model and does not.
SELECT SpanName AS operation,
       SpanAttributes['error.type'] AS error,
       count() AS times,
       min(Timestamp) AS first,
       max(Timestamp) AS last,
       countIf(ParentSpanId IN (
           SELECT SpanId FROM otel.otel_traces
           WHERE $__timeFilter(Timestamp)
             AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
             AND SpanAttributes['error.type'] != ''
       )) AS ended_runs
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp)
  AND SpanAttributes['gen_ai.operation.name'] IN ('chat', 'execute_tool', 'retrieval', 'embeddings')
  AND SpanAttributes['error.type'] != ''
GROUP BY operation, error
ORDER BY times DESC, operation, error
