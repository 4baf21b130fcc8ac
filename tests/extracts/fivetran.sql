-- The tables that Fivetran lands of four vendors, with one invented row each (and one that must not count).
CREATE SCHEMA crm; CREATE SCHEMA stripe; CREATE SCHEMA zendesk; CREATE SCHEMA hubspot;
CREATE TABLE crm.account AS SELECT 'A' AS id, 'Ash' AS name, NULL AS website, NULL AS parent_id, 10 AS number_of_employees,
  NULL::DOUBLE AS annual_revenue, 'Retail' AS industry, 'US' AS billing_country, TIMESTAMP '2024-01-01 10:00' AS created_date,
  '005' AS owner_id, false AS is_deleted;
INSERT INTO crm.account SELECT 'Z', name, website, parent_id, 1, 1, industry, billing_country, created_date, owner_id, true
  FROM crm.account;
CREATE TABLE crm.opportunity AS SELECT 'O' AS id, 'A' AS account_id, 'Renewal' AS type, true AS is_won, true AS is_closed,
  9.5 AS amount, TIMESTAMP '2026-01-01' AS created_date, DATE '2026-02-01' AS close_date, false AS is_deleted;
CREATE TABLE stripe.subscription_history AS SELECT 's' AS id, 'A' AS customer_id, 'active' AS status,
  TIMESTAMP '2025-01-01' AS start_date, TIMESTAMP '2025-01-01' AS created, NULL::TIMESTAMP AS ended_at,
  NULL::TIMESTAMP AS cancel_at, TIMESTAMP '2026-05-05' AS canceled_at, true AS cancel_at_period_end,
  TIMESTAMP '2027-01-01' AS current_period_end, true AS _fivetran_active;
INSERT INTO stripe.subscription_history SELECT * REPLACE (false AS _fivetran_active) FROM stripe.subscription_history;
CREATE TABLE stripe.subscription_item AS SELECT 'i' AS id, 's' AS subscription_id, 'p' AS plan_id, 4 AS quantity;
CREATE TABLE stripe.price AS SELECT 'p' AS id, 'prod' AS product_id, 30000 AS unit_amount, 'usd' AS currency,
  'year' AS recurring_interval, 1 AS recurring_interval_count;
CREATE TABLE stripe.invoice AS SELECT 'n' AS id, 'A' AS customer_id, TIMESTAMP '2025-01-01' AS created,
  NULL::TIMESTAMP AS due_date, TIMESTAMP '2025-01-09' AS status_transitions_paid_at, 120000 AS subtotal, 'usd' AS currency,
  'paid' AS status, false AS is_deleted;
CREATE TABLE zendesk.ticket AS SELECT 7 AS id, 'A' AS organization_id, TIMESTAMP '2026-11-01 08:00' AS created_at,
  'low' AS priority, 'web' AS via_channel, false AS _fivetran_deleted;
CREATE TABLE zendesk.ticket_field_history AS SELECT 7 AS ticket_id, 'status' AS field_name, 'solved' AS value,
  TIMESTAMP '2026-11-02 08:00' AS updated;
CREATE TABLE hubspot.company AS SELECT 5 AS id, 'Ash' AS property_name, 'ash.example' AS property_domain,
  10 AS property_numberofemployees, NULL::DOUBLE AS property_annualrevenue, NULL AS property_industry,
  NULL AS property_country, TIMESTAMP '2024-01-01' AS property_createdate, false AS _fivetran_deleted;
CREATE TABLE hubspot.deal AS SELECT 1 AS deal_id, 'newbusiness' AS property_dealtype, false AS property_hs_is_closed_won,
  true AS property_hs_is_closed, 5.0 AS property_amount, TIMESTAMP '2026-01-01' AS property_createdate,
  TIMESTAMP '2026-03-01' AS property_closedate, false AS _fivetran_deleted;
CREATE TABLE hubspot.deal_company AS SELECT 1 AS deal_id, 5 AS company_id UNION ALL SELECT 1, 6;
