-- title: Errors over time
-- panel: timeseries
-- unit: short
-- about: From the five-minute totals, by operation and type.
SELECT $__timeInterval(Time) AS time,
       concat(SpanName, ' ', ErrorType) AS error,
       sum(Calls) AS times
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND ErrorType != '' AND Operation != 'invoke_agent'
GROUP BY time, error
ORDER BY time
