-- title: What people ask, and how they rate the answers
-- panel: table
-- unit: short
-- about: Needs content capture for the prompts, and feedback events for the ratings. The question is the first user message of the run.
SELECT question, count() AS runs, countIf(score IS NOT NULL) AS ratings, round(avg(score), 2) AS mean_score
FROM (
    SELECT TraceId,
           arrayFirst(message -> JSONExtractString(message, 'role') = 'user',
                      JSONExtractArrayRaw(SpanAttributes['gen_ai.input.messages'])) AS message,
           JSONExtractString(message, 'parts', 1, 'content') AS question
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp)
      AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
      AND SpanAttributes['gen_ai.input.messages'] != ''
) AS run
LEFT JOIN (
    SELECT TraceId, avg(toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value'])) AS score
    FROM otel.otel_logs
    WHERE $__timeFilter(Timestamp) AND EventName = 'gen_ai.evaluation.result'
    GROUP BY TraceId
) AS feedback ON feedback.TraceId = run.TraceId
GROUP BY question
ORDER BY runs DESC
LIMIT 50
SETTINGS join_use_nulls = 1
