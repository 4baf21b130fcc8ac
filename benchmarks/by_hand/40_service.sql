-- Service: support, engagement, outcomes, technology, signals, costs. One row per account known at as_of.
-- 0 where the extract has any row by then, null where it has none. Sums and means to nine decimals: what is left
-- depends on the order of adding.

-- What happened up to each as_of counts for the account that survives; ids that the CRM does not know do not count.

-- table: account_support
CREATE TABLE known_accounts AS SELECT DISTINCT as_of, surviving_account_id AS account_id FROM hierarchy;
CREATE TABLE account_support AS
WITH dated AS (
  SELECT *, opened_at::DATE AS opened_on, resolved_at::DATE AS resolved_on,
         coalesce(resolved_at, opened_at)::DATE AS final_on
  FROM support_tickets
), tickets AS (
  SELECT s.as_of, h.surviving_account_id AS account_id,
    count(*) FILTER (opened_on > s.as_of - policy('support.recent_days')) AS tickets_28d,
    count(*) FILTER (opened_on > s.as_of - policy('support.window_days')) AS tickets_90d,
    count(*) FILTER (opened_on > s.day_12m_ago) AS tickets_12m,
    round(avg((epoch(first_response_at) - epoch(opened_at)) / 3600) FILTER (
      opened_on > s.as_of - policy('support.window_days') AND first_response_at::DATE <= s.as_of
    ), 9) AS first_response_hours,
    round(sum(handling_hours) FILTER (final_on > s.day_12m_ago AND final_on <= s.as_of), 9) AS handling_hours_12m,
    round(avg(csat) FILTER (final_on > s.as_of - policy('support.window_days') AND final_on <= s.as_of), 9) AS csat,
    round(avg(sentiment) FILTER (opened_on > s.as_of - policy('support.window_days')), 9) AS sentiment,
    count(*) FILTER (is_escalated AND (resolved_on IS NULL OR resolved_on > s.as_of)) AS open_escalations
  FROM dated t
  JOIN all_days s ON opened_on <= s.as_of
    AND (opened_on > s.day_12m_ago OR resolved_on IS NULL OR resolved_on > s.day_12m_ago)
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
), self_service AS (
  SELECT s.as_of, h.surviving_account_id AS account_id, sum(sessions) AS sessions
  FROM self_service_sessions t
  JOIN all_days s ON t.used_on <= s.as_of AND t.used_on > s.as_of - policy('support.window_days')
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
), first_days AS (
  SELECT (SELECT min(opened_on) FROM dated) AS opened,
         (SELECT min(final_on) FROM dated WHERE handling_hours IS NOT NULL) AS worked,
         (SELECT min(used_on) FROM self_service_sessions) AS used
), filled AS (
  SELECT k.as_of, k.account_id, r.seats, t.first_response_hours, t.csat, t.sentiment,
    if(opened <= k.as_of, coalesce(tickets_28d, 0), NULL) AS tickets_28d,
    if(opened <= k.as_of, coalesce(tickets_90d, 0), NULL) AS tickets_90d,
    if(opened <= k.as_of, coalesce(tickets_12m, 0), NULL) AS tickets_12m,
    if(opened <= k.as_of, coalesce(open_escalations, 0), NULL) AS open_escalations,
    if(worked <= k.as_of, coalesce(handling_hours_12m, 0), NULL) AS handling_hours_12m,
    if(used <= k.as_of, coalesce(sessions, 0), NULL) AS self_service_sessions_90d
  FROM known_accounts k LEFT JOIN tickets t USING (as_of, account_id) LEFT JOIN self_service USING (as_of, account_id)
  LEFT JOIN account_revenue r USING (as_of, account_id), first_days
)
SELECT * EXCLUDE seats, tickets_90d * 100 / nullif(seats, 0) AS tickets_per_100_seats,
       self_service_sessions_90d / nullif(self_service_sessions_90d + tickets_90d, 0) AS self_service_ratio
