-- title: Model and tool calls by total time
-- panel: table
-- unit: ms
-- about: From the five-minute totals, which count every call. The share is of the duration of all runs; calls that run at the same time can add up to more than 100 %.
SELECT SpanName AS operation,
       sum(Calls) AS calls,
       round(100 * sum(Nanoseconds) / (
           SELECT sum(Nanoseconds) FROM otel.genai_operations
           WHERE $__timeFilter(Time) AND Operation = 'invoke_agent'
       )) AS share_percent,
       round(quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[1] / 1e6) AS median_ms,
       round(quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[2] / 1e6) AS p95_ms
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation IN ('chat', 'execute_tool', 'retrieval', 'embeddings')
GROUP BY operation
ORDER BY sum(Nanoseconds) DESC
