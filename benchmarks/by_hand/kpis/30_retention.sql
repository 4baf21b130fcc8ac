-- KPIs of the company, of tiers and of segments, made in one pass over the three groupings.

-- table: sales_efficiency
-- Spend of a span counts by its days in each known month; spans that months do not cover have none.
CREATE TABLE spend_spans AS
SELECT as_of, window_months, starts_on, as_of AS ends_on FROM windows
UNION ALL SELECT as_of, 0, months_ago(as_of, 6), months_ago(as_of, 3) FROM asked;
CREATE TABLE spend AS
WITH months AS (
  SELECT s.*, g.month, (g.month + INTERVAL 1 MONTH)::DATE AS following, g.segment, g.amount * CASE
      WHEN s.window_months = 0 THEN r3.rate_then ELSE r.rate_then END AS amount
  FROM gtm_spend g JOIN spend_spans s ON s.as_of >= g.known_from AND s.as_of < g.known_to
  LEFT JOIN rates r ON r.as_of = s.as_of AND r.window_months = s.window_months AND r.currency = g.currency
  LEFT JOIN rates r3 ON r3.as_of = s.as_of AND r3.window_months = 3 AND r3.currency = g.currency
), parts AS (
  SELECT *, amount * greatest(least(following, ends_on + 1) - greatest(month, starts_on + 1), 0)
    / (following - month) AS spent,
    min(month) OVER span <= any_value(starts_on) OVER span + 1 AND max(following) OVER span > ends_on AS is_covered
  FROM months WINDOW span AS (PARTITION BY as_of, window_months)
)
SELECT as_of, window_months, segment, sum(spent) AS spend FROM parts WHERE is_covered GROUP BY ALL;
CREATE TABLE sales_efficiency AS
WITH ends AS (
  SELECT as_of, back, months_ago(as_of, back::INTEGER) AS month_end FROM asked, range(6) r(back)
), revenue AS (
  SELECT ends.as_of,
    cents(coalesce(sum(mrr * rate_then) FILTER (back < 3), 0)) AS revenue_3m,
    cents(coalesce(sum(mrr * rate_then) FILTER (back >= 3), 0)) AS revenue_prior_3m,
    cents(coalesce(sum(mrr * rate_then) FILTER (back = 5), 0)) AS first_month
  FROM ends LEFT JOIN (paid JOIN rates USING (as_of, currency)) p
    ON p.as_of = ends.as_of AND p.window_months = 3 AND start_date <= month_end
      AND (over_on IS NULL OR over_on > month_end)
  GROUP BY ends.as_of
), prior AS (SELECT as_of, cents(sum(spend)) AS spend FROM spend WHERE window_months = 0 GROUP BY ALL)
SELECT as_of, revenue_3m, revenue_prior_3m, spend AS spend_prior_3m,
  if(first_month > 0, (revenue_3m - revenue_prior_3m) * 4 / nullif(spend, 0), NULL) AS magic_number
FROM revenue LEFT JOIN prior USING (as_of);
COPY sales_efficiency TO 'published/sales_efficiency' (FORMAT parquet, PARTITION_BY (as_of));

