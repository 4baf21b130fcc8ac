-- Days, rates, and what each account paid at the ends of each period. Reads the published tables as views of their
-- names; `asked` (as_of) says which days are wanted. Written for the default policy: no renewal grace, days in UTC.

CREATE MACRO months_ago(day, months) AS
  if(day = last_day(day), last_day(day - to_months(months)), (day - to_months(months))::DATE);
CREATE MACRO cents(amount) AS round(amount, 2);
CREATE TABLE windows AS
SELECT as_of, unnest(policy('retention.windows_months'))::BIGINT AS window_months,
       months_ago(as_of, window_months::INTEGER) AS starts_on
FROM asked;
-- 0: the month to date.
CREATE TABLE spans AS
FROM windows UNION ALL SELECT as_of, 0, (date_trunc('month', as_of)::DATE - 1) FROM asked;
CREATE TABLE rates AS
SELECT s.as_of, s.window_months, currency,
  coalesce(arg_max(rate, valid_from) FILTER (valid_from <= s.starts_on), arg_min(rate, valid_from)) AS rate_then,
  coalesce(arg_max(rate, valid_from) FILTER (valid_from <= s.as_of), arg_min(rate, valid_from)) AS rate_now
FROM fx_rates f JOIN spans s ON s.as_of >= f.known_from AND s.as_of < f.known_to
WHERE currency <> policy('company.reporting_currency') GROUP BY ALL
UNION ALL SELECT as_of, window_months, policy('company.reporting_currency'), 1, 1 FROM spans;
CREATE TABLE survivors AS
SELECT as_of, account_id, surviving_account_id FROM account_hierarchy SEMI JOIN asked USING (as_of);
-- The next step of the same subscription ends the one before, whether or not its end is known (least ignores nulls).
CREATE TABLE paid AS
FROM (
  SELECT a.as_of, coalesce(h.surviving_account_id, b.account_id) AS account_id, b.start_date, b.mrr, b.currency,
    coalesce(b.product, '') AS product, coalesce(b.plan, '') AS plan, b.seats,
    least(lead(b.start_date) OVER (PARTITION BY a.as_of, b.subscription_id ORDER BY b.start_date),
          CASE WHEN b.end_date IS NOT NULL AND greatest(b.end_date, b.end_known_on) <= a.as_of
               THEN greatest(b.end_date, b.end_known_on) END) AS over_on
  FROM billing_subscriptions b
  JOIN asked a ON b.start_date <= a.as_of AND a.as_of >= b.known_from AND a.as_of < b.known_to
  LEFT JOIN survivors h ON h.as_of = a.as_of AND h.account_id = b.account_id
)
WHERE mrr > 0;
CREATE TABLE points AS
SELECT p.as_of, s.window_months, s.starts_on, p.account_id, min(start_date) AS first_paid_on,
  coalesce(sum(mrr * rate_then) FILTER (start_date <= starts_on AND (over_on IS NULL OR over_on > starts_on)), 0)
    AS mrr_then,
  coalesce(sum(mrr * rate_then) FILTER (over_on IS NULL), 0) AS mrr_now,
  coalesce(sum(mrr * rate_now) FILTER (over_on IS NULL), 0) AS mrr_now_current
FROM paid p JOIN spans s USING (as_of) JOIN rates r USING (as_of, window_months, currency)
GROUP BY ALL;
-- What grew: another product or plan, more seats of the same at the price of before, or its price.
CREATE TABLE kinds AS
WITH lines AS (
  SELECT as_of, window_months, account_id,
    count(*) FILTER (was) AS n_before, count(*) FILTER (over_on IS NULL) AS n_after,
    coalesce(sum(mrr * rate_then) FILTER (was), 0) AS before,
    coalesce(sum(mrr * rate_then) FILTER (over_on IS NULL), 0) AS after,
    sum(seats) FILTER (was) AS seats_before, sum(seats) FILTER (over_on IS NULL) AS seats_after
  FROM (SELECT *, start_date <= starts_on AND (over_on IS NULL OR over_on > starts_on) AS was
        FROM paid p JOIN spans s USING (as_of) JOIN rates r USING (as_of, window_months, currency))
  WHERE was OR over_on IS NULL GROUP BY as_of, window_months, account_id, product, plan
), parts AS (
  SELECT as_of, window_months, account_id, sum(after - before) AS rise,
    sum(CASE WHEN n_before = 0 OR n_after = 0 THEN after - before ELSE 0 END) AS by_product,
    sum(CASE WHEN n_before = 0 OR n_after = 0 THEN 0
             WHEN seats_before > 0 AND seats_after IS NOT NULL
             THEN (seats_after - seats_before) * before / seats_before ELSE after - before END) AS by_volume
  FROM lines GROUP BY ALL
)
SELECT as_of, window_months, account_id, greatest(round(by_product, 9), 0) AS product,
  greatest(round(by_volume, 9), 0) AS volume, greatest(round(rise - by_product - by_volume, 9), 0) AS price
