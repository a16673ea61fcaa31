-- title: Failed runs
-- panel: timeseries
-- unit: percent
-- about: The share of runs that ended with an error.
SELECT $__timeInterval(Time) AS time,
       100 * sumIf(Calls, ErrorType != '') / sum(Calls) AS failed_percent
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'invoke_agent'
GROUP BY time
ORDER BY time
