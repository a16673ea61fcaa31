-- title: 95th percentile of each operation
-- panel: timeseries
-- unit: ms
-- about: From the five-minute totals.
SELECT $__timeInterval(Time) AS time,
       SpanName AS operation,
       quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[2] / 1e6 AS p95
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation IN ('chat', 'execute_tool', 'retrieval', 'embeddings')
GROUP BY time, operation
ORDER BY time
