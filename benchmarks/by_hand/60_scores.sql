-- Scores of the live accounts. Rules that are lists in the policy (cohorts, needs) stand here as the default has them.

CREATE MACRO line_between(v, a, b) AS a[2] + (v - a[1]) * (b[2] - a[2]) / (b[1] - a[1]);
-- Straight between the knots [input, points], flat beyond; for two to four knots.
CREATE MACRO on_scale(v, knots) AS
  CASE WHEN v IS NULL THEN NULL WHEN v <= knots[1][1] THEN knots[1][2]
       WHEN v < knots[2][1] THEN line_between(v, knots[1], knots[2])
       WHEN v < knots[3][1] THEN line_between(v, knots[2], knots[3])
       WHEN v < knots[4][1] THEN line_between(v, knots[3], knots[4]) ELSE knots[-1][2] END;
CREATE MACRO of_word(word, points, other) AS if(word IS NULL, NULL, coalesce(points[lower(trim(word))], other));
CREATE MACRO if_known(v, w) AS if(v IS NULL, 0, w);
CREATE MACRO mean_known(vs) AS list_avg(vs);
CREATE MACRO percentile(below_or_tied, ties, n) AS (below_or_tied - ties / 2) / n * 100;
-- Half a cent rounds away from zero, whatever a binary number leaves behind it.
CREATE MACRO to_cents(amount) AS amount::DECIMAL(38, 9)::DECIMAL(38, 2)::DOUBLE;
CREATE MACRO size_class_of(employees, revenue) AS CASE
  WHEN coalesce(employees < policy('firmographic.employees.mid_market_from'),
                revenue < policy('firmographic.annual_revenue.mid_market_from')) THEN 'smb'
  WHEN coalesce(employees < policy('firmographic.employees.enterprise_from'),
                revenue < policy('firmographic.annual_revenue.enterprise_from')) THEN 'mid_market'
  WHEN coalesce(employees, revenue) IS NOT NULL THEN 'enterprise' END;
CREATE MACRO addressable(employees, seats) AS  -- the default policy names no industry's own share
  if(employees IS NULL, NULL, greatest(employees * policy('addressable.default_share'), coalesce(seats, 0)));
CREATE MACRO years_between(first, last) AS year(last) - year(first) - (month(last) * 100 + day(last) < month(first) * 100 + day(first))::INT;
CREATE MACRO reaches_share(percentile, share) AS round(percentile, 6) >= round(100 * (1 - share), 6);

-- table: firmographic_scores
CREATE TABLE live AS FROM account_profiles WHERE is_live;
CREATE TABLE firmographic_scores AS
WITH valued AS (
  SELECT as_of, account_id, size_class_of(employees, annual_revenue) AS size_class,
    policy('firmographic.size')[size_class_of(employees, annual_revenue)] AS size,
    of_word(industry, policy('firmographic.industry.points'), policy('firmographic.industry.other')) AS industry,
    of_word(region, policy('firmographic.region.points'), policy('firmographic.region.other')) AS region,
    of_word(business_model, policy('firmographic.business_model.points'), policy('firmographic.business_model.other'))
      AS business_model,
    of_word(funding_stage, policy('firmographic.funding_stage.points'), policy('firmographic.funding_stage.other'))
      AS funding_stage,
    on_scale(buying_cycle_days, policy('firmographic.buying_cycle_days')) AS buying_cycle
  FROM live SEMI JOIN days_of('firmographic_scores') USING (as_of)
), summed AS (
  SELECT *, nullif(if_known(size, policy('firmographic.weights.size'))
    + if_known(industry, policy('firmographic.weights.industry')) + if_known(region, policy('firmographic.weights.region'))
    + if_known(business_model, policy('firmographic.weights.business_model'))
    + if_known(funding_stage, policy('firmographic.weights.funding_stage'))
    + if_known(buying_cycle, policy('firmographic.weights.buying_cycle')), 0) AS known
  FROM valued
)
SELECT as_of, account_id, size_class, size * policy('firmographic.weights.size') / known AS size_points,
  industry * policy('firmographic.weights.industry') / known AS industry_points,
  region * policy('firmographic.weights.region') / known AS region_points,
  business_model * policy('firmographic.weights.business_model') / known AS business_model_points,
  funding_stage * policy('firmographic.weights.funding_stage') / known AS funding_stage_points,
  buying_cycle * policy('firmographic.weights.buying_cycle') / known AS buying_cycle_points,
  if(known IS NULL, NULL, list_sum([size_points, industry_points, region_points, business_model_points,
    funding_stage_points, buying_cycle_points])) AS firmographic_score
FROM summed;
COPY firmographic_scores TO 'published/firmographic_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: technographic_scores
CREATE TABLE technographic_scores AS
WITH valued AS (
  SELECT as_of, account_id, sophistication, consolidation,
    CASE sign(competitor_tools + legacy_tools - complementary_tools)
      WHEN 1 THEN 'displacing' WHEN -1 THEN 'complementing' WHEN 0 THEN 'neutral' END AS displacing,
    on_scale(complementary_tools, policy('technographic.complementary_tools')) AS integration_opportunity,
    policy('technographic.displacing')[displacing] AS stance,
    on_scale(sophistication, policy('technographic.sophistication')) AS readiness,
    policy('technographic.consolidation')[consolidation] AS direction
  FROM live SEMI JOIN days_of('technographic_scores') USING (as_of)
), summed AS (
  SELECT *, nullif(if_known(integration_opportunity, policy('technographic.weights.integration'))
    + if_known(stance, policy('technographic.weights.displacing'))
    + if_known(readiness, policy('technographic.weights.sophistication'))
    + if_known(direction, policy('technographic.weights.consolidation')), 0) AS known
  FROM valued
)
SELECT as_of, account_id, sophistication, consolidation, displacing, integration_opportunity,
  integration_opportunity * policy('technographic.weights.integration') / known AS integration_points,
  stance * policy('technographic.weights.displacing') / known AS displacing_points,
  readiness * policy('technographic.weights.sophistication') / known AS sophistication_points,
  direction * policy('technographic.weights.consolidation') / known AS consolidation_points,
  if(known IS NULL, NULL, list_sum([integration_points, displacing_points, sophistication_points,
    consolidation_points])) AS technographic_score
