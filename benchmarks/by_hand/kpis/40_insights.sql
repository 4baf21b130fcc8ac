-- Cohorts, features, concentration, CSMs, renewals.

-- table: cohort_retention
CREATE MACRO quarter_of(day) AS year(day) * 4 + quarter(day) - 1;
CREATE MACRO quarter_begins(q) AS make_date((q // 4)::INTEGER, (q % 4 * 3 + 1)::INTEGER, 1);
COPY (
  WITH accounts AS (
    SELECT as_of, account_id, quarter_of(first_paid_on) AS signup, quarter_of(as_of + 1) - 1 AS last_q,
      quarter_begins(signup + 1) - 1 AS signup_end
    FROM account_revenue SEMI JOIN asked USING (as_of)
    WHERE first_paid_on IS NOT NULL AND quarter_of(first_paid_on) <= quarter_of(as_of + 1) - 1
  ), ends AS (
    SELECT DISTINCT as_of, signup_end FROM accounts
  ), cohort_rates AS (
    SELECT e.*, currency,
      coalesce(arg_max(rate, valid_from) FILTER (valid_from <= signup_end), arg_min(rate, valid_from)) AS rate
    FROM ends e JOIN fx_rates f ON e.as_of >= f.known_from AND e.as_of < f.known_to
    WHERE currency <> policy('company.reporting_currency') GROUP BY ALL
    UNION ALL SELECT *, policy('company.reporting_currency'), 1 FROM ends
  ), observed AS (
    SELECT a.*, age, quarter_begins(signup + age + 1) - 1 AS observed_on
    FROM accounts a, range(policy('cohorts.max_age_quarters') + 1) r(age) WHERE signup + age <= last_q
  ), priced AS (
    SELECT as_of, account_id, start_date, over_on, mrr * rate AS amount
    FROM paid JOIN accounts USING (as_of, account_id) JOIN cohort_rates USING (as_of, signup_end, currency)
  ), amounts AS (
    SELECT o.*, cents(round(coalesce(sum(amount), 0), 9) * 12) AS arr_then
    FROM observed o
    LEFT JOIN priced p ON p.as_of = o.as_of AND p.account_id = o.account_id
      AND start_date <= observed_on AND (over_on IS NULL OR over_on > observed_on)
    GROUP BY ALL
  ), with_start AS (
    SELECT *, first(arr_then ORDER BY age) OVER (PARTITION BY as_of, account_id) AS start_,
      signup + age > last_q - policy('cohorts.usage_quarters') AS is_kept
    FROM amounts
  ), sums AS (
    SELECT w.as_of, signup, age, observed_on, is_kept, count(*) AS accounts, cents(sum(start_)) AS start_arr,
      cents(sum(arr_then)) AS arr, cents(sum(least(start_, arr_then))) AS retained_arr,
      cents(sum(greatest(arr_then - start_, 0))) AS expansion_arr, count(*) FILTER (arr_then > 0) AS retained_accounts,
      count(*) FILTER (arr_then > start_) AS risen_accounts, count(u.is_active_account) AS used,
      count(*) FILTER (u.is_active_account) AS active, avg(u.mau_seat_share) AS seat_activity
    FROM with_start w
    LEFT JOIN account_usage u ON is_kept AND u.as_of = w.observed_on AND u.account_id = w.account_id
    WHERE start_ > 0 GROUP BY ALL
  )
  SELECT *, quarter_begins(signup) AS signup_quarter, age AS age_quarters, arr / start_arr AS nrr,
    retained_arr / start_arr AS grr, retained_accounts / accounts AS logo_retention,
    risen_accounts / accounts AS expansion_rate_with_price, accounts < policy('retention.low_n') AS low_n,
    nullif(used, 0) AS usage_accounts, active / nullif(used, 0) AS active_share,
    CASE WHEN NOT is_kept THEN 'not_kept' WHEN used = 0 THEN 'no_usage' END AS usage_reason
  FROM sums
) TO 'published/cohort_retention' (FORMAT parquet, PARTITION_BY (as_of));

-- table: feature_adoption
-- As constants the bounds leave all other days' files unread.
SET VARIABLE used_after = (
  SELECT min(usage_through) - policy('usage.window_days') FROM account_usage SEMI JOIN asked USING (as_of));
SET VARIABLE used_up_to = (SELECT max(usage_through) FROM account_usage SEMI JOIN asked USING (as_of));
COPY (
  WITH accounts AS (
    SELECT as_of, account_id, segment, behavioral_cohort, ', ' || coalesce(product_list, '') || ', ' AS products,
      usage_through
    FROM segments SEMI JOIN asked USING (as_of) JOIN account_revenue USING (as_of, account_id)
    JOIN account_usage USING (as_of, account_id)
    WHERE behavioral_cohort IS NOT NULL
  ), named AS (
    SELECT as_of, account_id, account_id AS raw, usage_through FROM accounts
    UNION ALL
    SELECT as_of, a.account_id, s.account_id, usage_through FROM accounts a
    JOIN survivors s USING (as_of) WHERE s.surviving_account_id = a.account_id AND s.account_id <> a.account_id
  ), by_user AS (
    SELECT n.as_of, n.account_id, user_id, feature, sum(event_count) AS events
    FROM product_usage u JOIN named n ON u.account_id = n.raw AND usage_date <= usage_through
      AND usage_date > usage_through - policy('usage.window_days')
    WHERE usage_date > getvariable('used_after') AND usage_date <= getvariable('used_up_to')
    GROUP BY ALL HAVING sum(event_count) > 0
  ), used AS (
    SELECT b.as_of, b.account_id, feature, count(*) AS users, sum(events) AS events
    FROM by_user b
    LEFT JOIN product_users p ON p.user_id = b.user_id AND b.as_of >= p.known_from AND b.as_of < p.known_to
    WHERE NOT coalesce(p.is_service_user, false) AND NOT coalesce(p.deactivated_on <= b.as_of, false) GROUP BY ALL
  ), listed AS (
    SELECT as_of, feature, product, level FROM product_features f
    JOIN asked ON as_of >= f.known_from AND as_of < f.known_to
  ), features AS (
    FROM listed UNION ALL
    SELECT DISTINCT as_of, feature, NULL, NULL FROM used ANTI JOIN listed USING (as_of, feature)
  ), cells AS (
    SELECT as_of, segment, behavioral_cohort, feature, product, level, count(*) AS accounts,
      count(users) AS accounts_using, coalesce(sum(users), 0) AS users, coalesce(sum(events), 0) AS events,
      list_contains(policy('adoption.loving_cohorts'), behavioral_cohort) AS loves,
      list_contains(policy('adoption.missing_cohorts'), behavioral_cohort) AS misses
    FROM accounts JOIN features USING (as_of) LEFT JOIN used USING (as_of, account_id, feature)
    WHERE product IS NULL OR contains(products, ', ' || product || ', ') GROUP BY ALL
  ), compared AS (
    SELECT *, coalesce(sum(accounts) FILTER (loves) OVER f, 0) AS loving_accounts,
      coalesce(sum(accounts) FILTER (misses) OVER f, 0) AS missing_accounts,
      sum(accounts_using) FILTER (loves) OVER f / nullif(loving_accounts, 0) AS loving_share,
      sum(accounts_using) FILTER (misses) OVER f / nullif(missing_accounts, 0) AS missing_share
    FROM cells WINDOW f AS (PARTITION BY as_of, feature)
  )
  SELECT *, accounts_using / accounts AS share_using, accounts < policy('retention.low_n') AS low_n,
    least(loving_accounts, missing_accounts) < policy('retention.low_n') AS tells_apart_low_n,
    loving_share >= policy('adoption.loved_from') AND missing_share <= policy('adoption.untouched_up_to') AS both_hold,
    if(loving_accounts > 0 AND missing_accounts > 0, both_hold, NULL) AS tells_apart
  FROM compared
) TO 'published/feature_adoption' (FORMAT parquet, PARTITION_BY (as_of));

-- table: concentration
COPY (
  WITH placed AS (
    SELECT p.as_of, account_id, p.arr, csm_hours_12m, whitespace, count(*) OVER (PARTITION BY p.as_of) AS places,
      row_number() OVER (PARTITION BY p.as_of ORDER BY p.arr DESC, account_id) AS place,
      place <= ceil(round(places * policy('benchmarks.top_accounts_share'), 9)) AS is_top,
      place > places - places // 2 AS is_bottom
    FROM account_profiles p SEMI JOIN asked USING (as_of) LEFT JOIN expansion_scores USING (as_of, account_id)
    WHERE is_live
  ), sizes AS (
    SELECT as_of, count(*) AS accounts, count(*) FILTER (is_top) AS top_accounts,
      count(*) FILTER (is_bottom) AS bottom_accounts, cents(sum(arr)) AS arr, cents(sum(arr) FILTER (is_top)) AS top_arr,
      coalesce(cents(sum(arr) FILTER (is_bottom)), 0) AS bottom_arr, cents(sum(whitespace)) AS whitespace,
      cents(sum(whitespace) FILTER (is_top)) AS top_whitespace, sum(csm_hours_12m) AS csm_hours,
      sum(csm_hours_12m) FILTER (is_top) AS top_hours, sum(csm_hours_12m) FILTER (is_bottom) AS bottom_hours
    FROM placed GROUP BY ALL
  ), cohort AS (
    SELECT p.as_of, expansion_arr, start_arr > 0 AND end_arr > start_arr AND expansion_volume_arr + expansion_product_arr > 0 AS expanded,
      row_number() OVER (PARTITION BY p.as_of ORDER BY start_arr DESC, p.account_id)
        <= ceil(round(count(*) OVER (PARTITION BY p.as_of) * policy('benchmarks.top_accounts_share'), 9)) AS is_top,
      mau_seat_share >= policy('engaged_use.min_seat_activity') AND touches_90d >= policy('engaged_use.min_touches_90d')
        AS is_engaged, mau_seat_share IS NOT NULL AND touches_90d IS NOT NULL AS is_known
    FROM account_periods p
    LEFT JOIN account_profiles t ON t.as_of = p.starts_on AND t.account_id = p.account_id
    WHERE window_months = 12 AND start_arr > 0
  ), since AS (
    SELECT as_of, count(*) AS start_accounts, cents(sum(expansion_arr)) AS expansion_arr,
      cents(sum(expansion_arr) FILTER (is_top)) AS top_expansion,
      count(*) FILTER (is_known AND is_engaged) AS engaged_accounts,
      count(*) FILTER (is_known AND is_engaged AND expanded) AS engaged_expanded,
      count(*) FILTER (is_known AND NOT is_engaged) AS other_accounts,
      count(*) FILTER (is_known AND NOT is_engaged AND expanded) AS other_expanded
    FROM cohort GROUP BY ALL
  ), combined AS (
    SELECT * REPLACE (coalesce(start_accounts, 0) AS start_accounts, coalesce(engaged_accounts, 0) AS engaged_accounts,
      coalesce(engaged_expanded, 0) AS engaged_expanded, coalesce(other_accounts, 0) AS other_accounts,
      coalesce(other_expanded, 0) AS other_expanded)
    FROM sizes LEFT JOIN since USING (as_of)
  )
  SELECT * EXCLUDE (bottom_arr, top_hours, bottom_hours), accounts < policy('retention.low_n') AS low_n,
    top_arr / arr AS top_arr_share, bottom_arr / arr AS bottom_arr_share,
    top_whitespace / nullif(whitespace, 0) AS top_whitespace_share,
    top_expansion / nullif(expansion_arr, 0) AS start_top_expansion_share,
    top_hours / nullif(csm_hours, 0) AS top_csm_hours_share, bottom_hours / nullif(csm_hours, 0)
      AS bottom_csm_hours_share,
    top_hours / top_accounts AS top_hours_per_account, bottom_hours / nullif(bottom_accounts, 0)
      AS bottom_hours_per_account, top_hours_per_account / nullif(bottom_hours_per_account, 0) AS top_to_bottom_hours,
    engaged_expanded / nullif(engaged_accounts, 0) AS engaged_expansion_rate,
    other_expanded / nullif(other_accounts, 0) AS other_expansion_rate,
    engaged_expansion_rate / nullif(other_expansion_rate, 0) AS expansion_lift,
    1.959963984540054 * sqrt(greatest(1 / nullif(engaged_expanded, 0) - 1 / nullif(engaged_accounts, 0)
      + 1 / nullif(other_expanded, 0) - 1 / nullif(other_accounts, 0), 0)) AS half,
    if(engaged_expanded > 0 AND other_expanded > 0, expansion_lift * exp(-half), NULL) AS expansion_lift_low,
    if(engaged_expanded > 0 AND other_expanded > 0, expansion_lift * exp(half), NULL) AS expansion_lift_high,
    least(engaged_accounts, other_accounts) < policy('retention.low_n') AS expansion_lift_low_n,
    CASE WHEN start_accounts = 0 THEN 'no_history'
         WHEN engaged_accounts = 0 OR other_accounts = 0 THEN 'no_accounts_to_compare'
         WHEN other_expanded = 0 THEN 'nobody_expanded' END AS expansion_lift_reason,
    policy('benchmarks.top_accounts_arr_share.low') AS top_arr_share_benchmark_low,
    policy('benchmarks.top_accounts_arr_share.high') AS top_arr_share_benchmark_high,
    policy('benchmarks.top_accounts_expansion_share.low') AS top_expansion_share_benchmark_low,
    policy('benchmarks.top_accounts_expansion_share.high') AS top_expansion_share_benchmark_high,
    policy('benchmarks.strong_usage_expansion_lift.low') AS expansion_lift_benchmark_low,
    policy('benchmarks.strong_usage_expansion_lift.high') AS expansion_lift_benchmark_high
  FROM combined
) TO 'published/concentration' (FORMAT parquet, PARTITION_BY (as_of));

-- table: csm_performance
COPY (
  WITH now_ AS (
    SELECT as_of, coalesce(csm_id, 'unassigned') AS csm_id, count(*) AS accounts, cents(sum(arr)) AS arr
    FROM segments SEMI JOIN asked USING (as_of) GROUP BY ALL
  ), then_ AS (
    SELECT p.as_of, coalesce(s.csm_id, 'unassigned') AS csm_id, count(*) AS start_accounts,
      count(*) FILTER (end_arr > start_arr AND expansion_volume_arr + expansion_product_arr > 0) AS expanded_accounts, count(*) FILTER (end_arr > 0) AS retained_accounts,
      cents(sum(start_arr)) AS start_arr, cents(sum(end_arr - resumed_arr)) AS cohort_end_arr, cents(sum(retained_arr)) AS retained_arr,
      cents(sum(expansion_arr)) AS expansion_arr, sum(start_arr * weight) AS weighted_start,
      sum((end_arr - resumed_arr) * weight) AS weighted_end, sum(retained_arr * weight) AS weighted_kept,
      sum(expansion_arr * weight) AS weighted_grown
    FROM (SELECT *, coalesce(policy('csm.tier_weights')[start_tier], 0) AS weight FROM account_periods
          WHERE window_months = 12 AND start_arr > 0) p
    LEFT JOIN segments s ON s.as_of = p.starts_on AND s.account_id = p.account_id GROUP BY ALL
  ), combined AS (
    SELECT as_of, csm_id, csm_id <> 'unassigned' AS is_peer, coalesce(accounts, 0) AS accounts, coalesce(arr, 0) AS arr,
      coalesce(start_accounts, 0) AS start_accounts, coalesce(expanded_accounts, 0) AS expanded_accounts,
      coalesce(retained_accounts, 0) AS retained_accounts, coalesce(start_arr, 0) AS start_arr,
      coalesce(cohort_end_arr, 0) AS cohort_end_arr, coalesce(retained_arr, 0) AS retained_arr,
      coalesce(expansion_arr, 0) AS expansion_arr, weighted_end / nullif(weighted_start, 0) AS weighted_nrr,
      weighted_kept / nullif(weighted_start, 0) AS weighted_grr,
      weighted_grown / nullif(weighted_start, 0) AS weighted_expansion
    FROM now_ FULL JOIN then_ USING (as_of, csm_id)
  ), ratios AS (
    SELECT b.*, csm_name, level, team, cohort_end_arr / nullif(start_arr, 0) AS nrr,
      retained_arr / nullif(start_arr, 0) AS grr, retained_accounts / nullif(start_accounts, 0) AS logo_retention,
      expanded_accounts / nullif(start_accounts, 0) AS expansion_rate,
      expansion_arr / nullif(start_arr, 0) AS expansion_arr_rate,
      start_accounts < policy('retention.low_n') AS low_n,
      is_peer AND NOT (start_accounts < policy('retention.low_n')) AND weighted_nrr IS NOT NULL AS ranks,
      CASE WHEN sum(start_accounts) OVER (PARTITION BY as_of) = 0 THEN 'no_history'
           WHEN start_accounts = 0 THEN 'no_accounts_at_start' END AS reason,
      cents(sum(if(is_peer, expansion_arr, 0)) OVER (PARTITION BY as_of) - if(is_peer, expansion_arr, 0))
        / nullif(cents(sum(if(is_peer, start_arr, 0)) OVER (PARTITION BY as_of) - if(is_peer, start_arr, 0)), 0)
        AS peer_expansion
    FROM combined b LEFT JOIN csm_roster r ON r.csm_id = b.csm_id AND b.as_of >= r.known_from AND b.as_of < r.known_to
  )
  SELECT *, expansion_arr_rate / nullif(peer_expansion, 0) AS expansion_vs_peers,
    if(ranks, row_number() OVER (PARTITION BY as_of, ranks ORDER BY weighted_nrr DESC, csm_id), NULL) AS rank,
    coalesce(rank = 1, false) AS is_best, policy('benchmarks.best_csm_lift.low') AS best_vs_peers_benchmark_low,
    policy('benchmarks.best_csm_lift.high') AS best_vs_peers_benchmark_high
  FROM ratios
) TO 'published/csm_performance' (FORMAT parquet, PARTITION_BY (as_of));

-- table: renewal_forecast
COPY (
  WITH due AS (
    SELECT r.as_of, r.arr, date_trunc('quarter', renewal_on)::DATE AS quarter_start,
      quarter_of(renewal_on) - quarter_of(r.as_of + 1) AS quarters_ahead,
      coalesce(coverage_tier, 'unassigned') AS coverage_tier, coalesce(csm_id, 'unassigned') AS csm_id,
      leaving_on IS NOT NULL AS is_leaving, churn_risk IS NULL AND NOT is_leaving AS is_unknown,
      if(is_leaving, 1, 1 - (1 - coalesce(churn_risk, 0))
        ** greatest((renewal_on - r.as_of) / policy('churn.horizon_days'), 1)) AS risk
    FROM account_revenue r SEMI JOIN asked USING (as_of) LEFT JOIN segments s USING (as_of, account_id)
    WHERE is_live AND renewal_on IS NOT NULL
  ), sums AS (
    SELECT as_of, quarter_start, quarters_ahead, coverage_tier, csm_id, count(*) AS accounts,
      count(*) FILTER (is_unknown) AS accounts_without_risk, count(*) FILTER (is_leaving) AS accounts_leaving,
      coalesce(cents(sum(arr) FILTER (is_leaving)), 0) AS arr_leaving, cents(sum(arr)) AS arr_due,
      cents(sum(arr * risk)) AS arr_at_risk, sum(risk) AS expected_accounts_lost,
      sum(arr * arr * risk * (1 - risk)) AS variance
    FROM due WHERE quarters_ahead BETWEEN 0 AND policy('renewals.quarters') - 1 GROUP BY ALL
  ), kept AS (
    SELECT as_of, start_tier AS coverage_tier, count(*) AS n, sum(start_arr) AS start_, sum(end_arr) AS end_
    FROM account_periods WHERE window_months = 12 AND start_arr > 0 AND end_arr > 0 GROUP BY ALL
  ), company AS (SELECT as_of, sum(end_) / sum(start_) AS company_growth FROM kept GROUP BY ALL
  ), grown AS (
    SELECT s.*, end_ / start_ AS tier_growth, coalesce(tier_growth, company_growth) AS growth_of_retained,
      1 - arr_at_risk / arr_due AS stays, 1.959963984540054 * sqrt(variance) / arr_due AS half,
      CASE WHEN tier_growth IS NOT NULL THEN 'tier' WHEN company_growth IS NOT NULL THEN 'company' END AS growth_basis
    FROM sums s
    LEFT JOIN kept k ON k.as_of = s.as_of AND k.coverage_tier = s.coverage_tier AND n >= policy('retention.low_n')
    LEFT JOIN company c ON c.as_of = s.as_of
  )
  SELECT *, accounts < policy('retention.low_n') AS low_n, stays AS expected_grr_of_churn,
    stays * growth_of_retained AS expected_nrr, greatest(stays - half, 0) * growth_of_retained AS expected_nrr_low,
    least(stays + half, 1) * growth_of_retained AS expected_nrr_high,
    if(growth_of_retained IS NULL, 'no_history', NULL) AS reason
  FROM grown
) TO 'published/renewal_forecast' (FORMAT parquet, PARTITION_BY (as_of));
