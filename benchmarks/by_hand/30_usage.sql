-- How each account uses the product.

-- table: usage_days
COPY (
  SELECT usage_date, account_id, user_id, sum(event_count) AS events, sum(session_count) AS sessions,
         sum(session_minutes) AS minutes, sum(error_count) AS errors
  FROM read_parquet('published/product_usage/*/*.parquet', hive_partitioning = true)
  GROUP BY ALL HAVING sum(event_count) > 0 OR sum(session_count) > 0
) TO 'published/usage_days' (FORMAT parquet, PARTITION_BY (usage_date));

-- table: usage_last_days
-- A day is complete beside the earlier ones of its weekday that had usage; the first of a weekday, and one after more
-- than a week of silence, beside all earlier days.
CREATE TABLE usage_last_days AS
WITH sizes AS (
  SELECT usage_date, count(*) AS users, isodow(usage_date) AS weekday
  FROM read_parquet('published/usage_days/*/*.parquet', hive_partitioning = true) GROUP BY usage_date
), seen AS (
  SELECT as_of, usage_date, users, usage_date - lag(usage_date) OVER w <= 7 AS follows_on,
    list(users) OVER (PARTITION BY as_of, weekday ORDER BY usage_date) AS on_weekday, list(users) OVER w AS so_far
  FROM days_of('usage_last_days') d
  JOIN sizes u ON u.usage_date <= d.as_of AND u.usage_date > d.as_of - policy('usage.look_back_days')
  WINDOW w AS (PARTITION BY as_of ORDER BY usage_date)
)
SELECT as_of, max(usage_date) AS usage_through, as_of - max(usage_date) AS usage_lag_days
FROM seen
WHERE len(so_far) = 1
   OR users >= policy('usage.complete_day_share') * CASE WHEN follows_on AND len(on_weekday) > 1
     THEN list_avg(on_weekday[:-2][-policy('usage.usual_weeks'):])
     ELSE list_avg(so_far[:-2][-7 * policy('usage.usual_weeks'):]) END
GROUP BY as_of;
COPY usage_last_days TO 'published/usage_last_days' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_usage in batches of 15 days
-- `batch` holds the days of one turn: all at once do not fit into memory.
CREATE OR REPLACE TABLE usage_windows AS
SELECT as_of, usage_through AS company_through
FROM usage_last_days SEMI JOIN batch USING (as_of) WHERE usage_lag_days <= policy('usage.max_lag_days');

-- Licensed seats from day to day (exclusive) without a gap; null where there are none.
CREATE OR REPLACE TABLE seat_levels AS
WITH steps AS (
  SELECT as_of, account_id, day, sum(n) AS n, sum(seats) AS seats, sum(said) AS said FROM (
    SELECT as_of, account_id, start_date AS day, 1 AS n, coalesce(seats, 0) AS seats, (seats IS NOT NULL)::INT AS said
    FROM subscriptions SEMI JOIN batch USING (as_of) WHERE is_paid
    UNION ALL
    SELECT as_of, account_id, over_on, -1, -coalesce(seats, 0), -(seats IS NOT NULL)::INT
    FROM subscriptions SEMI JOIN batch USING (as_of) WHERE is_paid AND over_on IS NOT NULL
    UNION ALL
    SELECT DISTINCT as_of, account_id, always(), 0, 0, 0 FROM subscriptions SEMI JOIN batch USING (as_of) WHERE is_paid
  ) GROUP BY ALL
), levels AS (
  SELECT as_of, account_id, day, lead(day) OVER w AS until, sum(n) OVER w AS n, sum(seats) OVER w AS seats,
         sum(said) OVER w AS said
  FROM steps WINDOW w AS (PARTITION BY as_of, account_id ORDER BY day)
)
SELECT l.as_of, account_id, day, until, n, if(n > 0 AND said > 0 AND seats > 0, seats::BIGINT, NULL) AS seats
FROM levels l JOIN usage_windows w USING (as_of)
WHERE until IS NULL OR until > l.as_of - policy('usage.look_back_days');
CREATE OR REPLACE TABLE seat_spans AS FROM seat_levels WHERE seats IS NOT NULL;

