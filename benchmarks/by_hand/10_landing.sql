-- The extracts: rows that keep the rules of data/README.md, once each; dated drops become history.
-- What the product quarantines is left out here by WHERE; why a row was refused is not written by hand.

CREATE MACRO always() AS DATE '0001-01-01';
CREATE MACRO forever() AS DATE '9999-12-31';

-- From (key, dropped, r): one row per run of equal rows in consecutive drops.
CREATE MACRO history(landed) AS TABLE
WITH drops AS (
  SELECT dropped, row_number() OVER (ORDER BY dropped) AS n FROM (SELECT DISTINCT dropped FROM query_table(landed))
), marked AS (
  SELECT l.key, l.r, d.n, lag(d.n) OVER w IS DISTINCT FROM d.n - 1 OR lag(l.r) OVER w IS DISTINCT FROM l.r AS starts
  FROM query_table(landed) l JOIN drops d USING (dropped) WINDOW w AS (PARTITION BY l.key ORDER BY d.n)
), islands AS (
  SELECT *, sum(starts::INT) OVER (PARTITION BY key ORDER BY n) AS island FROM marked
), spans AS (
  SELECT key, first(r) AS r, min(n) AS first_n, max(n) AS last_n FROM islands GROUP BY key, island
)
SELECT unnest(s.r), if(s.first_n = 1, always(), b.dropped) AS known_from,
       coalesce(e.dropped, forever()) AS known_to, b.dropped AS dropped_on
FROM spans s JOIN drops b ON b.n = s.first_n LEFT JOIN drops e ON e.n = s.last_n + 1;

CREATE MACRO drop_of(filename) AS filename[-18:-9]::DATE;

-- Undated extracts: known from ever to ever.
CREATE MACRO undated(landed) AS TABLE
SELECT *, always() AS known_from, forever() AS known_to, NULL::DATE AS dropped_on FROM query_table(landed);

-- table: crm_accounts
CREATE TEMP TABLE crm_drops AS
SELECT r.account_id AS key, drop_of(filename) AS dropped, r
FROM (
  SELECT DISTINCT ON (filename, account_id) COLUMNS(* EXCLUDE filename), filename
  FROM read_parquet('sample/crm_accounts/*.parquet', filename = true)
  WHERE account_id <> '' AND coalesce(employees >= 0, true) AND coalesce(annual_revenue >= 0, true)
    AND coalesce(business_model IN ('b2b', 'b2c', 'b2b2c', 'marketplace', 'linear'), true)
    AND coalesce(maturity IN ('new_to_category', 'replacing_incumbent'), true)
    AND coalesce(decision_process IN ('champion', 'committee', 'executive_mandate'), true)
    AND coalesce(integration_need IN ('standalone', 'integrated', 'deeply_integrated'), true)
    AND coalesce(buying_cycle_days >= 0, true)
    AND coalesce(merged_into_account_id <> account_id, true)
) rows, LATERAL (SELECT {
  account_id: account_id, account_name: account_name, domain: domain, parent_account_id: parent_account_id,
  merged_into_account_id: merged_into_account_id, employees: employees, annual_revenue: annual_revenue,
  industry: industry, sub_industry: sub_industry, country: country, business_model: business_model,
  funding_stage: funding_stage, created_on: created_on, account_executive: account_executive, csm_id: csm_id,
  executive_sponsor: executive_sponsor, crm_record_id: crm_record_id, primary_use_case: primary_use_case,
  maturity: maturity,
  decision_process: decision_process, integration_need: integration_need, buying_cycle_days: buying_cycle_days,
  is_reference: is_reference, has_strategic_influence: has_strategic_influence} AS r);
CREATE TABLE crm_accounts AS
FROM history('crm_drops')
WHERE merged_into_account_id IS NULL OR merged_into_account_id IN (SELECT key FROM crm_drops);
DROP TABLE crm_drops;
CREATE TABLE ever_known AS SELECT DISTINCT account_id FROM crm_accounts;
COPY crm_accounts TO 'published/crm_accounts.parquet';

-- table: product_features
CREATE TEMP TABLE feature_drops AS
SELECT feature AS key, drop_of(filename) AS dropped,
       {feature: feature, product: product, level: level, is_key: is_key} AS r
FROM (
  SELECT DISTINCT ON (filename, feature) * FROM read_parquet('sample/product_features/*.parquet', filename = true)
  WHERE feature <> '' AND coalesce(level IN ('core', 'standard', 'advanced'), true)
);
CREATE TABLE product_features AS FROM history('feature_drops');
COPY product_features TO 'published/product_features.parquet';

-- table: csm_roster
CREATE TEMP TABLE roster_drops AS
SELECT csm_id AS key, drop_of(filename) AS dropped,
       {csm_id: csm_id, csm_name: csm_name, level: level, team: team, region: region, industries: industries,
        weekly_hours: weekly_hours, hourly_cost: hourly_cost, starts_on: starts_on, ends_on: ends_on} AS r