FROM summed;
COPY technographic_scores TO 'published/technographic_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: behavioral_scores
CREATE TABLE behavioral_scores AS
WITH valued AS (
  SELECT *, on_scale(mau_seat_share, policy('behavioral.seat_activity')) AS seats_value,
    on_scale(key_events_per_active_user, policy('behavioral.depth')) AS depth,
    on_scale(mean_known([feature_breadth_share, department_breadth_share]), policy('behavioral.breadth')) AS breadth,
    on_scale(mean_known([users_trend_net, events_trend_net, minutes_trend_net]), policy('behavioral.trend')) AS trend,
    on_scale(consistency, policy('behavioral.consistency')) AS steadiness,
    on_scale(self_service_ratio, policy('behavioral.self_service')) AS self_service,
    on_scale(touches_90d, policy('behavioral.engagement')) AS engagement
  FROM live SEMI JOIN days_of('behavioral_scores') USING (as_of) WHERE active_users_28d IS NOT NULL
), summed AS (
  SELECT *, nullif(if_known(seats_value, policy('behavioral.weights.seat_activity'))
    + if_known(depth, policy('behavioral.weights.depth')) + if_known(breadth, policy('behavioral.weights.breadth'))
    + if_known(trend, policy('behavioral.weights.trend')) + if_known(steadiness, policy('behavioral.weights.consistency'))
    + if_known(self_service, policy('behavioral.weights.self_service'))
    + if_known(engagement, policy('behavioral.weights.engagement')), 0) AS known
  FROM valued
), pointed AS (
  SELECT *, seats_value * policy('behavioral.weights.seat_activity') / known AS seat_activity_points,
    depth * policy('behavioral.weights.depth') / known AS depth_points,
    breadth * policy('behavioral.weights.breadth') / known AS breadth_points,
    trend * policy('behavioral.weights.trend') / known AS trend_points,
    steadiness * policy('behavioral.weights.consistency') / known AS consistency_points,
    self_service * policy('behavioral.weights.self_service') / known AS self_service_points,
    engagement * policy('behavioral.weights.engagement') / known AS engagement_points,
    if(known IS NULL, NULL, list_sum([seat_activity_points, depth_points, breadth_points, trend_points,
      consistency_points, self_service_points, engagement_points])) AS behavioral_score
  FROM summed
), ruled AS (
  SELECT *, CASE
    WHEN lifecycle_stage <> 'onboarding' AND active_users_28d < 1 THEN 'no_active_user'
    WHEN lifecycle_stage <> 'onboarding' AND round(mau_seat_share, 9) < 0.05 THEN 'seat_activity_very_low'
    WHEN lifecycle_stage <> 'onboarding' AND round(users_trend_net, 9) <= -0.3 AND active_users_prior_28d >= 5
      THEN 'users_declining'
    WHEN lifecycle_stage <> 'onboarding' AND round(events_trend_net, 9) <= -0.3 AND active_users_prior_28d >= 5
      THEN 'events_declining'
    WHEN lifecycle_stage <> 'onboarding' AND round(mau_seat_share, 9) < 0.2 THEN 'seat_activity_low'
    WHEN round(behavioral_score, 9) >= 75 AND round(mau_seat_share, 9) >= 0.6 THEN 'strong_usage'
    ELSE 'otherwise' END AS cohort_rule
  FROM pointed
)
SELECT l.as_of, l.account_id, r.behavioral_score, l.mau_seat_share AS seat_activity, r.cohort_rule,
  CASE WHEN r.cohort_rule IN ('no_active_user', 'seat_activity_very_low') THEN 'Dormant'
       WHEN r.cohort_rule IN ('users_declining', 'events_declining', 'seat_activity_low') THEN 'At Risk'
       WHEN r.cohort_rule = 'strong_usage' THEN 'Power User'
       WHEN r.cohort_rule = 'otherwise' THEN 'Steady State' END AS behavioral_cohort,
  r.seat_activity_points, r.depth_points, r.breadth_points, r.trend_points, r.consistency_points,
  r.self_service_points, r.engagement_points
