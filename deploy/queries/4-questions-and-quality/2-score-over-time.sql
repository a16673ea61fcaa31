-- title: Mean score
-- panel: timeseries
-- unit: short
-- about: By the name of the evaluation: the feedback of people and the scores of evaluators.
SELECT $__timeInterval(Timestamp) AS time,
       LogAttributes['gen_ai.evaluation.name'] AS evaluation,
       avg(toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value'])) AS score
FROM otel.otel_logs
WHERE $__timeFilter(Timestamp) AND EventName = 'gen_ai.evaluation.result'
GROUP BY time, evaluation
ORDER BY time
