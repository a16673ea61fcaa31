-- title: Runs
-- panel: timeseries
-- unit: short
-- about: By agent.
SELECT $__timeInterval(Time) AS time, Agent AS agent, sum(Calls) AS runs
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'invoke_agent'
GROUP BY time, agent
ORDER BY time