CREATE OR REPLACE TABLE paying AS
SELECT s.as_of, s.account_id, s.seats AS seats_now FROM seat_levels s
WHERE s.day <= s.as_of AND s.until IS NULL AND s.n > 0;
-- Usage names accounts by the id they had before they were merged.
CREATE OR REPLACE TABLE paying_ids AS
SELECT as_of, account_id AS used_by, account_id FROM paying
UNION ALL
SELECT s.as_of, s.account_id, s.surviving_account_id FROM survivors s
JOIN paying l ON l.as_of = s.as_of AND l.account_id = s.surviving_account_id
WHERE s.account_id <> s.surviving_account_id;

-- Windows end at the company's last complete day; where an account's own feed is late, at its own last day.
CREATE OR REPLACE TABLE account_windows AS
WITH daily AS (
  SELECT i.as_of, i.account_id, usage_date, count(*) AS users, any_value(company_through) AS company_through
  FROM read_parquet('published/usage_days/*/*.parquet', hive_partitioning = true) u
  JOIN paying_ids i ON i.used_by = u.account_id JOIN usage_windows w USING (as_of)
  WHERE usage_date <= company_through AND usage_date > i.as_of - policy('usage.look_back_days') GROUP BY ALL
), ends AS (
  SELECT as_of, account_id, max(usage_date) AS last_used_on, any_value(company_through) AS company_through
  FROM daily GROUP BY ALL
  HAVING company_through - last_used_on > policy('usage.feed.silent_days')
    AND as_of - last_used_on <= policy('usage.max_lag_days')
), late AS (
  SELECT as_of, account_id, last_used_on FROM ends JOIN daily USING (as_of, account_id)
  WHERE usage_date > last_used_on - 28 GROUP BY ALL
  HAVING count(*) >= policy('usage.feed.regular_days')
    AND sum(users) FILTER (usage_date > last_used_on - 7) >= greatest(policy('usage.feed.least_user_days'),
      policy('usage.complete_day_share') * coalesce(sum(users) FILTER (usage_date <= last_used_on - 7), 0) / 3)
)
SELECT as_of, account_id, last_used_on IS NOT NULL AS is_feed_late,
       coalesce(last_used_on, company_through) AS usage_through,
       usage_through - (policy('usage.window_days') - 1) AS window_start,
       usage_through - (2 * policy('usage.window_days') - 1) AS prior_start,
       usage_through - (policy('usage.week_days') - 1) AS week_start,
       date_trunc('month', usage_through)::DATE AS month_start
FROM paying JOIN usage_windows USING (as_of) LEFT JOIN late USING (as_of, account_id);

-- Users who count at each as_of, with their department. Of a service user only events and errors do.
CREATE OR REPLACE TABLE people AS
SELECT w.as_of, user_id, account_id, department, created_on,
       coalesce(deactivated_on > w.as_of, true) AS counts, coalesce(is_service_user, false) AS is_service
FROM product_users u JOIN usage_windows w ON w.as_of >= u.known_from AND w.as_of < u.known_to;

-- Days of one account's windows on which its seats do not change.
CREATE OR REPLACE TABLE spans AS
SELECT w.*, i.used_by, s.seats, greatest(s.day, least(w.prior_start, w.month_start)) AS from_day,
       coalesce(least(s.until - 1, w.usage_through), w.usage_through) AS to_day
FROM paying_ids i JOIN account_windows w USING (as_of, account_id) JOIN seat_levels s USING (as_of, account_id)
WHERE s.day <= w.usage_through;

