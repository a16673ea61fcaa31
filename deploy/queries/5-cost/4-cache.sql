-- title: Cached input
-- panel: timeseries
-- unit: percent
-- about: The share of the input tokens that the vendor read from its cache. A drop raises the cost.
SELECT $__timeInterval(Time) AS time,
       Model AS model,
       100 * sum(CachedTokens) / nullIf(sum(InputTokens), 0) AS cached_percent
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'chat'
GROUP BY time, model
ORDER BY time
