-- title: Cost by model
-- panel: table
-- unit: currencyUSD
-- about: Uses the prices in `otel.genai_prices`. Tokens of a model without a price are counted in `unpriced_tokens`.
SELECT call.Provider AS provider,
       call.Model AS model,
       sum(InputTokens) AS input,
       sum(CachedTokens) AS cached,
       sum(OutputTokens) AS output,
       round(sum(((InputTokens - CachedTokens) * price.Input + CachedTokens * price.CachedInput
                  + OutputTokens * price.Output) / 1e6), 4) AS cost,
       sumIf(InputTokens + OutputTokens, price.Model = '') AS unpriced_tokens
FROM otel.genai_operations AS call
ASOF LEFT JOIN (SELECT * FROM otel.genai_prices FINAL) AS price
    ON price.Provider = call.Provider AND price.Model = call.Model AND call.Time >= price.ValidFrom
WHERE $__timeFilter(call.Time) AND call.Operation = 'chat'
GROUP BY provider, model
ORDER BY cost DESC, model
