-- title: Score by model
-- panel: table
-- unit: short
-- about: The score of a trace counts for the model of its run. A cheaper model with the same score is a saving.
SELECT model, count() AS ratings, round(avg(score), 3) AS mean_score, round(avg(ms)) AS mean_ms
FROM (
    SELECT TraceId, SpanAttributes['gen_ai.request.model'] AS model, Duration / 1e6 AS ms
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp) AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
) AS run
INNER JOIN (
    SELECT TraceId, avg(toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value'])) AS score
    FROM otel.otel_logs
    WHERE $__timeFilter(Timestamp) AND EventName = 'gen_ai.evaluation.result'
    GROUP BY TraceId
) AS feedback ON feedback.TraceId = run.TraceId
GROUP BY model
ORDER BY model
