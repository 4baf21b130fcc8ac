-- Days and date arithmetic. `plan` (table_name, as_of) says which days of which table are wanted.

CREATE MACRO quarter_start(day) AS date_trunc('quarter', day)::DATE;
CREATE TABLE all_days AS
SELECT DISTINCT as_of, (as_of - INTERVAL 12 MONTH)::DATE AS day_12m_ago, quarter_start(as_of) - 1 AS freeze_day
FROM plan;
-- A month's last day stays one twelve months before, also where that February is longer.
UPDATE all_days SET day_12m_ago = last_day(day_12m_ago) WHERE as_of = last_day(as_of);
CREATE MACRO days_of(name) AS TABLE SELECT as_of FROM plan WHERE table_name = name;
CREATE MACRO anniversary_in(start, year) AS
  make_date(year, month(start), if(month(start) = 2 AND day(start) = 29, 28, day(start)));
CREATE MACRO next_anniversary(start, today) AS
  if(anniversary_in(start, year(today)) > today, anniversary_in(start, year(today)),
     anniversary_in(start, year(today) + 1));