FROM (
  SELECT DISTINCT ON (filename, csm_id) * FROM read_parquet('sample/csm_roster/*.parquet', filename = true)
  WHERE csm_id <> '' AND coalesce(level IN ('associate', 'senior'), true)
    AND coalesce(weekly_hours BETWEEN 0 AND 168, true) AND coalesce(hourly_cost >= 0, true)
    AND coalesce(ends_on >= starts_on, true)
);
CREATE TABLE csm_roster AS FROM history('roster_drops');
COPY csm_roster TO 'published/csm_roster.parquet';

-- table: product_users
CREATE TEMP VIEW good_users AS
SELECT DISTINCT ON (user_id) * FROM 'sample/product_users.parquet' SEMI JOIN ever_known USING (account_id)
WHERE user_id <> '' AND coalesce(deactivated_on >= created_on, true);
CREATE TABLE product_users AS FROM undated('good_users');
COPY product_users TO 'published/product_users.parquet';

-- table: fx_rates
CREATE TEMP VIEW good_rates AS
SELECT DISTINCT ON (currency, valid_from) * FROM 'sample/fx_rates.parquet'
WHERE regexp_full_match(currency, '[A-Z]{3}') AND valid_from IS NOT NULL AND rate > 0;
CREATE TABLE fx_rates AS FROM undated('good_rates');
CREATE TABLE currencies AS
SELECT DISTINCT currency FROM fx_rates UNION SELECT policy('company.reporting_currency');
COPY fx_rates TO 'published/fx_rates.parquet';

-- table: billing_subscriptions
CREATE TEMP VIEW good_subscriptions AS
SELECT DISTINCT ON (subscription_id, start_date) * FROM 'sample/billing_subscriptions.parquet'
SEMI JOIN ever_known USING (account_id) SEMI JOIN currencies USING (currency)
WHERE subscription_id <> '' AND start_date IS NOT NULL AND mrr IS NOT NULL AND coalesce(seats >= 0, true)
  AND coalesce(end_date > start_date, true);
CREATE TABLE billing_subscriptions AS FROM undated('good_subscriptions');
COPY billing_subscriptions TO 'published/billing_subscriptions.parquet';

-- table: billing_invoices
CREATE TEMP VIEW good_invoices AS
SELECT DISTINCT ON (invoice_id) * FROM 'sample/billing_invoices.parquet'
SEMI JOIN ever_known USING (account_id) SEMI JOIN currencies USING (currency)
WHERE invoice_id <> '' AND issued_on IS NOT NULL AND amount IS NOT NULL AND coalesce(due_on >= issued_on, true);
CREATE TABLE billing_invoices AS FROM undated('good_invoices');
COPY billing_invoices TO 'published/billing_invoices.parquet';

-- table: support_tickets
CREATE TEMP VIEW good_tickets AS
SELECT DISTINCT ON (ticket_id) * FROM 'sample/support_tickets.parquet' SEMI JOIN ever_known USING (account_id)
WHERE ticket_id <> '' AND opened_at IS NOT NULL
  AND coalesce(priority IN ('low', 'normal', 'high', 'urgent'), true) AND coalesce(handling_hours >= 0, true)
  AND coalesce(csat BETWEEN 1 AND 5, true) AND coalesce(sentiment BETWEEN -1 AND 1, true)
  AND coalesce(first_response_at >= opened_at, true) AND coalesce(resolved_at >= opened_at, true);
CREATE TABLE support_tickets AS FROM undated('good_tickets');
COPY support_tickets TO 'published/support_tickets.parquet';

-- table: self_service_sessions
CREATE TEMP VIEW good_sessions AS
SELECT DISTINCT ON (account_id, used_on, channel) * FROM 'sample/self_service_sessions.parquet'
SEMI JOIN ever_known USING (account_id)
WHERE used_on IS NOT NULL AND channel IN ('knowledge_base', 'chatbot', 'community') AND sessions >= 0;
CREATE TABLE self_service_sessions AS FROM undated('good_sessions');
COPY self_service_sessions TO 'published/self_service_sessions.parquet';

-- table: marketing_engagement
CREATE TEMP VIEW good_touches AS
SELECT DISTINCT ON (account_id, engaged_on, channel) * FROM 'sample/marketing_engagement.parquet'
SEMI JOIN ever_known USING (account_id)
WHERE engaged_on IS NOT NULL AND touches >= 0
  AND channel IN ('email', 'webinar', 'event', 'content', 'community', 'in_app');
CREATE TABLE marketing_engagement AS FROM undated('good_touches');
COPY marketing_engagement TO 'published/marketing_engagement.parquet';

-- table: interactions
CREATE TEMP VIEW good_interactions AS
SELECT DISTINCT ON (interaction_id) * FROM 'sample/interactions.parquet' SEMI JOIN ever_known USING (account_id)
WHERE interaction_id <> '' AND occurred_on IS NOT NULL
  AND kind IN ('meeting', 'call', 'email', 'business_review')
  AND coalesce(initiated_by IN ('us', 'customer'), true) AND coalesce(replied_on >= occurred_on, true);
CREATE TABLE interactions AS FROM undated('good_interactions');
COPY interactions TO 'published/interactions.parquet';

