-- title: Errors of tools
-- panel: table
-- unit: short
-- about: The type is that of the error that the tool returned; `invalid_arguments` are calls that do not fit the tool's schema.
SELECT SpanName AS tool, ErrorType AS error, sum(Calls) AS times
FROM otel.genai_operations
WHERE $__timeFilter(Time) AND Operation = 'execute_tool' AND ErrorType != ''
GROUP BY tool, error
ORDER BY times DESC
