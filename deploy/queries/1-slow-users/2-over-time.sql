-- title: Duration of runs
-- panel: timeseries
-- unit: ms
-- about: From the five-minute totals, so that weeks load quickly. The quantiles are estimates (t-digest).
SELECT $__timeInterval(Time) AS time,
       quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[1] / 1e6 AS median,
       quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[2] / 1e6 AS p95,
       quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[3] / 1e6 AS p99
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'invoke_agent'
GROUP BY time
ORDER BY time