FROM filled;
COPY (FROM account_support SEMI JOIN days_of('account_support') USING (as_of))
TO 'published/account_support' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_engagement
CREATE TABLE account_engagement AS
WITH touched AS (
  SELECT s.as_of, h.surviving_account_id AS account_id,
    sum(touches) FILTER (is_recent) AS touches,
    sum(touches) FILTER (is_recent AND list_contains(policy('engagement.community_channels'), channel)) AS community,
    sum(touches) FILTER (is_recent AND list_contains(policy('engagement.digital_channels'), channel)) AS digital,
    max(engaged_on) FILTER (touches > 0) AS last_on
  FROM marketing_engagement t JOIN all_days s ON t.engaged_on <= s.as_of
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id,
  LATERAL (SELECT engaged_on > s.as_of - policy('engagement.window_days') AS is_recent)
  GROUP BY ALL
), talked AS (
  SELECT s.as_of, h.surviving_account_id AS account_id, max(occurred_on) AS last_on,
    count(*) FILTER (is_recent AND list_contains(policy('engagement.meeting_kinds'), kind)) AS meetings,
    count(*) FILTER (
      is_recent AND list_contains(policy('engagement.our_initiators'), initiated_by)
      AND (replied_on <= s.as_of OR occurred_on + policy('engagement.answer_days') < s.as_of)
    ) AS decided,
    count(*) FILTER (
      is_recent AND list_contains(policy('engagement.our_initiators'), initiated_by)
      AND replied_on <= s.as_of AND replied_on <= occurred_on + policy('engagement.answer_days')
    ) AS in_time
  FROM interactions t JOIN all_days s ON t.occurred_on <= s.as_of
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id,
  LATERAL (SELECT occurred_on > s.as_of - policy('engagement.window_days') AS is_recent)
  GROUP BY ALL
), asked AS (
  SELECT s.as_of, h.surviving_account_id AS account_id,
    count(*) FILTER (sent_on > s.day_12m_ago AND answered_on <= s.as_of)
      / nullif(count(*) FILTER (sent_on > s.day_12m_ago), 0) AS survey_response_rate,
    avg(CASE WHEN score >= policy('engagement.promoter_from') THEN 100
             WHEN score <= policy('engagement.detractor_to') THEN -100 ELSE 0 END) FILTER (
      kind = 'nps' AND score IS NOT NULL AND answered_on <= s.as_of AND answered_on > s.day_12m_ago
    ) AS nps
  FROM surveys t JOIN all_days s ON t.sent_on <= s.as_of AND (t.sent_on > s.day_12m_ago OR t.answered_on > s.day_12m_ago)
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
), first_days AS (
  SELECT (SELECT min(engaged_on) FROM marketing_engagement) AS engaged,
         (SELECT min(occurred_on) FROM interactions) AS talked_on
), filled AS (
  SELECT k.as_of, k.account_id, survey_response_rate, nps, in_time / nullif(decided, 0) AS responsiveness,
    if(engaged <= k.as_of, coalesce(touches, 0), NULL) AS touches_90d,
    if(engaged <= k.as_of, coalesce(community, 0), NULL) AS community_touches_90d,
    if(engaged <= k.as_of, coalesce(digital, 0), NULL) AS digital,
    if(talked_on <= k.as_of, coalesce(meetings, 0), NULL) AS meetings_90d,
    k.as_of - greatest(a.last_on, b.last_on) AS days_since_last_touch
  FROM known_accounts k LEFT JOIN touched a USING (as_of, account_id) LEFT JOIN talked b USING (as_of, account_id)
  LEFT JOIN asked USING (as_of, account_id), first_days
)
SELECT * EXCLUDE digital,
  digital / nullif(touches_90d + meetings_90d, 0) >= policy('engagement.digital_first_share') AS digital_first
FROM filled;
COPY (FROM account_engagement SEMI JOIN days_of('account_engagement') USING (as_of))
TO 'published/account_engagement' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_outcomes
CREATE TABLE account_outcomes AS
WITH goals AS (
  SELECT *, coalesce(set_on, least(due_on, met_on)) AS set_by FROM success_goals
), counted AS (
  SELECT s.as_of, h.surviving_account_id AS account_id, count(*) AS goals_set,
    count(*) FILTER (due_on <= s.as_of) AS goals_due, count(*) FILTER (met_on <= s.as_of) AS goals_met,
    count(*) FILTER (met_on <= s.as_of AND met_on > due_on) AS goals_met_late,
    goals_met / nullif(count(*) FILTER (due_on <= s.as_of OR met_on <= s.as_of), 0) AS goals_met_share
  FROM goals g JOIN all_days s ON g.set_by <= s.as_of
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = g.account_id
  GROUP BY ALL
)
SELECT k.as_of, k.account_id, goals_met_share,
  if(first_on <= k.as_of, coalesce(goals_set, 0), NULL) AS goals_set,
  if(first_on <= k.as_of, coalesce(goals_due, 0), NULL) AS goals_due,
  if(first_on <= k.as_of, coalesce(goals_met, 0), NULL) AS goals_met,
  if(first_on <= k.as_of, coalesce(goals_met_late, 0), NULL) AS goals_met_late