-- table: tier_kpis
CREATE TABLE figures AS
WITH members AS (
  SELECT w.*, grouping, member FROM windows w, (
    SELECT 'company' AS grouping, 'company' AS member
    UNION ALL SELECT 'coverage_tier', unnest(['Strategic', 'Growth', 'Core', 'Long-Tail', 'unassigned'])
    UNION ALL SELECT 'segment', unnest(['Strategic', 'Growth', 'Efficient', 'At-Risk', 'Long-Tail', 'unassigned']))
), ends AS (
  SELECT p.*, g.grouping, g.came_from, g.went_to FROM account_periods p, LATERAL (VALUES
    ('company', if(start_arr > 0, 'company', NULL), if(end_arr > 0, 'company', NULL)),
    ('coverage_tier', start_tier, end_tier), ('segment', start_segment, end_segment)) g(grouping, came_from, went_to)
), cohort AS (
  SELECT as_of, window_months, grouping, came_from AS member, count(*) AS start_accounts,
    count(*) FILTER (end_arr > 0) AS retained_accounts, count(*) FILTER (expansion_arr > 0) AS risen_accounts,
    count(*) FILTER (end_arr > start_arr AND expansion_volume_arr + expansion_product_arr > 0) AS expanded_accounts,
    count(*) FILTER (contraction_arr > 0) AS contracted_accounts, count(*) FILTER (end_arr = 0) AS churned_accounts,
    count(*) FILTER (went_to <> came_from) AS migrated_out_accounts,
    cents(sum(end_arr - resumed_arr) FILTER (went_to <> came_from)) AS migrated_out_arr,
    cents(sum(end_arr - resumed_arr)) AS cohort_end_arr,
    cents(sum(start_arr)) AS start_arr, cents(sum(retained_arr)) AS retained_arr,
    count(*) FILTER (renewal_on <= as_of) AS renewal_accounts,
    cents(sum(start_arr) FILTER (renewal_on <= as_of)) AS renewal_start_arr,
    cents(sum(retained_arr) FILTER (renewal_on <= as_of)) AS renewal_retained_arr,
    cents(sum(expansion_arr)) AS expansion_arr, cents(sum(expansion_volume_arr)) AS expansion_volume_arr,
    cents(sum(expansion_product_arr)) AS expansion_product_arr,
    cents(sum(expansion_price_arr)) AS expansion_price_arr, cents(sum(contraction_arr)) AS contraction_arr,
    cents(sum(churned_arr)) AS churned_arr
  FROM ends WHERE came_from IS NOT NULL GROUP BY ALL
), arrivals AS (
  SELECT as_of, window_months, grouping, went_to AS member, count(*) FILTER (new_arr > 0) AS new_accounts,
    count(*) FILTER (reactivated_arr > 0 AND start_arr = 0) AS reactivated_accounts,
    count(*) FILTER (came_from <> went_to) AS migrated_in_accounts,
    cents(sum(end_arr - resumed_arr) FILTER (came_from <> went_to)) AS migrated_in_arr, cents(sum(new_arr)) AS new_arr,
    cents(sum(reactivated_arr)) AS reactivated_arr, cents(sum(fx_arr)) AS fx_arr,
    cents(sum(end_arr_current)) AS end_arr, cents(sum(end_arr)) AS end_arr_at_start_rates
  FROM ends WHERE went_to IS NOT NULL GROUP BY ALL
), live AS (
  SELECT s.*, g.grouping, g.member FROM account_standings s, LATERAL (VALUES
    ('company', 'company'), ('coverage_tier', coverage_tier), ('segment', segment)) g(grouping, member)
), state AS (
  SELECT as_of, grouping, member, count(*) AS accounts, cents(sum(arr)) AS arr, count(health_score) AS health_accounts,
    count(*) FILTER (health_score >= policy('health_bands.healthy_from')) AS healthy_accounts,
    count(*) FILTER (health_score < policy('health_bands.watch_from')) AS risk_accounts,
    cents(sum(cost_to_serve)) AS cost_to_serve, sum(arr) FILTER (cost_to_serve IS NOT NULL) AS costed_arr,
    cents(sum(gross_margin) FILTER (cost_to_serve IS NOT NULL)) AS gross_margin,
    sum(arr) FILTER (gross_margin IS NOT NULL AND cost_to_serve IS NOT NULL) AS margin_arr,
    cents(sum(expansion_pipeline)) AS expansion_pipeline
  FROM live GROUP BY ALL
), load AS (
  SELECT w.as_of, w.window_months, g.grouping, coalesce(went_to, came_from, if(g.grouping = 'company', 'company',
    'unassigned')) AS member, sum(tickets) AS tickets,
    sum(self_service_sessions) AS self_service_sessions, sum(csm_hours) AS csm_hours,
    sum(rostered_csm_hours) AS rostered, sum(productive_hours) AS productive
  FROM account_workloads w CROSS JOIN (SELECT DISTINCT grouping FROM members) g
  LEFT JOIN ends e ON e.as_of = w.as_of AND e.window_months = w.window_months AND e.account_id = w.account_id
    AND e.grouping = g.grouping
  GROUP BY ALL
), waits AS (
  SELECT as_of, w.window_months, grouping, member, median_months, low_months, high_months, accounts AS waiting_accounts
  FROM median_durations d JOIN windows w USING (as_of)
  WHERE duration = 'first_expansion' AND (grouping = 'company' OR w.window_months = d.window_months)
), zeros AS (
  SELECT * REPLACE (
    coalesce(start_accounts, 0) AS start_accounts, coalesce(retained_accounts, 0) AS retained_accounts,
    coalesce(expanded_accounts, 0) AS expanded_accounts, coalesce(risen_accounts, 0) AS risen_accounts,
    coalesce(expansion_volume_arr, 0) AS expansion_volume_arr, coalesce(expansion_price_arr, 0) AS expansion_price_arr,
    coalesce(expansion_product_arr, 0) AS expansion_product_arr, coalesce(contracted_accounts, 0) AS contracted_accounts,
    coalesce(churned_accounts, 0) AS churned_accounts, coalesce(migrated_out_accounts, 0) AS migrated_out_accounts,
    coalesce(new_accounts, 0) AS new_accounts, coalesce(reactivated_accounts, 0) AS reactivated_accounts,
    coalesce(migrated_in_accounts, 0) AS migrated_in_accounts, coalesce(accounts, 0) AS accounts,
    coalesce(health_accounts, 0) AS health_accounts, coalesce(healthy_accounts, 0) AS healthy_accounts,
    coalesce(risk_accounts, 0) AS risk_accounts, coalesce(waiting_accounts, 0) AS waiting_accounts,
    coalesce(start_arr, 0) AS start_arr, coalesce(retained_arr, 0) AS retained_arr,
    coalesce(renewal_accounts, 0) AS renewal_accounts, coalesce(renewal_start_arr, 0) AS renewal_start_arr,
    coalesce(renewal_retained_arr, 0) AS renewal_retained_arr,
    coalesce(expansion_arr, 0) AS expansion_arr, coalesce(contraction_arr, 0) AS contraction_arr,
    coalesce(churned_arr, 0) AS churned_arr, coalesce(cohort_end_arr, 0) AS cohort_end_arr,
    coalesce(migrated_out_arr, 0) AS migrated_out_arr, coalesce(migrated_in_arr, 0) AS migrated_in_arr,
    coalesce(new_arr, 0) AS new_arr, coalesce(reactivated_arr, 0) AS reactivated_arr, coalesce(fx_arr, 0) AS fx_arr,
    coalesce(end_arr, 0) AS end_arr, coalesce(end_arr_at_start_rates, 0) AS end_arr_at_start_rates,
    coalesce(arr, 0) AS arr, coalesce(tickets, if(count(tickets) OVER everywhere > 0, 0, NULL)) AS tickets,
    coalesce(self_service_sessions, if(count(self_service_sessions) OVER everywhere > 0, 0, NULL)) AS self_service_sessions,
    coalesce(csm_hours, if(count(csm_hours) OVER everywhere > 0, 0, NULL)) AS csm_hours,
    coalesce(rostered, if(count(rostered) OVER everywhere > 0, 0, NULL)) AS rostered,
    coalesce(productive, if(count(productive) OVER everywhere > 0, 0, NULL)) AS productive
  )
  FROM members LEFT JOIN cohort USING (as_of, window_months, grouping, member)
  LEFT JOIN arrivals USING (as_of, window_months, grouping, member) LEFT JOIN state USING (as_of, grouping, member)
  LEFT JOIN load USING (as_of, window_months, grouping, member)
  LEFT JOIN waits USING (as_of, window_months, grouping, member)
  WINDOW everywhere AS (PARTITION BY as_of, window_months, grouping)
)
SELECT *, start_accounts < policy('retention.low_n') AS nrr_low_n, nrr_low_n AS grr_low_n,
  nrr_low_n AS logo_retention_low_n, nrr_low_n AS expansion_rate_low_n,
  waiting_accounts < policy('retention.low_n') AS time_to_first_expansion_low_n,
  health_accounts < policy('retention.low_n') AS health_low_n,
  median_months AS time_to_first_expansion_months, low_months AS time_to_first_expansion_low,
  high_months AS time_to_first_expansion_high, waiting_accounts AS time_to_first_expansion_accounts,
  sum(start_arr) OVER everywhere = 0 AS no_history,
  CASE WHEN no_history THEN 'no_history' WHEN start_accounts = 0 THEN 'no_accounts_at_start' END AS reason,
  arr / nullif(sum(arr) OVER everywhere, 0) AS arr_share,
  cohort_end_arr / nullif(start_arr, 0) AS nrr, retained_arr / nullif(start_arr, 0) AS grr,
  renewal_retained_arr / nullif(renewal_start_arr, 0) AS renewal_grr,
  renewal_accounts < policy('retention.low_n') AS renewal_grr_low_n,
  retained_accounts / nullif(start_accounts, 0) AS logo_retention,
  expanded_accounts / nullif(start_accounts, 0) AS expansion_rate,
  risen_accounts / nullif(start_accounts, 0) AS expansion_rate_with_price,
  if(no_history, NULL, (new_arr + expansion_arr + reactivated_arr) / nullif(contraction_arr + churned_arr, 0))
    AS quick_ratio,
  if(no_history, NULL, expansion_arr / nullif(new_arr + expansion_arr, 0)) AS expansion_share,
  end_arr_at_start_rates / nullif(start_arr, 0) - 1 AS arr_growth,
  (end_arr_at_start_rates - migrated_in_arr + migrated_out_arr) / nullif(start_arr, 0) - 1
    AS arr_growth_without_migration,
  healthy_accounts / nullif(health_accounts, 0) AS healthy_share,
  (health_accounts - healthy_accounts - risk_accounts) / nullif(health_accounts, 0) AS watch_share,
  risk_accounts / nullif(health_accounts, 0) AS risk_share,
  cost_to_serve / nullif(costed_arr, 0) AS cost_share_of_arr, gross_margin / nullif(margin_arr, 0)
    AS gross_margin_share,
  self_service_sessions / nullif(self_service_sessions + tickets, 0) AS self_service_ratio,
  rostered / nullif(productive, 0) AS utilisation,
  window_months = policy('benchmarks.window_months') AS is_year,
  if(is_year, policy('benchmarks.nrr.low'), NULL) AS nrr_benchmark_low,
  if(is_year, policy('benchmarks.nrr.high'), NULL) AS nrr_benchmark_high,
  CASE WHEN NOT is_year OR nrr IS NULL THEN NULL
       WHEN round(nrr, 9) >= policy('benchmarks.nrr_elite.low') THEN 'elite'
       WHEN round(nrr, 9) >= policy('benchmarks.nrr_top_quartile.low') THEN 'top_quartile'
       WHEN round(nrr, 9) > policy('benchmarks.nrr.high') THEN 'above_median'
       WHEN round(nrr, 9) >= policy('benchmarks.nrr.low') THEN 'median' ELSE 'below_median' END AS nrr_position,
  policy('benchmarks.expansion_share.low') AS expansion_share_benchmark_low,
  policy('benchmarks.expansion_share_top.low') AS expansion_share_benchmark_high,
  if(is_year, policy('benchmarks.arr_growth.low'), NULL) AS arr_growth_benchmark_low,
  if(is_year, policy('benchmarks.arr_growth.high'), NULL) AS arr_growth_benchmark_high,
  CASE WHEN grouping = 'coverage_tier' AND window_months = policy('targets.window_months') THEN CASE member
    WHEN 'Strategic' THEN policy('targets.nrr.Strategic.low') WHEN 'Growth' THEN policy('targets.nrr.Growth.low')
    WHEN 'Core' THEN policy('targets.nrr.Core.low') END END AS nrr_target,
  CASE WHEN grouping = 'coverage_tier' AND window_months = policy('targets.window_months') THEN CASE member
    WHEN 'Strategic' THEN policy('targets.nrr.Strategic.high') WHEN 'Growth' THEN policy('targets.nrr.Growth.high')
    WHEN 'Core' THEN policy('targets.nrr.Core.high') END END AS nrr_target_high,
  CASE WHEN grouping = 'coverage_tier' AND window_months = policy('targets.window_months') THEN CASE member
    WHEN 'Strategic' THEN policy('targets.grr.Strategic.low') WHEN 'Growth' THEN policy('targets.grr.Growth.low')
    WHEN 'Core' THEN policy('targets.grr.Core.low') END END AS grr_target,
  CASE WHEN nrr_target IS NULL THEN 'no_target' WHEN nrr IS NULL THEN 'unknown'
       WHEN start_accounts < policy('retention.low_n') THEN 'too_few'
       WHEN round(nrr, 9) >= nrr_target THEN 'met' ELSE 'missed' END AS nrr_status,
  CASE WHEN grr_target IS NULL THEN 'no_target' WHEN grr IS NULL THEN 'unknown'
       WHEN start_accounts < policy('retention.low_n') THEN 'too_few'
       WHEN round(grr, 9) >= grr_target THEN 'met' ELSE 'missed' END AS grr_status