FROM (FROM live SEMI JOIN days_of('behavioral_scores') USING (as_of)) l LEFT JOIN ruled r USING (as_of, account_id);
COPY behavioral_scores TO 'published/behavioral_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: needs_scores
CREATE TABLE needs_scores AS
WITH words AS (
  SELECT *, lower(trim(integration_need)) AS integration, lower(trim(decision_process)) AS decision,
         lower(trim(maturity)) AS age, lower(trim(lifecycle_stage)) AS stage
  FROM live SEMI JOIN days_of('needs_scores') USING (as_of)
), ruled AS (
  SELECT *, CASE
    WHEN goals_due >= 1 AND round(goals_met_share, 9) < 0.25 THEN 'goals_missed'
    WHEN features_used < 1 AND stage IN ('adopting', 'established', 'renewing') THEN 'nothing_in_use'
    WHEN products >= 3 THEN 'many_products'
    WHEN products >= 2 AND integration = 'deeply_integrated' THEN 'products_deeply_integrated'
    WHEN integration = 'deeply_integrated' AND decision IN ('committee', 'executive_mandate')
      AND departments_active >= 3 THEN 'mandated_platform'
    WHEN products >= 2 THEN 'second_product'
    WHEN departments_active >= 3 AND round(feature_breadth_share, 9) >= 0.5 THEN 'spreading'
    WHEN age = 'new_to_category' AND integration = 'standalone' THEN 'new_and_standalone'
    WHEN primary_use_case IS NOT NULL THEN 'known_use_case'
    WHEN age = 'replacing_incumbent' THEN 'replacing_incumbent'
    WHEN coalesce(maturity, decision_process, integration_need) IS NOT NULL
      OR coalesce(features_used, departments_active, goals_met_share) IS NOT NULL THEN 'otherwise' END AS needs_rule
  FROM words
), profiled AS (
  SELECT as_of, account_id, needs_rule, CASE
    WHEN needs_rule IN ('goals_missed', 'nothing_in_use') THEN 'Value not realized'
    WHEN needs_rule IN ('many_products', 'products_deeply_integrated', 'mandated_platform') THEN 'Platform'
    WHEN needs_rule IN ('second_product', 'spreading') THEN 'Expanding use case'
    WHEN needs_rule IN ('known_use_case', 'replacing_incumbent') THEN 'Specific use case'
    WHEN needs_rule IN ('new_and_standalone', 'otherwise') THEN 'Basic need' END AS needs_profile
  FROM ruled
)
SELECT *, policy('needs.scores')[needs_profile] AS needs_score, policy('needs.scores')[needs_profile] AS profile_points
FROM profiled;
COPY needs_scores TO 'published/needs_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: health_scores
CREATE TABLE health_scores AS
WITH valued AS (
  SELECT as_of, account_id, on_scale(key_events_per_active_user, policy('health.product.depth')) AS depth,
    on_scale(mau_seat_share, policy('health.product.adoption')) AS adoption,
    on_scale(error_rate, policy('health.product.reliability')) AS reliability,
    on_scale(if(coalesce(touches_90d, meetings_90d) IS NULL, NULL, coalesce(touches_90d, 0) + coalesce(meetings_90d, 0)),
             policy('health.relationship.engagement')) AS engagement,
    on_scale(responsiveness, policy('health.relationship.responsiveness')) AS responsiveness,
    on_scale(nps, policy('health.relationship.nps')) AS nps, on_scale(csat, policy('health.relationship.csat')) AS csat,
    on_scale(sentiment, policy('health.relationship.sentiment')) AS sentiment,
    on_scale(goals_met_share, policy('health.outcome.goals')) AS goals,
    on_scale(mean_days_late, policy('health.financial.payments')) AS payments,
    on_scale(overdue_days, policy('health.financial.overdue')) AS overdue,
    on_scale(negative_weight_180d, policy('health.financial.budget')) AS budget
  FROM live SEMI JOIN days_of('health_scores') USING (as_of)
), weighed AS (
  SELECT *,
    nullif(if_known(depth, policy('health.product.weights.depth'))
      + if_known(adoption, policy('health.product.weights.adoption'))
      + if_known(reliability, policy('health.product.weights.reliability')), 0) AS product_known,
    nullif(if_known(engagement, policy('health.relationship.weights.engagement'))
      + if_known(responsiveness, policy('health.relationship.weights.responsiveness'))
      + if_known(nps, policy('health.relationship.weights.nps'))
      + if_known(csat, policy('health.relationship.weights.csat'))
      + if_known(sentiment, policy('health.relationship.weights.sentiment')), 0) AS relationship_known,
    nullif(if_known(payments, policy('health.financial.weights.payments'))
      + if_known(overdue, policy('health.financial.weights.overdue'))
      + if_known(budget, policy('health.financial.weights.budget')), 0) AS financial_known
  FROM valued
), pointed AS (
  SELECT *, depth * policy('health.product.weights.depth') / product_known AS depth_points,
    adoption * policy('health.product.weights.adoption') / product_known AS adoption_points,
    reliability * policy('health.product.weights.reliability') / product_known AS reliability_points,
    engagement * policy('health.relationship.weights.engagement') / relationship_known AS engagement_points,
    responsiveness * policy('health.relationship.weights.responsiveness') / relationship_known AS responsiveness_points,
    nps * policy('health.relationship.weights.nps') / relationship_known AS nps_points,
    csat * policy('health.relationship.weights.csat') / relationship_known AS csat_points,
    sentiment * policy('health.relationship.weights.sentiment') / relationship_known AS sentiment_points,
    goals AS goals_points, payments * policy('health.financial.weights.payments') / financial_known AS payments_points,
    overdue * policy('health.financial.weights.overdue') / financial_known AS overdue_points,
    budget * policy('health.financial.weights.budget') / financial_known AS budget_points,
    list_sum([depth_points, adoption_points, reliability_points]) AS product_health,
    list_sum([engagement_points, responsiveness_points, nps_points, csat_points, sentiment_points]) AS relationship_health,
    goals AS outcome_health, list_sum([payments_points, overdue_points, budget_points]) AS financial_health
  FROM weighed
), overall AS (
  SELECT *, nullif(if_known(product_health, policy('health.weights.product'))
      + if_known(relationship_health, policy('health.weights.relationship'))
      + if_known(outcome_health, policy('health.weights.outcome'))
      + if_known(financial_health, policy('health.weights.financial')), 0) AS known,
    product_health * policy('health.weights.product') / known AS product_points,
    relationship_health * policy('health.weights.relationship') / known AS relationship_points,
    outcome_health * policy('health.weights.outcome') / known AS outcome_points,
    financial_health * policy('health.weights.financial') / known AS financial_points,
    list_sum([product_points, relationship_points, outcome_points, financial_points]) AS mean,
    least(product_health, relationship_health, outcome_health, financial_health) AS weakest
  FROM pointed
)
SELECT * EXCLUDE (depth, adoption, reliability, engagement, responsiveness, nps, csat, sentiment, goals, payments,
                  overdue, budget, product_known, relationship_known, financial_known, known, mean, weakest),
  least(0, weakest + policy('health.cap_above_weakest') - mean) + mean * 0 AS cap_points,
  mean + cap_points AS health_score, mean AS uncapped_health_score, round(cap_points, 9) < 0 AS is_capped,
  CASE weakest WHEN product_health THEN 'product' WHEN relationship_health THEN 'relationship'
               WHEN outcome_health THEN 'outcome' WHEN financial_health THEN 'financial' END AS weakest_dimension,
  if(is_capped, weakest_dimension, NULL) AS capped_by
