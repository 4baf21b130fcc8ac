-- The wide profile: who each account is, and all of the above.

-- table: account_profiles
CREATE TABLE account_profiles AS
WITH grouped AS (
  SELECT r.*, coalesce(h.top_account_id, r.account_id) AS top_account_id,
    coalesce(h.top_account_id_12m_ago, h.top_account_id, r.account_id) AS top_then
  FROM account_revenue r LEFT JOIN hierarchy h USING (as_of, account_id)
), families AS (
  SELECT g.*, k.parent_nrr_12m FROM (
    SELECT as_of, top_account_id, round(sum(arr), 2) AS parent_arr, count(*) FILTER (is_live) AS parent_accounts
    FROM grouped GROUP BY ALL) g
  LEFT JOIN (
    SELECT as_of, top_then AS top_account_id,
      round(sum(arr_at_rate_12m_ago), 2) / nullif(round(sum(arr_12m_ago), 2), 0) AS parent_nrr_12m
    FROM grouped WHERE arr_12m_ago > 0 GROUP BY ALL) k USING (as_of, top_account_id)
), identities AS (
  SELECT c.* EXCLUDE (known_from, known_to, dropped_on, domain, created_on, merged_into_account_id, parent_account_id),
         h.parent_account_id, coalesce(c.as_of < c.dropped_on, false) AS is_backcast
  FROM crm_at c JOIN hierarchy h USING (as_of, account_id)
), joined AS (
  SELECT r.* EXCLUDE (top_account_id, top_then), f.* EXCLUDE (as_of, top_account_id), i.* EXCLUDE (as_of, account_id, is_backcast),
    coalesce(i.is_backcast, false) AS is_backcast, u.* EXCLUDE (as_of, account_id), s.* EXCLUDE (as_of, account_id),
    e.* EXCLUDE (as_of, account_id), o.* EXCLUDE (as_of, account_id), t.* EXCLUDE (as_of, account_id),
    g.* EXCLUDE (as_of, account_id), c.* EXCLUDE (as_of, account_id)
  FROM grouped r JOIN families f USING (as_of, top_account_id)
  LEFT JOIN identities i USING (as_of, account_id) LEFT JOIN account_usage u USING (as_of, account_id)
  LEFT JOIN account_support s USING (as_of, account_id) LEFT JOIN account_engagement e USING (as_of, account_id)
  LEFT JOIN account_outcomes o USING (as_of, account_id) LEFT JOIN account_technology t USING (as_of, account_id)
  LEFT JOIN account_signals g USING (as_of, account_id) LEFT JOIN account_costs c USING (as_of, account_id)
  WHERE r.is_live OR r.as_of - r.churned_on < policy('lifecycle.churned_kept_days')
), present AS (
  SELECT *, list_filter([
    if(coalesce(employees, annual_revenue) IS NOT NULL OR industry IS NOT NULL, 'firmographic', NULL),
    if(usage_through IS NOT NULL, 'usage', NULL), if(feature_breadth_share IS NOT NULL, 'features', NULL),
    if(invoices_late_12m IS NOT NULL, 'invoices', NULL),
    if(coalesce(tickets_12m, self_service_sessions_90d) IS NOT NULL, 'support', NULL),
    if(coalesce(touches_90d, meetings_90d, survey_response_rate) IS NOT NULL, 'engagement', NULL),
    if(goals_set IS NOT NULL, 'outcomes', NULL), if(tools IS NOT NULL, 'technology', NULL),
    if(signals_180d IS NOT NULL, 'signals', NULL), if(cost_to_serve IS NOT NULL, 'costs', NULL)
  ], lambda d: d IS NOT NULL) AS dimensions
  FROM joined
)
SELECT * EXCLUDE dimensions, len(dimensions) / 10 AS data_completeness,
  array_to_string(dimensions, ', ') AS dimensions_present,
  CASE WHEN NOT is_live THEN 'churned' WHEN paused_on IS NOT NULL THEN 'paused'
       WHEN tenure_days < policy('lifecycle.onboarding_days') THEN 'onboarding'
       WHEN tenure_days < policy('lifecycle.adopting_days') THEN 'adopting'
       WHEN days_to_renewal <= policy('lifecycle.renewing_days') THEN 'renewing'
       ELSE 'established' END AS lifecycle_stage
FROM present;
COPY (FROM account_profiles SEMI JOIN days_of('account_profiles') USING (as_of))
TO 'published/account_profiles' (FORMAT parquet, PARTITION_BY (as_of));