FROM zeros WINDOW everywhere AS (PARTITION BY as_of, window_months, grouping);
CREATE TABLE tier_kpis AS SELECT *, member AS coverage_tier FROM figures WHERE grouping = 'coverage_tier';
COPY tier_kpis TO 'published/tier_kpis' (FORMAT parquet, PARTITION_BY (as_of));

-- table: segment_kpis
CREATE MACRO payback(gained, margin_share) AS
  gtm_spend / nullif(gained * if(margin_share > 0, margin_share, NULL) / 12, 0);
CREATE TABLE segment_kpis AS
WITH shared AS (
  SELECT as_of, window_months, coalesce(sum(spend) FILTER (segment IS NULL OR segment NOT IN
    ('Strategic', 'Growth', 'Efficient', 'At-Risk', 'Long-Tail')), 0) AS shared
  FROM spend GROUP BY ALL
), spent AS (
  SELECT f.*, member AS segment, cents(coalesce(s.spend, 0) + shared * coalesce((new_arr + expansion_arr)
    / nullif(sum(new_arr + expansion_arr) OVER (PARTITION BY as_of, window_months), 0), 0)) AS gtm_spend
  FROM figures f LEFT JOIN shared USING (as_of, window_months)
  LEFT JOIN spend s ON s.as_of = f.as_of AND s.window_months = f.window_months AND s.segment = f.member
  WHERE grouping = 'segment'
)
SELECT *, if(no_history, NULL, payback(new_arr, gross_margin_share)) AS cac_payback_months,
  if(no_history, NULL, payback(new_arr + expansion_arr, gross_margin_share)) AS cac_payback_blended_months