FROM parts;
CREATE MACRO moved(factor) AS TABLE
SELECT *, least(coalesce(cents(grown * volume / nullif(volume + product + price, 0)), 0), grown) AS grown_volume,
  least(coalesce(cents(grown * product / nullif(volume + product + price, 0)), 0), cents(grown - grown_volume))
    AS grown_product,
  cents(grown - grown_volume - grown_product) AS grown_price
FROM (
SELECT *,
  CASE WHEN a = 0 AND first_paid_on > starts_on THEN 'new' WHEN a = 0 THEN 'reactivation' WHEN b = 0 THEN 'churn'
       WHEN b > a THEN 'expansion' WHEN b < a THEN 'contraction' ELSE 'flat' END AS movement,
  if(movement = 'new', b, 0) AS gained, if(movement = 'reactivation', b, 0) AS back,
  if(movement = 'expansion', cents(b - a), 0) AS grown, if(movement = 'contraction', cents(a - b), 0) AS shrunk,
  if(movement = 'churn', a, 0) AS lost
FROM (SELECT *, cents(round(mrr_then, 9) * factor) AS a, cents(round(mrr_now, 9) * factor) AS b,
             cents(round(mrr_now_current, 9) * factor) AS b_current FROM points)
WHERE a > 0 OR b > 0
) LEFT JOIN kinds USING (as_of, window_months, account_id);

-- table: account_periods
CREATE TABLE account_periods AS
SELECT m.as_of, m.account_id, m.window_months, m.starts_on, a AS start_arr, b AS end_arr, b_current AS end_arr_current,
  least(a, b) AS retained_arr, movement, gained AS new_arr, grown AS expansion_arr, grown_volume AS expansion_volume_arr,
  grown_product AS expansion_product_arr, grown_price AS expansion_price_arr, 0 AS paused_arr, 0 AS resumed_arr,
  shrunk AS contraction_arr,
  lost AS churned_arr, back AS reactivated_arr, cents(b_current - b) AS fx_arr,
  if(a > 0, coalesce(t0.coverage_tier, 'unassigned'), NULL) AS start_tier,
  if(b > 0, coalesce(t1.coverage_tier, 'unassigned'), NULL) AS end_tier,
  if(a > 0, coalesce(t0.segment, 'unassigned'), NULL) AS start_segment,
  if(b > 0, coalesce(t1.segment, 'unassigned'), NULL) AS end_segment,
  coalesce(h.top_account_id, m.account_id) AS parent_account_id, if(a > 0, r.renewal_on, NULL) AS renewal_on
FROM moved(12) m
LEFT JOIN account_revenue r ON r.as_of = m.starts_on AND r.account_id = m.account_id
LEFT JOIN segments t0 ON t0.as_of = m.starts_on AND t0.account_id = m.account_id
LEFT JOIN segments t1 ON t1.as_of = m.as_of AND t1.account_id = m.account_id
LEFT JOIN account_hierarchy h ON h.as_of = m.starts_on AND h.account_id = m.account_id
WHERE m.window_months > 0;
COPY account_periods TO 'published/account_periods' (FORMAT parquet, PARTITION_BY (as_of));

-- table: revenue_movements
COPY (
  SELECT as_of, account_id, date_trunc('month', as_of)::DATE AS month, a AS start_mrr, movement, gained AS new_mrr,
    grown AS expansion_mrr, grown_volume AS expansion_volume_mrr, grown_product AS expansion_product_mrr,
    grown_price AS expansion_price_mrr, 0 AS paused_mrr, 0 AS resumed_mrr, shrunk AS contraction_mrr, lost AS churned_mrr, back AS reactivated_mrr,
    cents(b_current - b) AS fx_mrr, b_current AS end_mrr
  FROM moved(1) WHERE window_months = 0
) TO 'published/revenue_movements' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_standings
CREATE TABLE account_standings AS
WITH pipeline AS (
  SELECT a.as_of, h.surviving_account_id AS account_id, sum(amount_arr) AS amount
  FROM opportunities o JOIN asked a ON o.created_on <= a.as_of AND a.as_of >= o.known_from AND a.as_of < o.known_to
  JOIN survivors h ON h.as_of = a.as_of AND h.account_id = o.account_id
  WHERE kind = 'expansion' AND (stage = 'open' OR closed_on > a.as_of) GROUP BY ALL
), first_opportunity AS (SELECT min(greatest(created_on, known_from)) AS first_on FROM opportunities)
SELECT r.as_of, r.account_id, coalesce(s.coverage_tier, 'unassigned') AS coverage_tier,
  coalesce(s.segment, 'unassigned') AS segment, r.arr, h.health_score, c.cost_to_serve, c.gross_margin,
  if(first_on <= r.as_of AND k.account_id IS NOT NULL, coalesce(p.amount, 0), NULL) AS expansion_pipeline
FROM account_revenue r SEMI JOIN asked USING (as_of)
LEFT JOIN segments s USING (as_of, account_id) LEFT JOIN health_scores h USING (as_of, account_id)
LEFT JOIN account_costs c USING (as_of, account_id) LEFT JOIN pipeline p USING (as_of, account_id)
LEFT JOIN (SELECT DISTINCT as_of, surviving_account_id AS account_id FROM survivors) k USING (as_of, account_id),
  first_opportunity