FROM overall;
COPY health_scores TO 'published/health_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: churn_outcomes
-- Windows of 13 weeks (the horizon of 90 days in full weeks) that ended by as_of's last Monday.
CREATE MACRO last_monday(day) AS day - (isodow(day) - 1)::INT;
CREATE TABLE churn_points AS
SELECT as_of, account_id, arr, leaving_on, days_to_renewal,
  if(mau_seat_share IS NULL, NULL,
     greatest(least(mau_seat_share, policy('churn.model.seat_activity')[2]), policy('churn.model.seat_activity')[1])) AS seat_activity,
  if(users_trend_net IS NULL, NULL,
     greatest(least(users_trend_net, policy('churn.model.usage_trend')[2]), policy('churn.model.usage_trend')[1])) AS usage_trend,
  b.behavioral_cohort, p.single_champion, p.overdue_days > policy('churn.overdue.more_than_days') AS is_overdue,
  p.sentiment < policy('churn.sentiment.below') AS has_bad_sentiment, p.signal_weight_180d,
  percentile(count(*) OVER (PARTITION BY as_of ORDER BY arr), count(*) OVER (PARTITION BY as_of, arr),
             count(*) OVER (PARTITION BY as_of)) / 100 - 0.5 AS size_rank,
  coalesce(policy('churn.cohorts')[b.behavioral_cohort], 0) AS cohort_points,
  if(p.single_champion, policy('churn.single_champion'), 0) AS single_champion_points,
  if(p.overdue_days > policy('churn.overdue.more_than_days'), policy('churn.overdue.log_odds'), 0) AS overdue_points,
  if(p.sentiment < policy('churn.sentiment.below'), policy('churn.sentiment.log_odds'), 0) AS sentiment_points,
  if(p.days_to_renewal <= policy('churn.renewal.within_days'), policy('churn.renewal.log_odds'), 0) AS renewal_points,
  coalesce(p.signal_weight_180d * policy('churn.per_signal_weight'), 0) AS external_signals_points,
  cohort_points + single_champion_points + overdue_points + sentiment_points + renewal_points + external_signals_points
    AS points,
  [if(b.behavioral_cohort IS NULL, 'cohort', NULL), if(p.single_champion IS NULL, 'single_champion', NULL),
   if(p.overdue_days IS NULL, 'overdue', NULL), if(p.sentiment IS NULL, 'sentiment', NULL),
   if(p.days_to_renewal IS NULL, 'renewal', NULL), if(p.signal_weight_180d IS NULL, 'external_signals', NULL)] AS missing
FROM (FROM live SEMI JOIN days_of('behavioral_scores') USING (as_of)) p
LEFT JOIN behavioral_scores b USING (as_of, account_id);
CREATE MACRO has_left(is_live, churned_on, since) AS
  coalesce(NOT is_live AND churned_on <= since + policy('churn.horizon_days')::INT, false);
CREATE TABLE churn_outcomes AS
WITH past AS (
  SELECT as_of, last_monday(as_of) - 91 * k::INT AS window_start, last_monday(as_of) - 91 * (k::INT - 1) AS window_end
  FROM days_of('churn_outcomes'), range(1, policy('churn.base.windows') + 1) r(k)
)
SELECT w.as_of, w.window_start, round(p.points, 3) AS points, round(p.size_rank, 2) AS size_rank, count(*) AS accounts,
  count(*) FILTER (has_left(r.is_live, r.churned_on, w.window_start)) AS leavers
FROM past w JOIN churn_points p ON p.as_of = w.window_start AND p.leaving_on IS NULL
JOIN account_revenue r ON r.as_of = w.window_end AND r.account_id = p.account_id
GROUP BY ALL;
COPY churn_outcomes TO 'published/churn_outcomes' (FORMAT parquet, PARTITION_BY (as_of));

-- table: churn_bases
-- The fit itself is the product's Python function on both sides; `hand_side` puts its result into fitted_bases.
COPY fitted_bases TO 'published/churn_bases' (FORMAT parquet, PARTITION_BY (as_of));

-- table: churn_training
CREATE TABLE churn_training AS
WITH past AS (
  SELECT as_of, last_monday(as_of) - 91 * k::INT AS starts_on
  FROM days_of('churn_training'), range(1, policy('churn.model.windows') + 1) r(k)
), ended AS (
  SELECT p.as_of, p.starts_on, r.account_id, k AS period,
    has_left(r.is_live, r.churned_on, p.starts_on + 91 * (k::INT - 1)) AS is_gone
  FROM past p, range(1, policy('churn.model.periods') + 1) n(k)
  JOIN account_revenue r ON r.as_of = p.starts_on + 91 * k::INT
  WHERE p.starts_on + 91 * k::INT <= p.as_of
), outcomes AS (
  SELECT as_of, starts_on, account_id, count(*) AS periods_observed, min(period) FILTER (is_gone) AS left_in_period
  FROM ended GROUP BY ALL
)
SELECT o.*, c.arr, c.size_rank, c.behavioral_cohort, c.single_champion, c.is_overdue, c.has_bad_sentiment,
  c.signal_weight_180d, c.days_to_renewal, c.seat_activity, c.usage_trend