CREATE OR REPLACE TABLE user_usage AS
WITH used AS (
  SELECT s.as_of, s.account_id, u.user_id,
    bit_or(1::BIGINT << (s.usage_through - u.usage_date)) FILTER (u.usage_date >= s.window_start) AS days,
    bool_or(u.usage_date < s.window_start AND u.usage_date >= s.prior_start) AS in_prior,
    bool_or(u.usage_date >= s.week_start) AS in_week, bool_or(u.usage_date >= s.month_start) AS in_month,
    sum(CASE WHEN u.usage_date >= s.window_start THEN u.events END) AS events,
    sum(CASE WHEN u.usage_date < s.window_start AND u.usage_date >= s.prior_start THEN u.events END) AS events_prior,
    sum(CASE WHEN u.usage_date >= s.window_start THEN u.sessions END) AS sessions,
    sum(CASE WHEN u.usage_date < s.window_start AND u.usage_date >= s.prior_start THEN u.sessions END) AS sessions_prior,
    sum(CASE WHEN u.usage_date >= s.window_start THEN u.minutes END) AS minutes,
    sum(CASE WHEN u.usage_date < s.window_start AND u.usage_date >= s.prior_start THEN u.minutes END) AS minutes_prior,
    sum(CASE WHEN u.usage_date >= s.window_start THEN u.errors END) AS errors,
    sum(CASE WHEN u.usage_date >= s.window_start THEN 1 / s.seats END) AS seat_days
  FROM (FROM read_parquet('published/usage_days/*/*.parquet', hive_partitioning = true)
        WHERE usage_date BETWEEN (SELECT min(from_day) FROM spans) AND (SELECT max(usage_through) FROM spans)) u
  JOIN spans s ON s.used_by = u.account_id AND u.usage_date BETWEEN s.from_day AND s.to_day
  GROUP BY ALL
)
SELECT u.*, p.department, coalesce(p.is_service, false) AS is_service
FROM used u LEFT JOIN people p USING (as_of, user_id) WHERE coalesce(p.counts, true);