WHERE r.is_live;
COPY account_standings TO 'published/account_standings' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_workloads
CREATE TABLE productive AS
SELECT w.as_of, w.window_months, csm_id,
  greatest(w.as_of - w.starts_on - greatest(coalesce(starts - w.starts_on - 1, 0), 0)
           - greatest(coalesce(w.as_of - ends + 1, 0), 0), 0) * weekly_hours / 7
    * (policy('productivity.productive_share') * (1 - policy('productivity.admin_share'))) AS hours_available
FROM (SELECT csm_id, weekly_hours, starts_on AS starts, ends_on AS ends, known_from, known_to FROM csm_roster) r
JOIN windows w ON w.as_of >= r.known_from AND w.as_of < r.known_to
WHERE weekly_hours IS NOT NULL;
CREATE TABLE account_workloads AS
WITH tickets AS (
  SELECT w.as_of, w.window_months, h.surviving_account_id AS account_id, count(*) AS tickets
  FROM support_tickets t
  JOIN windows w ON opened_at::DATE <= w.as_of AND opened_at::DATE > w.starts_on
    AND w.as_of >= t.known_from AND w.as_of < t.known_to
  JOIN survivors h ON h.as_of = w.as_of AND h.account_id = t.account_id GROUP BY ALL
), sessions AS (
  SELECT w.as_of, w.window_months, h.surviving_account_id AS account_id, sum(sessions) AS sessions
  FROM self_service_sessions t
  JOIN windows w ON used_on <= w.as_of AND used_on > w.starts_on AND w.as_of >= t.known_from AND w.as_of < t.known_to
  JOIN survivors h ON h.as_of = w.as_of AND h.account_id = t.account_id GROUP BY ALL
), logged AS (
  SELECT w.as_of, w.window_months, h.surviving_account_id AS account_id, csm_id, sum(hours) AS hours
  FROM csm_time_entries t
  JOIN windows w ON worked_on <= w.as_of AND worked_on > w.starts_on
    AND w.as_of >= t.known_from AND w.as_of < t.known_to
  JOIN survivors h ON h.as_of = w.as_of AND h.account_id = t.account_id GROUP BY ALL
), books AS (
  SELECT as_of, account_id, csm_id, entitled / sum(entitled) OVER (PARTITION BY as_of, csm_id) AS book_share
  FROM (
    SELECT as_of, account_id, csm_id, CASE coverage_tier WHEN 'Strategic' THEN 8 WHEN 'Growth' THEN 2.5
        WHEN 'Core' THEN 0.6 ELSE 0 END
      + greatest(if(segment = 'At-Risk', policy('care.segment_hours_per_month.At-Risk'), 0),
                 if(coverage_override IS NOT NULL, policy('care.override_hours_per_month'), 0)) AS entitled
    FROM segments JOIN asked USING (as_of) WHERE csm_id IS NOT NULL
  ) WHERE entitled > 0
), pairs AS (
  SELECT as_of, window_months, account_id, csm_id, hours, book_share,
    bool_or(book_share IS NOT NULL) OVER (PARTITION BY as_of, csm_id) AS has_book,
    hours / nullif(sum(hours) OVER (PARTITION BY as_of, window_months, csm_id), 0) AS hours_share
  FROM (SELECT as_of, window_months, account_id, csm_id, book_share FROM books JOIN windows USING (as_of))
  FULL JOIN logged USING (as_of, window_months, account_id, csm_id)
), hours AS (
  SELECT as_of, window_months, account_id, sum(hours) AS csm_hours,
    sum(hours) FILTER (hours_available IS NOT NULL) AS rostered,
    sum(hours_available * if(has_book, book_share, hours_share)) AS productive
  FROM pairs LEFT JOIN productive USING (as_of, window_months, csm_id) GROUP BY ALL
), first_days AS (
  SELECT (SELECT min(greatest(opened_at::DATE, known_from)) FROM support_tickets) AS opened,
         (SELECT min(greatest(used_on, known_from)) FROM self_service_sessions) AS used,
         (SELECT min(greatest(worked_on, known_from)) FROM csm_time_entries WHERE account_id IS NOT NULL) AS worked
)
SELECT k.as_of, k.account_id, w.window_months, w.starts_on,
  if(opened <= k.as_of, coalesce(tickets, 0), NULL) AS tickets,
  if(used <= k.as_of, coalesce(sessions, 0), NULL) AS self_service_sessions,
  if(worked <= k.as_of, coalesce(csm_hours, 0), NULL) AS csm_hours,
  if(worked <= k.as_of, coalesce(rostered, 0), NULL) AS rostered_csm_hours,
  if(worked <= k.as_of, coalesce(productive, 0), NULL) AS productive_hours
FROM (SELECT DISTINCT as_of, surviving_account_id AS account_id FROM survivors) k JOIN windows w USING (as_of)
LEFT JOIN tickets USING (as_of, window_months, account_id)
LEFT JOIN sessions USING (as_of, window_months, account_id)
LEFT JOIN hours USING (as_of, window_months, account_id), first_days;
COPY account_workloads TO 'published/account_workloads' (FORMAT parquet, PARTITION_BY (as_of));
