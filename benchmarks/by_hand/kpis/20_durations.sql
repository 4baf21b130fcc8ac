-- Waiting times and their Kaplan-Meier medians.

CREATE MACRO tier_rank(tier) AS
  CASE tier WHEN 'Strategic' THEN 0 WHEN 'Growth' THEN 1 WHEN 'Core' THEN 2 WHEN 'Long-Tail' THEN 3 END;

-- table: durations
CREATE TABLE durations AS
WITH waits AS (
  SELECT as_of, account_id, months_to_first_expansion IS NOT NULL AS has_happened,
    coalesce(round(months_to_first_expansion * (365.25 / 12))::BIGINT,
             greatest(coalesce(churned_on, as_of) - first_paid_on, 0))::BIGINT AS days
  FROM account_revenue SEMI JOIN asked USING (as_of) WHERE first_paid_on IS NOT NULL
), quarters AS (
  SELECT as_of, months_ago(as_of, (3 * (q + 1))::INTEGER) AS start, months_ago(as_of, (3 * q)::INTEGER) AS end_
  FROM asked, range(policy('migration.lag_quarters')) r(q)
), falls AS (
  SELECT q.as_of, after.account_id, min(if(after.tier_since > start AND after.tier_since <= end_, after.tier_since, end_))
    AS fell_on
  FROM quarters q JOIN segments after ON after.as_of = q.end_
  JOIN segments before ON before.as_of = q.start AND before.account_id = after.account_id
  WHERE tier_rank(after.coverage_tier) > tier_rank(before.coverage_tier) GROUP BY ALL
), curves AS (
  SELECT as_of, 'first_expansion' AS duration, 'company' AS grouping, 'company' AS member, 0 AS window_months, days,
    has_happened FROM waits
  UNION ALL
  SELECT as_of, 'first_expansion', g.grouping, g.member, window_months, days, has_happened
  FROM account_periods JOIN waits USING (as_of, account_id),
    LATERAL (VALUES ('coverage_tier', start_tier), ('segment', start_segment)) g(grouping, member)
  WHERE g.member IS NOT NULL
  UNION ALL
  SELECT as_of, 'downgrade_to_churn', 'company', 'company', 0, coalesce(churned_on, as_of) - fell_on,
    churned_on IS NOT NULL
  FROM falls JOIN account_revenue USING (as_of, account_id) WHERE churned_on IS NULL OR churned_on >= fell_on
)
SELECT *, count(*) AS accounts FROM curves GROUP BY ALL;
COPY durations TO 'published/durations' (FORMAT parquet, PARTITION_BY (as_of));

-- table: median_durations
-- The normal quantile of 0.95 both ways; SQL has none.
CREATE TABLE median_durations AS
WITH days AS (
  SELECT as_of, duration, grouping, member, window_months, days, sum(accounts) AS gone,
    coalesce(sum(accounts) FILTER (has_happened), 0) AS happened
  FROM durations GROUP BY ALL
), at_risk AS (
  SELECT *, sum(gone) OVER (PARTITION BY as_of, duration, grouping, member, window_months ORDER BY days DESC) AS n
  FROM days
), steps AS (
  SELECT *,
    exp(sum(CASE WHEN happened < n THEN ln(1 - happened / n) ELSE -1e9 END) OVER so_far) AS waiting,
    sum(CASE WHEN happened < n THEN happened / (n * (n - happened)) END) OVER so_far AS variance
  FROM at_risk
  WINDOW so_far AS (PARTITION BY as_of, duration, grouping, member, window_months ORDER BY days)
), limits AS (
  SELECT *, 1.959963984540054 * sqrt(variance) / nullif(ln(if(waiting > 0, waiting, 1)), 0) AS spread,
    if(waiting > 0, coalesce(waiting ** exp(-spread), 1), 0) AS low,
    if(waiting > 0, coalesce(waiting ** exp(spread), 1), 0) AS high
  FROM steps
)
SELECT as_of, duration, grouping, member, window_months,
  min(days) FILTER (round(waiting, 12) <= 0.5) / (365.25 / 12) AS median_months,
  min(days) FILTER (round(low, 12) <= 0.5) / (365.25 / 12) AS low_months,
  min(days) FILTER (round(high, 12) <= 0.5) / (365.25 / 12) AS high_months,
  if(max(days) >= 183 OR min(waiting) = 0, round(1 - coalesce(arg_max(waiting, days) FILTER (days <= 183), 1), 12), NULL) AS share_2q,
  if(max(days) >= 183 OR min(waiting) = 0, round(1 - coalesce(arg_max(high, days) FILTER (days <= 183), 1), 12), NULL) AS share_2q_low,
  if(max(days) >= 183 OR min(waiting) = 0, round(1 - coalesce(arg_max(low, days) FILTER (days <= 183), 1), 12), NULL) AS share_2q_high,
  if(max(days) >= 274 OR min(waiting) = 0, round(1 - coalesce(arg_max(waiting, days) FILTER (days <= 274), 1), 12), NULL) AS share_3q,
  if(max(days) >= 274 OR min(waiting) = 0, round(1 - coalesce(arg_max(high, days) FILTER (days <= 274), 1), 12), NULL) AS share_3q_low,
  if(max(days) >= 274 OR min(waiting) = 0, round(1 - coalesce(arg_max(low, days) FILTER (days <= 274), 1), 12), NULL) AS share_3q_high,
  sum(gone) AS accounts, sum(happened) AS happened
FROM limits GROUP BY ALL;
COPY median_durations TO 'published/median_durations' (FORMAT parquet, PARTITION_BY (as_of));