FROM outcomes o JOIN churn_points c ON c.as_of = o.starts_on AND c.account_id = o.account_id
WHERE c.leaving_on IS NULL;
COPY churn_training TO 'published/churn_training' (FORMAT parquet, PARTITION_BY (as_of));

-- table: churn_model
-- The fit itself is the product's Python function on both sides; `hand_side` puts its result into fitted_model.
COPY fitted_model TO 'published/churn_model' (FORMAT parquet, PARTITION_BY (as_of));

-- table: churn_risk
CREATE MACRO chance(x) AS 1 / (1 + exp(-x));
CREATE MACRO in_period(days, first_days, k) AS
  coalesce(days <= first_days + 91 * (k - 1) AND (k = 1 OR days > first_days + 91 * (k - 2)), false)::INT;
CREATE TABLE churn_coefficients AS
SELECT as_of, bool_or(is_trained) AS is_trained, bool_or(is_fitted) AS is_fitted,
  map_from_entries(list((term, coefficient))) AS now, map_from_entries(list((term, later_coefficient))) AS later,
  map_from_entries(list((term, centre))) AS centre
FROM fitted_model GROUP BY as_of;
CREATE TABLE churn_valued AS
SELECT p.as_of, p.account_id, p.days_to_renewal, datediff('day', p.as_of, p.leaving_on) AS leaves_in, p.missing,
  m.is_trained, m.is_fitted, m.now, m.later,
  MAP {'size': p.size_rank - m.centre['size'],
       'cohort At Risk': coalesce(p.behavioral_cohort = 'At Risk', false)::INT,
       'cohort Dormant': coalesce(p.behavioral_cohort = 'Dormant', false)::INT,
       'single_champion': coalesce(p.single_champion, false)::INT,
       'overdue': coalesce(p.is_overdue, false)::INT,
       'sentiment': coalesce(p.has_bad_sentiment, false)::INT,
       'external_signals': coalesce(p.signal_weight_180d - m.centre['external_signals'], 0),
       'seat_activity': coalesce(p.seat_activity - m.centre['seat_activity'], 0),
       'usage_trend': coalesce(p.usage_trend - m.centre['usage_trend'], 0)} AS value,
  if(p.seat_activity IS NULL, 'seat_activity', NULL) AS no_seats,
  if(p.usage_trend IS NULL, 'usage_trend', NULL) AS no_trend
FROM churn_points p SEMI JOIN days_of('churn_risk') USING (as_of) JOIN churn_coefficients m USING (as_of);
CREATE MACRO later_odds(value, later, renews, leaves) AS
  later['base'] + later['renewal'] * renews + policy('churn.known_leaving') * leaves
  + list_sum([value[t] * later[t] for t in map_keys(value)]);
CREATE TABLE churn_risk AS
WITH pointed AS (
  SELECT as_of, account_id, is_trained, is_fitted, days_to_renewal, leaves_in, value, later,
    now['base'] AS base_points, value['size'] * now['size'] AS size_points,
    value['cohort At Risk'] * now['cohort At Risk'] + value['cohort Dormant'] * now['cohort Dormant']
      AS cohort_points,
    value['single_champion'] * now['single_champion'] AS single_champion_points,
    value['overdue'] * now['overdue'] AS overdue_points,
    value['sentiment'] * now['sentiment'] AS sentiment_points,
    in_period(days_to_renewal, policy('churn.renewal.within_days'), 1) * now['renewal'] AS renewal_points,
    value['external_signals'] * now['external_signals'] AS external_signals_points,
    value['seat_activity'] * now['seat_activity'] AS seat_activity_points,
    value['usage_trend'] * now['usage_trend'] AS usage_trend_points,
    in_period(leaves_in, policy('churn.horizon_days'), 1) * policy('churn.known_leaving') AS leaving_points,
    array_to_string(list_filter(missing, lambda part: part IS NOT NULL), ', ') IN
      ('cohort, single_champion, overdue, sentiment, external_signals',
       'cohort, single_champion, overdue, sentiment, renewal, external_signals') AS is_unknown,
    array_to_string(list_filter(if(is_trained, list_concat(missing, [no_seats, no_trend]), missing),
      lambda part: part IS NOT NULL), ', ') AS inputs_missing,
    base_points + size_points + cohort_points + single_champion_points + overdue_points + sentiment_points
      + renewal_points + external_signals_points + seat_activity_points + usage_trend_points + leaving_points
      AS log_odds
  FROM churn_valued
), stayed AS (
  SELECT *, list_product([1 - chance(later_odds(value, later,
    in_period(days_to_renewal, policy('churn.renewal.within_days'), k),
    in_period(leaves_in, policy('churn.horizon_days'), k))) for k in range(2, policy('churn.model.periods')::INT + 1)])
    AS stays
  FROM pointed
)
SELECT * EXCLUDE (is_unknown, stays, value, later, days_to_renewal, leaves_in),
  if(is_unknown, NULL, chance(log_odds)) AS churn_risk,
  if(is_unknown, NULL, 1 - (1 - chance(log_odds)) * stays) AS churn_risk_12m,
  percentile(count(*) OVER (PARTITION BY as_of ORDER BY round(log_odds, 9)),
             count(*) OVER (PARTITION BY as_of, round(log_odds, 9)), count(*) OVER (PARTITION BY as_of)) AS risk_rank