FROM spent;
COPY segment_kpis TO 'published/segment_kpis' (FORMAT parquet, PARTITION_BY (as_of));

-- table: company_kpis
COPY (
  WITH total AS (SELECT as_of, window_months, cents(sum(spend)) AS gtm_spend FROM spend GROUP BY ALL),
  busy AS (
    SELECT as_of, window_months, hours / nullif(available, 0) AS busy
    FROM (SELECT as_of, window_months, sum(rostered_csm_hours) AS hours FROM account_workloads GROUP BY ALL)
    JOIN (SELECT as_of, window_months, sum(hours_available) AS available FROM productive GROUP BY ALL)
      USING (as_of, window_months)
  ), tiers AS (
    SELECT as_of, window_months, sum(accounts) AS tiers_accounts, sum(start_arr) AS tiers_start_arr,
      sum(new_arr) AS tiers_new_arr, sum(expansion_arr) AS tiers_expansion_arr,
      sum(contraction_arr) AS tiers_contraction_arr, sum(churned_arr) AS tiers_churned_arr,
      sum(reactivated_arr) AS tiers_reactivated_arr, sum(migrated_in_arr) AS tiers_migrated_in_arr,
      sum(migrated_out_arr) AS tiers_migrated_out_arr, sum(fx_arr) AS tiers_fx_arr, sum(end_arr) AS tiers_end_arr,
      sum(nrr * start_arr) / nullif(sum(start_arr), 0) AS tiers_nrr,
      sum(grr * start_arr) / nullif(sum(start_arr), 0) AS tiers_grr
    FROM tier_kpis GROUP BY ALL
  ), segment_sums AS (
    SELECT as_of, window_months, sum(start_arr) AS segments_start_arr, sum(end_arr) AS segments_end_arr,
      sum(nrr * start_arr) / nullif(sum(start_arr), 0) AS segments_nrr
    FROM segment_kpis GROUP BY ALL
  )
  SELECT f.* REPLACE (busy AS utilisation), gtm_spend, magic_number, tiers.* EXCLUDE (as_of, window_months),
    segments_start_arr, segments_end_arr, segments_nrr, 1 - logo_retention AS logo_churn,
    if(window_months = 1, policy('benchmarks.monthly_logo_churn.low'), NULL) AS logo_churn_benchmark,
    if(no_history, NULL, payback(new_arr, gross_margin_share)) AS cac_payback_months,
    if(no_history, NULL, payback(new_arr + expansion_arr, gross_margin_share)) AS cac_payback_blended_months
  FROM figures f LEFT JOIN total USING (as_of, window_months) LEFT JOIN busy USING (as_of, window_months)
  LEFT JOIN sales_efficiency USING (as_of) LEFT JOIN tiers USING (as_of, window_months)
  LEFT JOIN segment_sums USING (as_of, window_months)
  WHERE grouping = 'company'
) TO 'published/company_kpis' (FORMAT parquet, PARTITION_BY (as_of));

