-- title: Cost by user
-- panel: table
-- unit: currencyUSD
-- about: From the daily totals of each user.
SELECT call.User AS user,
       sum(Runs) AS runs,
       sum(InputTokens) AS input,
       sum(OutputTokens) AS output,
       round(sum(((InputTokens - CachedTokens) * price.Input + CachedTokens * price.CachedInput
                  + OutputTokens * price.Output) / 1e6), 4) AS cost
FROM otel.genai_users AS call
ASOF LEFT JOIN (SELECT * FROM otel.genai_prices FINAL) AS price
    ON price.Provider = call.Provider AND price.Model = call.Model AND toDateTime(call.Day) >= price.ValidFrom
WHERE $__timeFilter(call.Day)
GROUP BY user
ORDER BY cost DESC, user
LIMIT 50