FROM stayed;
COPY churn_risk TO 'published/churn_risk' (FORMAT parquet, PARTITION_BY (as_of));

-- table: risk_calibration
CREATE TABLE risk_calibration AS
WITH past AS (
  SELECT as_of, last_monday(as_of) - 91 * k::INT AS past_day, last_monday(as_of) - 91 * (k::INT - 1) AS window_end
  FROM days_of('risk_calibration'), range(1, policy('churn.calibration.past_days') + 1) r(k)
), ranked AS (
  SELECT as_of AS past_day, account_id, churn_risk AS risk,
    least(1 + floor(percentile(count(*) OVER (PARTITION BY as_of ORDER BY churn_risk),
      count(*) OVER (PARTITION BY as_of, churn_risk), count(*) OVER (PARTITION BY as_of)) / 10), 10)::INT AS decile
  FROM churn_risk WHERE churn_risk IS NOT NULL
)
SELECT w.as_of, w.past_day, k.decile, count(*) AS accounts, sum(k.risk) AS predicted_leavers,
  count(*) FILTER (has_left(e.is_live, e.churned_on, w.past_day)) AS leavers,
  predicted_leavers / nullif(leavers, 0) AS ratio, round(sum(s.arr), 2) AS arr,
  round(sum(s.arr * k.risk), 2) AS predicted_arr_lost,
  round(coalesce(sum(s.arr) FILTER (has_left(e.is_live, e.churned_on, w.past_day)), 0), 2) AS arr_lost,
  round(sqrt(sum(s.arr ** 2 * k.risk * (1 - k.risk))), 2) AS arr_lost_deviation,
  predicted_arr_lost / nullif(arr_lost, 0) AS arr_ratio
FROM past w JOIN ranked k USING (past_day)
JOIN account_revenue s ON s.as_of = w.past_day AND s.account_id = k.account_id
JOIN account_revenue e ON e.as_of = w.window_end AND e.account_id = k.account_id
GROUP BY ALL;
COPY risk_calibration TO 'published/risk_calibration' (FORMAT parquet, PARTITION_BY (as_of));

-- table: risk_calibration_summary
CREATE TABLE risk_calibration_summary AS
WITH summed AS (
  SELECT as_of, count(DISTINCT past_day) AS past_days, coalesce(sum(accounts), 0) AS accounts,
    coalesce(sum(predicted_leavers), 0) AS predicted_leavers, coalesce(sum(leavers), 0) AS leavers,
    coalesce(round(sum(arr), 2), 0) AS arr, coalesce(round(sum(predicted_arr_lost), 2), 0) AS predicted_arr_lost,
    coalesce(round(sum(arr_lost), 2), 0) AS arr_lost,
    coalesce(round(sqrt(sum(arr_lost_deviation ** 2)), 2), 0) AS arr_lost_deviation
  FROM days_of('risk_calibration_summary') LEFT JOIN risk_calibration USING (as_of) GROUP BY as_of
)
SELECT *, predicted_leavers / nullif(leavers, 0) AS ratio,
  predicted_arr_lost / nullif(arr_lost, 0) AS arr_ratio,
  policy('churn.calibration.lowest_ratio') AS lowest_ratio, policy('churn.calibration.highest_ratio') AS highest_ratio,
  CASE WHEN past_days = 0 THEN 'no_past_day'
       WHEN greatest(leavers, predicted_leavers) < policy('churn.calibration.min_leavers') THEN 'few_leavers' END AS reason,
  if(reason IS NULL, predicted_leavers NOT BETWEEN leavers * lowest_ratio AND leavers * highest_ratio
     OR predicted_arr_lost NOT BETWEEN arr_lost * lowest_ratio AND arr_lost * highest_ratio
      AND abs(predicted_arr_lost - arr_lost) > policy('churn.calibration.arr_deviations') * arr_lost_deviation, NULL) AS is_off
FROM summed;
COPY risk_calibration_summary TO 'published/risk_calibration_summary' (FORMAT parquet, PARTITION_BY (as_of));