-- table: surveys
CREATE TEMP VIEW good_surveys AS
SELECT DISTINCT ON (response_id) * FROM 'sample/surveys.parquet' SEMI JOIN ever_known USING (account_id)
WHERE response_id <> '' AND sent_on IS NOT NULL AND kind IN ('nps', 'csat', 'ces')
  AND coalesce(answered_on >= sent_on, true)
  AND coalesce(score BETWEEN CASE kind WHEN 'nps' THEN 0 ELSE 1 END
                         AND CASE kind WHEN 'nps' THEN 10 WHEN 'csat' THEN 5 ELSE 7 END, true);
CREATE TABLE surveys AS FROM undated('good_surveys');
COPY surveys TO 'published/surveys.parquet';

-- table: technology_installs
CREATE TEMP VIEW good_installs AS
SELECT DISTINCT ON (account_id, tool, first_seen) * FROM 'sample/technology_installs.parquet'
SEMI JOIN ever_known USING (account_id)
WHERE tool <> '' AND first_seen IS NOT NULL AND coalesce(last_seen >= first_seen, true)
  AND coalesce(relation IN ('complementary', 'competitor', 'legacy', 'neutral'), true);
CREATE TABLE technology_installs AS FROM undated('good_installs');
COPY technology_installs TO 'published/technology_installs.parquet';

-- table: external_signals
CREATE TEMP VIEW good_signals AS
SELECT DISTINCT ON (signal_id) * FROM 'sample/external_signals.parquet' SEMI JOIN ever_known USING (account_id)
WHERE signal_id <> '' AND signal <> '' AND observed_on IS NOT NULL AND coalesce(weight BETWEEN -1 AND 1, true);
CREATE TABLE external_signals AS FROM undated('good_signals');
COPY external_signals TO 'published/external_signals.parquet';

-- table: success_goals
CREATE TEMP VIEW good_goals AS
SELECT DISTINCT ON (account_id, goal) * FROM 'sample/success_goals.parquet' SEMI JOIN ever_known USING (account_id)
WHERE goal <> '' AND coalesce(due_on >= set_on, true) AND coalesce(met_on >= set_on, true);
CREATE TABLE success_goals AS FROM undated('good_goals');
COPY success_goals TO 'published/success_goals.parquet';

-- table: csm_time_entries
CREATE TEMP VIEW good_entries AS
SELECT DISTINCT ON (entry_id) * FROM 'sample/csm_time_entries.parquet'
WHERE entry_id <> '' AND csm_id <> '' AND worked_on IS NOT NULL AND hours >= 0
  AND (account_id IS NULL OR account_id IN (FROM ever_known));
CREATE TABLE csm_time_entries AS FROM undated('good_entries');
COPY csm_time_entries TO 'published/csm_time_entries.parquet';

-- table: custom_development
CREATE TEMP VIEW good_development AS
SELECT DISTINCT ON (account_id, worked_on, ticket) * FROM 'sample/custom_development.parquet'
SEMI JOIN ever_known USING (account_id)
WHERE worked_on IS NOT NULL AND ticket <> '' AND hours >= 0;
CREATE TABLE custom_development AS FROM undated('good_development');
COPY custom_development TO 'published/custom_development.parquet';

-- table: opportunities
CREATE TEMP VIEW good_opportunities AS
SELECT DISTINCT ON (opportunity_id) * FROM 'sample/opportunities.parquet' SEMI JOIN ever_known USING (account_id)
WHERE opportunity_id <> '' AND kind IN ('new', 'expansion', 'renewal') AND stage IN ('open', 'won', 'lost')
  AND coalesce(amount_arr >= 0, true) AND created_on IS NOT NULL AND coalesce(closed_on >= created_on, true);
CREATE TABLE opportunities AS FROM undated('good_opportunities');
COPY opportunities TO 'published/opportunities.parquet';

-- table: gtm_spend
CREATE TEMP VIEW good_spend AS
SELECT DISTINCT ON (month, motion) * FROM 'sample/gtm_spend.parquet' SEMI JOIN currencies USING (currency)
WHERE month IS NOT NULL AND motion <> '' AND amount >= 0;
CREATE TABLE gtm_spend AS FROM undated('good_spend');
COPY gtm_spend TO 'published/gtm_spend.parquet';

-- table: leads
CREATE TEMP VIEW good_leads AS
SELECT DISTINCT ON (lead_id) * FROM 'sample/leads.parquet'
WHERE lead_id <> '' AND coalesce(employees >= 0, true) AND coalesce(annual_revenue >= 0, true);
CREATE TABLE leads AS FROM undated('good_leads');
COPY leads TO 'published/leads.parquet';

-- table: product_usage
COPY (
  SELECT DISTINCT ON (user_id, usage_date, feature) *
  FROM 'sample/product_usage/*.parquet' SEMI JOIN product_users USING (user_id, account_id)
  WHERE usage_date IS NOT NULL AND feature <> '' AND event_count >= 0 AND coalesce(session_count >= 0, true)
    AND coalesce(session_minutes >= 0, true) AND coalesce(error_count >= 0, true)
) TO 'published/product_usage' (FORMAT parquet, PARTITION_BY (usage_date));
