-- title: Tools
-- panel: table
-- unit: short
-- about: Calls, failures and duration of each tool.
SELECT SpanName AS tool,
       sum(Calls) AS calls,
       round(100 * sumIf(Calls, ErrorType != '') / sum(Calls), 1) AS failed_percent,
       round(quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[1] / 1e6) AS median_ms,
       round(quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[2] / 1e6) AS p95_ms
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'execute_tool'
GROUP BY tool
ORDER BY calls DESC, tool
