-- title: Cost over time
-- panel: timeseries
-- unit: currencyUSD
-- about: By model.
SELECT $__timeInterval(call.Time) AS time,
       call.Model AS model,
       sum(((InputTokens - CachedTokens) * price.Input + CachedTokens * price.CachedInput
            + OutputTokens * price.Output) / 1e6) AS cost
FROM otel.genai_operations AS call
ASOF LEFT JOIN (SELECT * FROM otel.genai_prices FINAL) AS price
    ON price.Provider = call.Provider AND price.Model = call.Model AND call.Time >= price.ValidFrom
WHERE $__timeFilter(call.Time) AND call.Operation = 'chat'
GROUP BY time, model
ORDER BY time