-- table: expansion_scores
-- The percentile of the others: each account's own row is taken out of its group before counting.
CREATE TABLE expansion_scores AS
WITH accounts AS (
  SELECT p.as_of, p.account_id, p.arr, p.seats, p.employees, p.users_trend_net, p.events_trend_net, f.size_class,
    p.industry || ', ' || f.size_class AS narrow, p.arr / nullif(p.employees, 0) AS arr_per_employee,
    coalesce(p.last_expansion_on > s.day_12m_ago, false) AS grown
  FROM live p JOIN days_of('expansion_scores') USING (as_of) JOIN all_days s USING (as_of)
  LEFT JOIN firmographic_scores f USING (as_of, account_id)
), grouped AS (
  SELECT *, (arr_per_employee IS NOT NULL)::INT AS own, CASE
    WHEN narrow IS NOT NULL AND count(arr_per_employee) OVER (PARTITION BY as_of, narrow) - own
      >= policy('expansion.min_peers') THEN narrow
    WHEN size_class IS NOT NULL AND count(arr_per_employee) OVER (PARTITION BY as_of, size_class) - own
      >= policy('expansion.min_peers') THEN size_class
    ELSE 'all' END AS peer_group
  FROM accounts
), groups AS (
  SELECT as_of, peer_group, count(*) AS members, count(*) FILTER (grown) AS grown,
    list_sort(list(arr_per_employee) FILTER (arr_per_employee IS NOT NULL)) AS sorted
  FROM (SELECT as_of, narrow AS peer_group, grown, arr_per_employee FROM accounts WHERE narrow IS NOT NULL
        UNION ALL SELECT as_of, size_class, grown, arr_per_employee FROM accounts WHERE size_class IS NOT NULL
        UNION ALL SELECT as_of, 'all', grown, arr_per_employee FROM accounts)
  GROUP BY ALL
), left_out AS (
  SELECT g.*, p.members, p.grown AS group_grown, a.members AS all_members, a.grown AS all_grown,
    coalesce(list_position(p.sorted, g.arr_per_employee), 0) AS own_place,
    CASE WHEN p.sorted IS NULL THEN []::DOUBLE[] WHEN own_place = 0 THEN p.sorted
         ELSE p.sorted[:own_place - 1] || p.sorted[own_place + 1:] END AS others
  FROM grouped g JOIN groups p USING (as_of, peer_group) JOIN groups a ON a.as_of = g.as_of AND a.peer_group = 'all'
), measured AS (
  SELECT as_of, account_id, seats AS captured_seats, addressable(employees, seats) AS addressable_seats,
    1 - seats / nullif(addressable(employees, seats), 0) AS expansion_potential, peer_group, members - 1 AS peers,
    len(others) AS peers_with_employees,
    others[ceil(round(len(others) * policy('expansion.whitespace_percentile') / 100, 9))::INT] AS arr_per_employee_p75,
    round(if(arr_per_employee_p75 * employees IS NULL, NULL, greatest(arr_per_employee_p75 * employees - arr, 0)), 2)
      AS whitespace,
    (group_grown - grown::INT) / nullif(members - 1, 0) AS lookalike,
    (all_grown - grown::INT) / nullif(all_members - 1, 0) AS lookalike_base_rate,
    lookalike / nullif(lookalike_base_rate, 0) AS lookalike_lift,
    percentile(count(*) OVER (PARTITION BY as_of ORDER BY arr), count(*) OVER (PARTITION BY as_of, arr),
               count(*) OVER (PARTITION BY as_of)) AS arr_score,
    on_scale(mean_known([users_trend_net, events_trend_net]), policy('expansion.net_trend')) AS trajectory_score,
    whitespace / nullif(whitespace + arr, 0) * 100 AS whitespace_score, lookalike * 100 AS lookalike_score
  FROM left_out
), summed AS (
  SELECT *, nullif(if_known(arr_score, policy('expansion.weights.arr'))
    + if_known(trajectory_score, policy('expansion.weights.trajectory'))
    + if_known(whitespace_score, policy('expansion.weights.whitespace'))
    + if_known(lookalike_score, policy('expansion.weights.lookalike')), 0) AS known
  FROM measured
)
SELECT * EXCLUDE known, arr_score * policy('expansion.weights.arr') / known AS arr_points,
  trajectory_score * policy('expansion.weights.trajectory') / known AS trajectory_points,
  whitespace_score * policy('expansion.weights.whitespace') / known AS whitespace_points,
  lookalike_score * policy('expansion.weights.lookalike') / known AS lookalike_points,
  list_sum([arr_points, trajectory_points, whitespace_points, lookalike_points]) AS expansion_score
FROM summed;
COPY expansion_scores TO 'published/expansion_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_tenures
CREATE TABLE account_tenures AS
SELECT r.as_of, r.account_id, coalesce(size_class_of(c.employees, c.annual_revenue), 'unknown') AS cohort, r.first_paid_on,
  years_between(r.first_paid_on, r.as_of) AS renewals_due,
  years_between(r.first_paid_on, r.churned_on - 1) + 1 AS left_in_year,
  least(left_in_year - 1, renewals_due) AS renewals_made
FROM (FROM account_revenue SEMI JOIN days_of('account_tenures') USING (as_of)) r LEFT JOIN crm_at c USING (as_of, account_id)
WHERE r.first_paid_on IS NOT NULL;
COPY account_tenures TO 'published/account_tenures' (FORMAT parquet, PARTITION_BY (as_of));

-- table: cohort_renewals
CREATE TABLE cohort_renewals AS
SELECT as_of, cohort, year AS renewal_year, count(*) FILTER (left_in_year IS NULL OR left_in_year >= year) AS at_risk,
       count(*) FILTER (left_in_year = year) AS churned
FROM (SELECT *, unnest(range(renewals_due + 1)) AS year FROM account_tenures) GROUP BY ALL;
COPY cohort_renewals TO 'published/cohort_renewals' (FORMAT parquet, PARTITION_BY (as_of));

-- table: clv_parameters
-- The fit itself is the product's Python function on both sides; `hand_side` puts its result into fitted_parameters.
COPY fitted_parameters TO 'published/clv_parameters' (FORMAT parquet, PARTITION_BY (as_of));

