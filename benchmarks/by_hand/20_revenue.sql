-- What each account pays. Written for the default policy and the sample: no renewal grace, days in UTC, no pauses, no
-- discounts, undated subscriptions, no contract that changes its currency.

-- table: account_hierarchy
CREATE TABLE crm_at AS
SELECT s.as_of, c.* FROM crm_accounts c JOIN all_days s ON s.as_of >= c.known_from AND s.as_of < c.known_to;
CREATE TABLE survivors AS
WITH RECURSIVE merged AS (
  SELECT c.as_of, c.account_id, c.merged_into_account_id AS target
  FROM crm_at c JOIN crm_at t ON t.as_of = c.as_of AND t.account_id = c.merged_into_account_id
), followed AS (
  SELECT as_of, account_id, target, 1 AS depth FROM merged
  UNION ALL
  SELECT f.as_of, f.account_id, m.target, f.depth + 1
  FROM followed f JOIN merged m ON m.as_of = f.as_of AND m.account_id = f.target WHERE f.depth < 8
)
SELECT as_of, account_id, arg_max(target, depth) AS surviving_account_id FROM followed GROUP BY ALL;
CREATE TABLE crm_then AS
SELECT s.as_of, c.* FROM crm_accounts c
JOIN all_days s ON s.day_12m_ago >= c.known_from AND s.day_12m_ago < c.known_to;
CREATE TABLE tops_then AS  -- twelve months before, under the names of today
WITH RECURSIVE merged AS (
  SELECT c.as_of, c.account_id, c.merged_into_account_id AS target
  FROM crm_then c JOIN crm_then t ON t.as_of = c.as_of AND t.account_id = c.merged_into_account_id
), followed AS (
  SELECT as_of, account_id, target, 1 AS depth FROM merged
  UNION ALL
  SELECT f.as_of, f.account_id, m.target, f.depth + 1
  FROM followed f JOIN merged m ON m.as_of = f.as_of AND m.account_id = f.target WHERE f.depth < 8
), ends AS (SELECT as_of, account_id, arg_max(target, depth) AS became FROM followed GROUP BY ALL),
owned AS (
  SELECT c.as_of, c.account_id, coalesce(e.became, c.parent_account_id) AS parent
  FROM crm_then c LEFT JOIN ends e ON e.as_of = c.as_of AND e.account_id = c.parent_account_id
), known_owned AS (
  SELECT o.* FROM owned o JOIN crm_then t ON t.as_of = o.as_of AND t.account_id = o.parent
), climbed AS (
  SELECT as_of, account_id, parent AS top, 1 AS depth FROM known_owned
  UNION ALL
  SELECT c.as_of, c.account_id, o.parent, c.depth + 1
  FROM climbed c JOIN known_owned o ON o.as_of = c.as_of AND o.account_id = c.top WHERE c.depth < 8
), tops AS (SELECT as_of, account_id, arg_max(top, depth) AS top FROM climbed GROUP BY ALL)
SELECT c.as_of, c.account_id, coalesce(s.surviving_account_id, t.top, c.account_id) AS top_account_id_12m_ago
FROM crm_then c LEFT JOIN tops t USING (as_of, account_id)
LEFT JOIN survivors s ON s.as_of = c.as_of AND s.account_id = coalesce(t.top, c.account_id);
CREATE TABLE hierarchy AS
WITH RECURSIVE parents AS (
  SELECT c.as_of, c.account_id, coalesce(s.surviving_account_id, c.parent_account_id) AS parent_account_id
  FROM crm_at c LEFT JOIN survivors s ON s.as_of = c.as_of AND s.account_id = c.parent_account_id
), known_parents AS (
  SELECT c.as_of, c.account_id, c.parent_account_id FROM parents c
  JOIN crm_at t ON t.as_of = c.as_of AND t.account_id = c.parent_account_id
), climbed AS (
  SELECT as_of, account_id, parent_account_id AS top, 1 AS depth FROM known_parents
  UNION ALL
  SELECT c.as_of, c.account_id, p.parent_account_id, c.depth + 1
  FROM climbed c JOIN known_parents p ON p.as_of = c.as_of AND p.account_id = c.top WHERE c.depth < 8
), tops AS (SELECT as_of, account_id, arg_max(top, depth) AS top_account_id FROM climbed GROUP BY ALL)
SELECT p.as_of, p.account_id, coalesce(s.surviving_account_id, p.account_id) AS surviving_account_id,
       p.parent_account_id, coalesce(t.top_account_id, p.account_id) AS top_account_id, b.top_account_id_12m_ago
