-- title: Agents
-- panel: table
-- unit: short
-- about: Runs, failures, duration and tokens of each agent.
SELECT Agent AS agent,
       sumIf(Calls, Operation = 'invoke_agent') AS runs,
       round(100 * sumIf(Calls, Operation = 'invoke_agent' AND ErrorType != '')
             / nullIf(sumIf(Calls, Operation = 'invoke_agent'), 0), 1) AS failed_percent,
       round(quantilesTDigestMergeIf(0.5, 0.95, 0.99)(Durations, Operation = 'invoke_agent')[2] / 1e6) AS p95_ms,
       sumIf(Calls, Operation = 'chat') AS model_calls,
       sumIf(Calls, Operation = 'execute_tool') AS tool_calls,
       sumIf(InputTokens + OutputTokens, Operation = 'chat') AS tokens
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Agent != ''
GROUP BY agent
ORDER BY runs DESC