-- table: clv_lifetimes
COPY fitted_lifetimes TO 'published/clv_lifetimes' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_value
CREATE TABLE account_value AS
WITH used AS (
  SELECT as_of, account_id, arr, gross_margin, mau_seat_share,
    coalesce(least(greatest(nrr_12m, policy('value.nrr_floor')), policy('value.nrr_ceiling')), policy('value.assumed_nrr'))
      AS nrr_any, nrr_12m,
    if(nrr_12m IS NULL, policy('value.assumed_nrr'),
       least(greatest(nrr_12m, policy('value.nrr_floor')), policy('value.nrr_ceiling'))) AS nrr_used,
    nrr_12m IS NULL AS nrr_is_assumed, coalesce(cost_to_serve, policy('value.assumed_cost')) AS cost_used,
    support_cost_12m IS NULL OR csm_cost_12m IS NULL OR custom_development_cost_12m IS NULL AS cost_is_assumed,
    seats / nullif(addressable(employees, seats), 0) AS captured_share
  FROM live SEMI JOIN days_of('account_value') USING (as_of)
), valued AS (
  SELECT *, to_cents(arr * nrr_used - cost_used) AS value_before_multiplier,
    if(value_before_multiplier > 0 AND captured_share < policy('value.whitespace_below_captured_share')
       AND mau_seat_share >= policy('value.whitespace_min_seat_activity'), policy('value.whitespace_multiplier'), 1)
      AS whitespace_multiplier, to_cents(value_before_multiplier * whitespace_multiplier) AS value
  FROM used
), lasting AS (
  SELECT v.* EXCLUDE (nrr_any, nrr_12m, mau_seat_share), l.method AS clv_method, l.is_flagged AS clv_is_flagged,
         round(v.gross_margin * l.derl, 2) AS clv
  FROM valued v LEFT JOIN account_tenures t USING (as_of, account_id)
  LEFT JOIN fitted_lifetimes l ON l.as_of = t.as_of AND l.cohort = t.cohort AND l.tenure_years = t.renewals_made
)
SELECT *, percentile(count(*) OVER (PARTITION BY as_of ORDER BY value), count(*) OVER (PARTITION BY as_of, value),
                     count(*) OVER (PARTITION BY as_of)) AS value_percentile,
  if(clv IS NULL, NULL, percentile(count(clv) OVER (PARTITION BY as_of ORDER BY clv NULLS LAST),
    count(clv) OVER (PARTITION BY as_of, clv), count(clv) OVER (PARTITION BY as_of))) AS clv_percentile
FROM lasting;
COPY account_value TO 'published/account_value' (FORMAT parquet, PARTITION_BY (as_of));

-- table: value_scores
CREATE TABLE value_scores AS
WITH cuts AS (
  SELECT as_of AS day,
    min(value) FILTER (reaches_share(value_percentile, policy('value_tier.platinum_share'))) AS cut_platinum,
    min(value) FILTER (reaches_share(value_percentile, policy('value_tier.platinum_share')
                                     + policy('value_tier.gold_share'))) AS cut_gold,
    min(value) FILTER (reaches_share(value_percentile, policy('value_tier.platinum_share')
                                     + policy('value_tier.gold_share') + policy('value_tier.silver_share'))) AS cut_silver
  FROM account_value GROUP BY as_of
), chosen AS (
  SELECT s.as_of, f.day AS frozen_on, if(f.day IS NULL, o.cut_platinum, f.cut_platinum) AS cut_platinum,
    if(f.day IS NULL, o.cut_gold, f.cut_gold) AS cut_gold, if(f.day IS NULL, o.cut_silver, f.cut_silver) AS cut_silver
  FROM all_days s LEFT JOIN cuts f ON f.day = s.freeze_day LEFT JOIN cuts o ON o.day = s.as_of
)
SELECT v.as_of, v.account_id, v.value, v.value_percentile AS value_score,
  CASE WHEN v.value >= c.cut_platinum THEN 'Platinum' WHEN v.value >= c.cut_gold THEN 'Gold'
       WHEN v.value >= c.cut_silver THEN 'Silver' ELSE 'Bronze' END AS value_tier,
  c.cut_platinum, c.cut_gold, c.cut_silver, c.frozen_on, v.clv, v.clv_percentile, v.gross_margin
FROM account_value v JOIN days_of('value_scores') USING (as_of) JOIN chosen c USING (as_of);
COPY value_scores TO 'published/value_scores' (FORMAT parquet, PARTITION_BY (as_of));

-- table: composite_scores
CREATE TABLE composite_scores AS
WITH joined AS (
  SELECT p.as_of, p.account_id, firmographic_score AS f, technographic_score AS t, behavioral_score AS b,
         value_score AS v, needs_score AS n,
    if_known(f, policy('composite.weights.firmographic')) + if_known(t, policy('composite.weights.technographic'))
      + if_known(b, policy('composite.weights.behavioral')) + if_known(v, policy('composite.weights.value'))
      + if_known(n, policy('composite.weights.needs')) AS known
  FROM live p JOIN days_of('composite_scores') USING (as_of)
  LEFT JOIN firmographic_scores USING (as_of, account_id) LEFT JOIN technographic_scores USING (as_of, account_id)
  LEFT JOIN behavioral_scores USING (as_of, account_id) LEFT JOIN value_scores USING (as_of, account_id)
  LEFT JOIN needs_scores USING (as_of, account_id)
), weighed AS (
  SELECT *, if(f IS NULL, NULL, policy('composite.weights.firmographic') / known) AS firmographic_weight,
    if(t IS NULL, NULL, policy('composite.weights.technographic') / known) AS technographic_weight,
    if(b IS NULL, NULL, policy('composite.weights.behavioral') / known) AS behavioral_weight,
    if(v IS NULL, NULL, policy('composite.weights.value') / known) AS value_weight,
    if(n IS NULL, NULL, policy('composite.weights.needs') / known) AS needs_weight
  FROM joined
)
SELECT as_of, account_id, firmographic_weight, technographic_weight, behavioral_weight, value_weight, needs_weight,
  f * firmographic_weight AS firmographic_points, t * technographic_weight AS technographic_points,
  b * behavioral_weight AS behavioral_points, v * value_weight AS value_points, n * needs_weight AS needs_points,
  list_sum([firmographic_points, technographic_points, behavioral_points, value_points, needs_points]) AS composite_score,
  known / 100 AS data_completeness,
  array_to_string(list_filter([
    if(f IS NULL, NULL, 'firmographic'), if(t IS NULL, NULL, 'technographic'), if(b IS NULL, NULL, 'behavioral'),
    if(v IS NULL, NULL, 'value'), if(n IS NULL, NULL, 'needs')], lambda d: d IS NOT NULL), ', ') AS dimensions_used
FROM weighed;
COPY composite_scores TO 'published/composite_scores' (FORMAT parquet, PARTITION_BY (as_of));