-- table: tier_migration
CREATE TABLE tier_migration AS
WITH places AS (SELECT unnest(['Strategic', 'Growth', 'Core', 'Long-Tail', 'unassigned', 'not_live']) AS place),
counted AS (
  SELECT as_of, coalesce(start_tier, 'not_live') AS from_tier, coalesce(end_tier, 'not_live') AS to_tier,
    count(*) AS accounts, cents(sum(start_arr)) AS start_arr, cents(sum(end_arr)) AS end_arr
  FROM account_periods WHERE window_months = 3 GROUP BY ALL
), matrix AS (
  SELECT w.as_of, w.starts_on, f.place AS from_tier, t.place AS to_tier,
    CASE WHEN f.place = 'not_live' THEN 'gained' WHEN t.place = 'not_live' THEN 'lost'
         WHEN f.place = t.place THEN 'same' WHEN tier_rank(f.place) > tier_rank(t.place) THEN 'up'
         WHEN tier_rank(f.place) < tier_rank(t.place) THEN 'down' ELSE 'other' END AS direction,
    coalesce(accounts, 0) AS accounts, coalesce(start_arr, 0) AS start_arr, coalesce(end_arr, 0) AS end_arr
  FROM windows w, places f, places t
  LEFT JOIN counted c ON c.as_of = w.as_of AND c.from_tier = f.place AND c.to_tier = t.place
  WHERE w.window_months = 3 AND NOT (f.place = 'not_live' AND t.place = 'not_live')
)
SELECT m.*, sum(m.accounts) OVER along AS row_accounts, sum(m.start_arr) OVER along AS row_start_arr,
  sum(m.accounts) OVER (PARTITION BY m.as_of, to_tier) AS column_accounts, s.start_accounts AS from_accounts,
  s.start_arr AS from_arr, e.accounts AS to_accounts, m.accounts / nullif(s.start_accounts, 0) AS share_of_from
