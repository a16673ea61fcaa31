-- title: Agents that call agents
-- panel: table
-- unit: ms
-- about: An agent that is a tool of another one is invoked inside the span of a tool call.
SELECT caller.agent AS caller, callee.agent AS callee, count() AS calls, round(quantile(0.5)(callee.Duration) / 1e6) AS median_ms
FROM (
    SELECT TraceId, ParentSpanId, Duration, SpanAttributes['gen_ai.agent.name'] AS agent
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp) AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent' AND ParentSpanId != ''
) AS callee
INNER JOIN (
    SELECT TraceId, SpanId, ParentSpanId
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp) AND SpanAttributes['gen_ai.operation.name'] = 'execute_tool'
) AS tool ON tool.TraceId = callee.TraceId AND tool.SpanId = callee.ParentSpanId
INNER JOIN (
    SELECT TraceId, SpanId, SpanAttributes['gen_ai.agent.name'] AS agent
    FROM otel.otel_traces
    WHERE $__timeFilter(Timestamp) AND SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
) AS caller ON caller.TraceId = tool.TraceId AND caller.SpanId = tool.ParentSpanId
GROUP BY caller, callee
ORDER BY calls DESC
