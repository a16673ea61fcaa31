-- title: Operations of the slowest users beside all others
-- panel: table
-- unit: ms
-- about: The users whose 95th percentile is among the highest tenth. An operation with a large difference is the cause.
WITH users AS (
    SELECT SpanAttributes['user.id'] AS user, quantile(0.95)(Duration) AS p95
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp)
      AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
      AND SpanAttributes['user.id'] != ''
    GROUP BY user
),
slow AS (
    SELECT user FROM users WHERE p95 >= (SELECT quantile(0.9)(p95) FROM users)
)
SELECT SpanName AS operation,
       round(quantileIf(0.5)(Duration, SpanAttributes['user.id'] IN slow) / 1e6) AS slow_users_ms,
       round(quantileIf(0.5)(Duration, SpanAttributes['user.id'] NOT IN slow) / 1e6) AS others_ms
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp)
  AND SpanAttributes['gen_ai.operation.name'] IN ('chat', 'execute_tool', 'retrieval', 'embeddings')
GROUP BY operation
ORDER BY slow_users_ms - others_ms DESC
