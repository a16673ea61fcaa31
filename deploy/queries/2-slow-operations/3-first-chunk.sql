-- title: Time to the first chunk beside the total duration
-- panel: table
-- unit: s
-- about: A model that starts late is busy or thinks; a model that ends late writes much.
SELECT SpanAttributes['gen_ai.request.model'] AS model,
       count() AS calls,
       round(quantile(0.5)(toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk'])), 3) AS first_chunk_median_s,
       round(quantile(0.95)(toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk'])), 3) AS first_chunk_p95_s,
       round(quantile(0.95)(Duration) / 1e9, 3) AS total_p95_s
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND SpanAttributes['gen_ai.operation.name'] = 'chat'
GROUP BY model
ORDER BY model
