-- title: Answers with a low score
-- panel: table
-- unit: short
-- about: Open the trace to read the conversation.
SELECT Timestamp AS time,
       TraceId AS trace,
       LogAttributes['gen_ai.evaluation.name'] AS evaluation,
       toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value']) AS score,
       LogAttributes['gen_ai.evaluation.explanation'] AS why
FROM otel.otel_logs
WHERE $__timeFilter(Timestamp)
  AND EventName = 'gen_ai.evaluation.result'
  AND toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value']) < 0.5
ORDER BY Timestamp DESC
LIMIT 50