FROM parents p LEFT JOIN survivors s USING (as_of, account_id) LEFT JOIN tops t USING (as_of, account_id)
LEFT JOIN tops_then b USING (as_of, account_id);
COPY (FROM hierarchy SEMI JOIN days_of('account_hierarchy') USING (as_of))
TO 'published/account_hierarchy' (FORMAT parquet, PARTITION_BY (as_of));

-- table: account_revenue
CREATE TABLE rates AS
SELECT s.as_of, currency,
       coalesce(arg_max(rate, valid_from) FILTER (valid_from <= s.as_of), arg_min(rate, valid_from)) AS rate,
       coalesce(arg_max(rate, valid_from) FILTER (valid_from <= s.day_12m_ago), arg_min(rate, valid_from))
         AS rate_12m_ago
FROM fx_rates f JOIN all_days s ON s.as_of >= f.known_from AND s.as_of < f.known_to
WHERE currency <> policy('company.reporting_currency') GROUP BY ALL
UNION ALL SELECT as_of, policy('company.reporting_currency'), 1, 1 FROM all_days;

-- Subscriptions started by each day under the account that survives; `over_on` null while in force at as_of. The next
-- step of the same subscription ends the one before, whether or not its end is known (least ignores nulls).
CREATE TABLE subscriptions AS
SELECT s.as_of, s.day_12m_ago, coalesce(m.surviving_account_id, b.account_id) AS account_id, b.subscription_id,
       b.product, b.plan, b.region, b.seats, b.start_date, b.term_end, b.end_date, b.end_known_on,
       b.mrr > 0 AS is_paid,
       b.mrr * r.rate AS amount, b.mrr * r.rate_12m_ago AS amount_12m,
       least(lead(b.start_date) OVER (PARTITION BY s.as_of, b.subscription_id ORDER BY b.start_date),
             CASE WHEN b.end_date IS NOT NULL AND greatest(b.end_date, b.end_known_on) <= s.as_of
                  THEN greatest(b.end_date, b.end_known_on) END) AS over_on
FROM billing_subscriptions b
JOIN all_days s ON b.start_date <= s.as_of AND s.as_of >= b.known_from AND s.as_of < b.known_to
JOIN rates r ON r.as_of = s.as_of AND r.currency = b.currency
LEFT JOIN survivors m ON m.as_of = s.as_of AND m.account_id = b.account_id;