CREATE OR REPLACE TABLE account_usage_batch AS
WITH sums AS (
  SELECT as_of, account_id, count(*) FILTER (days <> 0) AS mau, count(*) FILTER (in_prior) AS was_active,
    count(*) FILTER (in_week) AS wau, count(*) FILTER (in_month) AS mau_calendar_month,
    sum(bit_count(days)) AS user_days, bit_or(days) AS days,
    count(*) FILTER (bit_count(days) >= policy('usage.power_user_days')) AS power_users,
    sum(events) AS events, sum(events_prior) AS events_prior, sum(sessions) AS sessions,
    sum(sessions_prior) AS sessions_prior, sum(minutes) AS minutes, sum(minutes_prior) AS minutes_prior,
    sum(seat_days) AS seat_days, max(events) AS top_events
  FROM user_usage WHERE NOT is_service GROUP BY ALL
), volumes AS (  -- of people and service users
  SELECT as_of, account_id, sum(events) AS all_events, sum(events_prior) AS all_events_prior, sum(errors) AS errors
  FROM user_usage GROUP BY ALL
), seat_days AS (
  SELECT s.as_of, s.account_id, s.seats,
    greatest(least(coalesce(s.until, w.usage_through + 1), w.usage_through + 1) - greatest(s.day, w.window_start), 0) AS in_window,
    greatest(least(coalesce(s.until, w.usage_through + 1), w.usage_through + 1) - greatest(s.day, w.week_start), 0) AS in_week,
    greatest(least(coalesce(s.until, w.usage_through + 1), w.usage_through + 1) - greatest(s.day, w.month_start), 0) AS in_month
  FROM seat_spans s JOIN account_windows w USING (as_of, account_id)
), seats AS (
  SELECT as_of, account_id, sum(in_window) AS licensed_days,
    sum(seats * in_window) / nullif(sum(in_window), 0) AS in_window,
    sum(seats * in_week) / nullif(sum(in_week), 0) AS in_week,
    sum(seats * in_month) / nullif(sum(in_month), 0) AS in_month
  FROM seat_days GROUP BY ALL
), staffed AS (  -- departments of all users, and those with an active one
  SELECT as_of, account_id, department, bool_or(is_active) AS is_active FROM (
    SELECT p.as_of, coalesce(s.surviving_account_id, p.account_id) AS account_id, department, false AS is_active
    FROM people p LEFT JOIN survivors s USING (as_of, account_id)
    WHERE counts AND NOT is_service AND department IS NOT NULL AND coalesce(created_on <= as_of, true)
    UNION ALL
    SELECT as_of, account_id, department, true FROM user_usage WHERE days <> 0 AND NOT is_service AND department IS NOT NULL
  ) GROUP BY ALL
), departments AS (
  SELECT as_of, account_id, count(*) AS departments, count(*) FILTER (is_active) AS departments_active
  FROM staffed GROUP BY ALL
), champions AS (
  SELECT as_of, account_id, count(*) AS new_champions FROM (
    SELECT *, row_number() OVER (PARTITION BY as_of, account_id ORDER BY coalesce(events, 0) DESC, user_id) AS place,
      row_number() OVER (PARTITION BY as_of, account_id ORDER BY coalesce(events_prior, 0) DESC, user_id) AS place_prior
    FROM user_usage WHERE NOT is_service
  ) WHERE events > 0 AND place <= policy('usage.champions')
    AND NOT (coalesce(events_prior, 0) > 0 AND place_prior <= policy('usage.champions'))
  GROUP BY ALL
), features AS (
  SELECT w.as_of, f.feature, f.product, f.level, f.is_key
  FROM product_features f JOIN usage_windows w ON w.as_of >= f.known_from AND w.as_of < f.known_to
), feature_use AS (
  SELECT w.as_of, w.account_id, u.feature, sum(u.event_count) AS events
  FROM (FROM read_parquet('published/product_usage/*/*.parquet', hive_partitioning = true)
        WHERE usage_date BETWEEN (SELECT min(window_start) FROM account_windows)
                             AND (SELECT max(usage_through) FROM account_windows)) u
  JOIN (FROM paying_ids JOIN account_windows USING (as_of, account_id)) w
    ON w.used_by = u.account_id AND u.usage_date BETWEEN w.window_start AND w.usage_through
  ANTI JOIN (FROM people WHERE NOT counts OR is_service) p ON p.as_of = w.as_of AND p.user_id = u.user_id
  GROUP BY ALL HAVING sum(u.event_count) > 0
), paid_products AS (
  SELECT DISTINCT as_of, account_id, product FROM subscriptions SEMI JOIN batch USING (as_of) WHERE is_paid AND over_on IS NULL
), paid_features AS (
  SELECT p.as_of, p.account_id, count(DISTINCT f.feature) AS features,
         count(DISTINCT f.feature) FILTER (f.level = 'advanced') AS advanced
  FROM paid_products p JOIN features f ON f.as_of = p.as_of AND (f.product = p.product OR f.product IS NULL)
  GROUP BY ALL
), used_features AS (
  SELECT u.as_of, u.account_id, count(*) AS features_used,
    count(*) FILTER (f.feature IS NOT NULL AND (f.product IS NULL OR p.product IS NOT NULL)) AS paid_used,
    count(*) FILTER (f.level = 'advanced' AND (f.product IS NULL OR p.product IS NOT NULL)) AS advanced_used,
    sum(u.events) FILTER (f.is_key) AS key_events
  FROM feature_use u LEFT JOIN features f ON f.as_of = u.as_of AND f.feature = u.feature
  LEFT JOIN paid_products p ON p.as_of = u.as_of AND p.account_id = u.account_id AND p.product = f.product
  GROUP BY ALL
), key_days AS (SELECT as_of, bool_or(is_key) AS has_key FROM features GROUP BY as_of),
weekdays AS (  -- bits of the window's days from Monday to Friday
  SELECT usage_through, bit_or(1::BIGINT << back) AS weekdays
  FROM (SELECT DISTINCT usage_through FROM account_windows), range(policy('usage.window_days')) t(back)
  WHERE isodow(usage_through - back::INT) <= 5 GROUP BY usage_through
), joined AS (
  SELECT l.*, w.usage_through, w.is_feed_late, s.* EXCLUDE (as_of, account_id), d.weekdays, g.departments, g.departments_active,
    t.licensed_days, t.in_window AS seats_in_window, t.in_week AS seats_in_week, t.in_month AS seats_in_month,
    c.new_champions, f.features_used, f.paid_used, f.advanced_used, f.key_events, p.features, p.advanced, k.has_key,
    v.* EXCLUDE (as_of, account_id), coalesce(s.mau, 0) AS users, coalesce(v.all_events, 0) AS events_28d
  FROM paying l JOIN account_windows w USING (as_of, account_id) JOIN weekdays d USING (usage_through)
  LEFT JOIN sums s USING (as_of, account_id) LEFT JOIN volumes v USING (as_of, account_id) LEFT JOIN seats t USING (as_of, account_id)
  LEFT JOIN departments g USING (as_of, account_id) LEFT JOIN champions c USING (as_of, account_id)
  LEFT JOIN used_features f USING (as_of, account_id) LEFT JOIN paid_features p USING (as_of, account_id)
  LEFT JOIN key_days k USING (as_of)
), figures AS (
  SELECT as_of, account_id, usage_through, is_feed_late, as_of - usage_through AS usage_lag_days, users AS active_users_28d,
    coalesce(was_active, 0) AS active_users_prior_28d, events_28d, coalesce(all_events_prior, 0) AS events_prior_28d,
    if(users > 0, minutes, 0) AS minutes_28d, if(was_active > 0, minutes_prior, 0) AS minutes_prior_28d,
    coalesce(user_days, 0) / policy('usage.window_days') AS dau, coalesce(wau, 0) AS wau, users AS mau,
    coalesce(mau_calendar_month, 0) AS mau_calendar_month,
    if(seats_now > 0, coalesce(seat_days / nullif(licensed_days, 0), 0), NULL) AS dau_seat_share,
    if(seats_now > 0, coalesce(wau, 0) / coalesce(seats_in_week, seats_now), NULL) AS wau_seat_share,
    if(seats_now > 0, users / coalesce(seats_in_window, seats_now), NULL) AS mau_seat_share,
    if(seats_now > 0, coalesce(mau_calendar_month, 0) / coalesce(seats_in_month, seats_now), NULL) AS calendar_month_seat_share,
    mau_seat_share AS active_seat_share,  -- the window is last_28_days
    active_seat_share >= policy('usage.active_account_share') AS is_active_account,
    coalesce(user_days / policy('usage.window_days') / nullif(users, 0), 0) AS stickiness,
    coalesce(features_used, 0) AS features_used,
    coalesce(paid_used, 0) / nullif(features, 0) AS feature_breadth_share, departments_active,
    departments_active / departments AS department_breadth_share,
    if(has_key, coalesce(key_events / nullif(users, 0), 0), NULL) AS key_events_per_active_user,
    nullif(features, 0) - coalesce(paid_used, 0) AS unused_paid_features,
    coalesce(advanced_used, 0) / nullif(advanced, 0) AS ladder_level,
    bit_count(coalesce(days, 0)) AS active_days_28d,
    bit_count(coalesce(days, 0) & weekdays) / bit_count(weekdays) AS consistency,
    if(users > 0, sessions, 0) / greatest(users, 1) AS logins_per_user,
    if(users > 0, minutes, 0) / greatest(users, 1) AS minutes_per_user,
    if(users > 0, sessions, 0) / nullif(sessions_prior, 0) - 1 AS logins_trend,
    if(users > 0, minutes, 0) / nullif(minutes_prior, 0) - 1 AS minutes_trend,
    users / nullif(was_active, 0) - 1 AS users_trend, events_28d / nullif(all_events_prior, 0) - 1 AS events_trend,
    errors / nullif(all_events, 0) AS error_rate, top_events / nullif(events, 0) AS top_user_share,
    if(seats_now > 0, coalesce(top_user_share >= policy('usage.single_champion_share'), false)
      AND seats_now >= policy('usage.single_champion_seats'), NULL) AS single_champion,
    coalesce(power_users, 0) AS power_users, coalesce(new_champions, 0) AS new_champions
  FROM joined
), medians AS (
  SELECT as_of, median(users_trend) AS users, median(events_trend) AS events, median(minutes_trend) AS minutes
  FROM figures GROUP BY as_of
)
SELECT f.*, users_trend - m.users AS users_trend_net, events_trend - m.events AS events_trend_net,
       minutes_trend - m.minutes AS minutes_trend_net
FROM figures f JOIN medians m USING (as_of);
COPY account_usage_batch TO 'published/account_usage' (FORMAT parquet, PARTITION_BY (as_of), OVERWRITE_OR_IGNORE);
CREATE TABLE IF NOT EXISTS account_usage AS FROM account_usage_batch LIMIT 0;
INSERT INTO account_usage FROM account_usage_batch;