FROM known_accounts k LEFT JOIN counted USING (as_of, account_id), (SELECT min(set_by) AS first_on FROM goals);
COPY (FROM account_outcomes SEMI JOIN days_of('account_outcomes') USING (as_of))
TO 'published/account_outcomes' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_technology
CREATE TABLE account_technology AS
WITH stack AS (
  SELECT s.as_of, s.day_12m_ago, h.surviving_account_id AS account_id, tool,
    bool_or(last_seen IS NULL OR last_seen > s.as_of) AS now,
    bool_or(first_seen <= s.day_12m_ago AND (last_seen IS NULL OR last_seen > s.day_12m_ago)) AS year_ago,
    bool_or(relation = 'complementary' AND (last_seen IS NULL OR last_seen > s.as_of)) AS complementary,
    bool_or(relation = 'competitor' AND (last_seen IS NULL OR last_seen > s.as_of)) AS competitor,
    bool_or(relation = 'legacy' AND (last_seen IS NULL OR last_seen > s.as_of)) AS legacy,
    bool_or(relation = 'competitor' AND last_seen <= s.as_of
            AND last_seen > s.as_of - policy('technology.displaced_days')) AS went
  FROM technology_installs t JOIN all_days s ON t.first_seen <= s.as_of
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
), counted AS (
  SELECT as_of, account_id, count(*) FILTER (now) AS tools, count(*) FILTER (year_ago) AS tools_12m_ago,
    count(*) FILTER (complementary) AS complementary_tools, count(*) FILTER (competitor) AS competitor_tools,
    count(*) FILTER (legacy) AS legacy_tools, bool_or(went AND NOT now) AS competitor_displaced_90d
  FROM stack GROUP BY ALL
), filled AS (
  SELECT k.as_of, k.account_id, coalesce(tools, 0) AS tools, coalesce(complementary_tools, 0) AS complementary_tools,
    coalesce(competitor_tools, 0) AS competitor_tools, coalesce(legacy_tools, 0) AS legacy_tools,
    coalesce(competitor_displaced_90d, false) AS competitor_displaced_90d,
    if(first_on <= s.day_12m_ago, coalesce(tools, 0) - coalesce(tools_12m_ago, 0), NULL) AS net_tools_change_12m
  FROM known_accounts k JOIN all_days s USING (as_of) LEFT JOIN counted USING (as_of, account_id),
    (SELECT min(first_seen) AS first_on FROM technology_installs) WHERE first_on <= k.as_of
  UNION ALL BY NAME
  SELECT as_of, account_id FROM known_accounts
  WHERE NOT coalesce((SELECT min(first_seen) FROM technology_installs) <= as_of, false)
)
SELECT *,
  CASE WHEN net_tools_change_12m <= policy('technology.consolidating_at') THEN 'consolidating'
       WHEN net_tools_change_12m >= policy('technology.expanding_at') THEN 'expanding'
       WHEN net_tools_change_12m IS NOT NULL THEN 'steady' END AS consolidation,
  CASE WHEN tools IS NOT NULL THEN
    policy('technology.tools_weight') * least(tools / policy('technology.full_tools'), 1)
    + policy('technology.complementary_weight') * coalesce(complementary_tools / nullif(tools, 0), 0) END AS sophistication