CREATE TABLE account_revenue AS
WITH totals AS (
  SELECT as_of, day_12m_ago, account_id,
    min(start_date) FILTER (is_paid) AS first_paid_on,
    count(*) FILTER (is_paid AND over_on IS NULL) AS subscriptions_now,
    sum(amount) FILTER (is_paid AND over_on IS NULL) AS amount_now,
    sum(amount_12m) FILTER (is_paid AND over_on IS NULL) AS amount_now_at_old_rate,
    sum(amount_12m) FILTER (is_paid AND start_date <= day_12m_ago AND (over_on IS NULL OR over_on > day_12m_ago))
      AS amount_then,
    max(over_on) FILTER (is_paid) AS last_end,
    sum(seats) FILTER (is_paid AND over_on IS NULL) AS seats,
    count(DISTINCT product) FILTER (is_paid AND over_on IS NULL) AS products,
    array_to_string(list_sort(list(DISTINCT product) FILTER (is_paid AND over_on IS NULL AND product IS NOT NULL)), ', ')
      AS product_list,
    count(DISTINCT region) FILTER (is_paid AND over_on IS NULL) AS regions,
    first(region ORDER BY amount DESC, subscription_id, start_date) FILTER (is_paid AND over_on IS NULL) AS region,
    min(term_end) FILTER (is_paid AND over_on IS NULL AND term_end > as_of) AS next_term_end,
    min(start_date) FILTER (is_paid AND over_on IS NULL) AS oldest_start
  FROM subscriptions GROUP BY ALL
), days AS (
  SELECT as_of, account_id, start_date AS day FROM subscriptions WHERE is_paid
  UNION SELECT as_of, account_id, over_on FROM subscriptions WHERE is_paid AND over_on IS NOT NULL
), lines AS (  -- what each product and plan came to before and after a day of change
  SELECT d.as_of, d.account_id, d.day,
    count(*) FILTER (start_date < day) AS n_before,
    count(*) FILTER (over_on IS NULL OR over_on > day) AS n_after,
    coalesce(sum(amount) FILTER (start_date < day), 0) AS before,
    coalesce(sum(amount) FILTER (over_on IS NULL OR over_on > day), 0) AS after,
    sum(seats) FILTER (start_date < day) AS seats_before,
    sum(seats) FILTER (over_on IS NULL OR over_on > day) AS seats_after
  FROM days d JOIN subscriptions s ON s.as_of = d.as_of AND s.account_id = d.account_id AND s.is_paid
    AND s.start_date <= d.day AND (s.over_on IS NULL OR s.over_on >= d.day)
  GROUP BY d.as_of, d.account_id, d.day, coalesce(product, ''), coalesce(plan, '')
), expansions AS (  -- a net rise of the day by seats, plan or products, while paying before and after
  SELECT as_of, account_id, min(day) AS first_on, max(day) AS last_on
  FROM (
    SELECT as_of, account_id, day, sum(after - before) AS rise,
      sum(CASE WHEN n_before = 0 OR n_after = 0 THEN after - before END) AS by_product,
      sum(CASE WHEN n_before = 0 OR n_after = 0 THEN 0
               WHEN seats_before > 0 AND seats_after IS NOT NULL
               THEN (seats_after - seats_before) * before / seats_before ELSE after - before END) AS by_volume
    FROM lines GROUP BY ALL HAVING sum(n_before) > 0 AND sum(n_after) > 0
  )
  WHERE round(rise, 2) > 0 AND (round(by_product, 2) > 0 OR round(by_volume, 2) > 0) GROUP BY ALL
), following AS (
  SELECT s.as_of, coalesce(m.surviving_account_id, b.account_id) AS account_id, min(b.start_date) AS next_start
  FROM billing_subscriptions b
  JOIN all_days s ON b.start_date > s.as_of AND b.mrr > 0 AND s.as_of >= b.known_from AND s.as_of < b.known_to
  LEFT JOIN survivors m ON m.as_of = s.as_of AND m.account_id = b.account_id
  GROUP BY ALL
), leaving AS (  -- all ends are known, and nothing follows
  SELECT as_of, account_id, max(end_date) AS leaving_on
  FROM subscriptions WHERE is_paid AND over_on IS NULL GROUP BY ALL
  HAVING bool_and(coalesce(end_date > as_of AND end_known_on <= as_of, false))
), payments AS (
  SELECT s.as_of, coalesce(m.surviving_account_id, i.account_id) AS account_id,
    i.due_on > s.day_12m_ago AND i.due_on <= s.as_of AS is_recent,
    greatest(least(i.paid_on, s.as_of) - i.due_on, 0) AS days_late,
    (i.paid_on IS NULL OR i.paid_on > s.as_of) AND i.due_on < s.as_of AND i.amount > 0 AS is_overdue,
    i.amount * r.rate AS owed
  FROM billing_invoices i
  JOIN all_days s ON i.issued_on <= s.as_of AND s.as_of >= i.known_from AND s.as_of < i.known_to
    AND (i.due_on > s.day_12m_ago OR i.paid_on IS NULL OR i.paid_on > s.as_of)
  JOIN rates r ON r.as_of = s.as_of AND r.currency = i.currency
  LEFT JOIN survivors m ON m.as_of = s.as_of AND m.account_id = i.account_id
), behaviour AS (
  SELECT as_of, account_id, count(*) FILTER (is_recent) AS due,
    count(*) FILTER (is_recent AND days_late > 0) AS late,
    sum(days_late) FILTER (is_recent AND days_late > 0) AS days_late,
    sum(owed) FILTER (is_overdue) AS owed, max(days_late) FILTER (is_overdue) AS overdue_days
  FROM payments GROUP BY ALL
), first_invoice AS (SELECT min(issued_on) AS first_on FROM billing_invoices),
figures AS (
  SELECT t.*, e.first_on, e.last_on, b.due, b.late, b.days_late, b.owed, b.overdue_days,
    coalesce(i.first_on <= t.as_of, false) AS has_invoices,
    if(subscriptions_now > 0, round(round(amount_now, 9) * 12, 2), 0) AS arr,
    coalesce(round(round(amount_then, 9) * 12, 2), 0) AS arr_12m_ago,
    if(subscriptions_now > 0, round(round(amount_now_at_old_rate, 9) * 12, 2), 0) AS arr_at_rate_12m_ago,
    CASE WHEN n.next_start IS NULL OR n.next_start > l.leaving_on THEN l.leaving_on END AS leaving_on,
    coalesce(CASE WHEN n.next_start IS NULL OR n.next_start > l.leaving_on THEN l.leaving_on END, next_term_end,
             next_anniversary(oldest_start, t.as_of)) AS renewal_on
  FROM totals t LEFT JOIN expansions e USING (as_of, account_id) LEFT JOIN behaviour b USING (as_of, account_id)
    LEFT JOIN leaving l USING (as_of, account_id) LEFT JOIN following n USING (as_of, account_id),
    first_invoice i
)
SELECT as_of, account_id, arr, if(subscriptions_now > 0, round(amount_now, 9), 0) AS mrr, seats,
  if(subscriptions_now > 0, greatest(products, 1), 0) AS products, product_list, regions, region, arr_12m_ago,
  arr_at_rate_12m_ago, arr_at_rate_12m_ago / nullif(arr_12m_ago, 0) AS nrr_12m, first_paid_on,
  as_of - first_paid_on AS tenure_days, renewal_on, renewal_on - as_of AS days_to_renewal,
  leaving_on, NULL::DATE AS paused_on,
  last_on AS last_expansion_on, (first_on - first_paid_on) / (365.25 / 12) AS months_to_first_expansion,
  products > 1 AS is_multi_product, regions > 1 AS is_multi_region,
  if(has_invoices, coalesce(late, 0), NULL) AS invoices_late_12m,
  if(due > 0, coalesce(days_late, 0) / due, NULL) AS mean_days_late, late / nullif(due, 0) AS late_share_12m,
  if(has_invoices, round(round(coalesce(owed, 0), 9), 2), NULL) AS overdue_amount,
  if(has_invoices, coalesce(overdue_days, 0), NULL) AS overdue_days,
  arr > 0 AS is_live, if(subscriptions_now > 0, NULL, last_end) AS churned_on,
  first_paid_on IS NULL AS is_trial_only, coalesce(first_paid_on <= day_12m_ago, false) AS has_billing_history_12m
FROM figures;
COPY (FROM account_revenue SEMI JOIN days_of('account_revenue') USING (as_of))
TO 'published/account_revenue' (FORMAT parquet, PARTITION_BY (as_of));