FROM matrix m
LEFT JOIN tier_kpis s ON s.as_of = m.as_of AND s.window_months = 3 AND s.coverage_tier = from_tier
LEFT JOIN tier_kpis e ON e.as_of = m.as_of AND e.window_months = 3 AND e.coverage_tier = to_tier
WINDOW along AS (PARTITION BY m.as_of, from_tier);
COPY tier_migration TO 'published/tier_migration' (FORMAT parquet, PARTITION_BY (as_of));

-- table: tier_migration_summary
COPY (
  WITH sums AS (
    SELECT as_of, any_value(starts_on) AS starts_on,
      sum(accounts) FILTER (direction = 'up') AS up_accounts, cents(sum(end_arr) FILTER (direction = 'up')) AS up_arr,
      sum(accounts) FILTER (direction = 'down') AS down_accounts,
      cents(sum(end_arr) FILTER (direction = 'down')) AS down_arr,
      sum(accounts) FILTER (from_tier = 'Long-Tail') AS long_tail_accounts,
      sum(accounts) FILTER (from_tier = 'Long-Tail' AND direction = 'up') AS graduated_accounts
    FROM tier_migration GROUP BY ALL
  )
  SELECT s.*, graduated_accounts / nullif(long_tail_accounts, 0) AS graduation_rate,
    long_tail_accounts < policy('retention.low_n') AS graduation_rate_low_n,
    coalesce(d.accounts, 0) AS downgraded_accounts, coalesce(d.happened, 0) AS downgraded_then_churned,
    median_months AS downgrade_to_churn_months, low_months AS downgrade_to_churn_low,
    high_months AS downgrade_to_churn_high, share_2q AS downgrade_to_churn_share_2q,
    share_3q AS downgrade_to_churn_share_3q,
    coalesce(d.accounts, 0) < policy('retention.low_n') AS downgrade_to_churn_low_n,
    policy('benchmarks.downgrade_to_churn_months.low') AS downgrade_to_churn_benchmark_low,
    policy('benchmarks.downgrade_to_churn_months.high') AS downgrade_to_churn_benchmark_high
  FROM sums s LEFT JOIN median_durations d ON d.as_of = s.as_of AND duration = 'downgrade_to_churn'
) TO 'published/tier_migration_summary' (FORMAT parquet, PARTITION_BY (as_of));
