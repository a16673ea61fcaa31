-- title: Users by duration of their runs
-- panel: table
-- unit: ms
-- about: A run is one prompt with all its model and tool calls. From the daily totals, which count every run. Sort by another column to find users with many runs.
SELECT User AS user,
       sum(Runs) AS runs,
       round(quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[1] / 1e6) AS median_ms,
       round(quantilesTDigestMerge(0.5, 0.95, 0.99)(Durations)[2] / 1e6) AS p95_ms
FROM otel.genai_users
WHERE $__timeFilter(Day)
GROUP BY user
ORDER BY p95_ms DESC, user
LIMIT 50