FROM filled;
COPY (FROM account_technology SEMI JOIN days_of('account_technology') USING (as_of))
TO 'published/account_technology' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_signals
CREATE TABLE account_signals AS
WITH counted AS (
  SELECT s.as_of, h.surviving_account_id AS account_id, count(*) AS n, round(sum(weight), 9) AS weight,
         round(sum(weight) FILTER (weight < 0), 9) AS negative
  FROM external_signals t
  JOIN all_days s ON t.observed_on <= s.as_of AND t.observed_on > s.as_of - policy('signals.window_days')
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
)
SELECT k.as_of, k.account_id, if(first_on <= k.as_of, coalesce(n, 0), NULL) AS signals_180d,
  if(first_on <= k.as_of, coalesce(weight, 0), NULL) AS signal_weight_180d,
  if(first_on <= k.as_of, coalesce(negative, 0), NULL) AS negative_weight_180d
FROM known_accounts k LEFT JOIN counted USING (as_of, account_id),
  (SELECT min(observed_on) AS first_on FROM external_signals);
COPY (FROM account_signals SEMI JOIN days_of('account_signals') USING (as_of))
TO 'published/account_signals' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_costs
CREATE TABLE account_costs AS
WITH rated AS (
  SELECT e.account_id, e.worked_on, e.hours, e.hours * coalesce(r.hourly_cost, policy('costs.csm_hourly_rate')) AS cost
  FROM csm_time_entries e
  LEFT JOIN csm_roster r ON r.csm_id = e.csm_id AND e.worked_on >= r.known_from AND e.worked_on < r.known_to
  WHERE e.account_id IS NOT NULL
), csm AS (
  SELECT s.as_of, h.surviving_account_id AS account_id, round(sum(hours), 9) AS hours, round(sum(cost), 9) AS cost
  FROM rated t JOIN all_days s ON t.worked_on <= s.as_of AND t.worked_on > s.day_12m_ago
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
), custom AS (
  SELECT s.as_of, h.surviving_account_id AS account_id,
         round(sum(hours), 9) * policy('costs.custom_development_hourly_rate') AS cost
  FROM custom_development t JOIN all_days s ON t.worked_on <= s.as_of AND t.worked_on > s.day_12m_ago
  JOIN hierarchy h ON h.as_of = s.as_of AND h.account_id = t.account_id
  GROUP BY ALL
), first_days AS (
  SELECT (SELECT min(worked_on) FROM rated) AS csm_on, (SELECT min(worked_on) FROM custom_development) AS custom_on
), filled AS (
  SELECT k.as_of, k.account_id, r.arr,
    u.handling_hours_12m * policy('costs.support_hourly_rate') AS support_cost_12m,
    if(csm_on <= k.as_of, coalesce(c.hours, 0), NULL) AS csm_hours_12m,
    if(csm_on <= k.as_of, coalesce(c.cost, 0), NULL) AS csm_cost_12m,
    if(custom_on <= k.as_of, coalesce(d.cost, 0), NULL) AS custom_development_cost_12m,
    if(r.tenure_days < policy('costs.annualise_below_days'),
       policy('costs.annualise_below_days') / greatest(r.tenure_days, policy('costs.annualise_min_days')), 1) AS to_a_year
  FROM known_accounts k LEFT JOIN account_revenue r USING (as_of, account_id)
  LEFT JOIN account_support u USING (as_of, account_id) LEFT JOIN csm c USING (as_of, account_id)
  LEFT JOIN custom d USING (as_of, account_id), first_days
), summed AS (
  SELECT *, if(coalesce(support_cost_12m, csm_cost_12m, custom_development_cost_12m) IS NULL, NULL,
               (coalesce(support_cost_12m, 0) + coalesce(csm_cost_12m, 0) + coalesce(custom_development_cost_12m, 0))
               * to_a_year) AS cost_to_serve,
    arr * (1 - policy('costs.hosting_share'))
      - (coalesce(support_cost_12m, 0) + coalesce(custom_development_cost_12m, 0)
         + if(policy('costs.csm_is_cost_of_revenue'), coalesce(csm_cost_12m, 0), 0)) * to_a_year AS gross_margin
  FROM filled
)
SELECT * EXCLUDE (arr, to_a_year), cost_to_serve / nullif(arr, 0) AS cost_share_of_arr FROM summed;
COPY (FROM account_costs SEMI JOIN days_of('account_costs') USING (as_of))
TO 'published/account_costs' (FORMAT parquet, PARTITION_BY (as_of));
