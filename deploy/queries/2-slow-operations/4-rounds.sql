-- title: Model calls per run
-- panel: table
-- unit: short
-- about: Runs with many model calls are slow and expensive: the model calls tools one after another, or does not finish.
SELECT calls, count() AS runs, round(quantile(0.5)(duration) / 1e6) AS median_ms
FROM (
    SELECT TraceId,
           countIf(SpanAttributes['gen_ai.operation.name'] = 'chat') AS calls,
           maxIf(Duration, SpanAttributes['gen_ai.operation.name'] = 'invoke_agent') AS duration
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp)
    GROUP BY TraceId
)
WHERE duration > 0
GROUP BY calls
ORDER BY calls
