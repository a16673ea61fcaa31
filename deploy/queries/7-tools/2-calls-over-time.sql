-- title: Tool calls
-- panel: timeseries
-- unit: short
-- about: By tool.
SELECT $__timeInterval(Time) AS time, SpanName AS tool, sum(Calls) AS calls
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'execute_tool'
GROUP BY time, tool
ORDER BY time
