"""Corruptions planted in a clean company, and whether `check-sources` sees them: `python -m benchmarks.corruptions`.

Here: one corruption per kind of mistake that people make when they export, each as SQL over one extract of a sample
company, with the extract that must be named. Not here: the checks (`extracts.checking`, `extracts.detective`).

A corruption is seen where something is said of its extract that is not said of the clean company. A false alarm is a
suspicion of a clean company.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import yaml

from segmentation_assets.extracts.checking import Problem, check_sources
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.sample.generate import generate

END = date(2026, 3, 31)
EXTRACTS = (
    "crm_accounts", "product_users", "fx_rates", "billing_subscriptions", "billing_invoices", "support_tickets",
    "surveys", "opportunities", "product_usage",
)  # fmt: skip
BILLING, INVOICES, TICKETS, USAGE, CRM = (
    "billing_subscriptions", "billing_invoices", "support_tickets", "product_usage", "crm_accounts",
)  # fmt: skip


@dataclass(frozen=True)
class Corruption:
    """What is wrong, in which extract: SQL over its rows `t`. `without` names an extract that is left out besides."""

    name: str
    extract: str
    sql: str
    without: str | None = None


def _replaced(column: str, expression: str, where: str = "true") -> str:
    return f"SELECT * REPLACE (CASE WHEN {where} THEN {expression} ELSE {column} END AS {column}) FROM t"


CORRUPTIONS = (
    Corruption("ends are last days", BILLING, _replaced("end_date", "end_date - 1")),
    Corruption("a year's amount as mrr", BILLING, _replaced("mrr", "mrr * 12")),
    Corruption("mrr in cents", BILLING, _replaced("mrr", "mrr * 100")),
    Corruption("mrr in thousands", BILLING, _replaced("mrr", "mrr / 1000")),
    Corruption("cut at 100 rows", BILLING, "FROM t ORDER BY subscription_id LIMIT 100"),
    Corruption("live rows alone", BILLING, "SELECT * REPLACE (NULL::DATE AS end_date) FROM t WHERE end_date IS NULL"),
    Corruption("month-first dates", BILLING,
               "SELECT * REPLACE (strftime(start_date, '%m/%d/%Y') AS start_date) FROM t"),
    Corruption("dates as days of Excel", BILLING,
               "SELECT * REPLACE (date_diff('day', DATE '1899-12-30', start_date)::VARCHAR AS start_date) FROM t"),
    Corruption("account ids in small letters", BILLING,
               _replaced("account_id", "lower(account_id)", "hash(account_id) % 4 = 0")),
    Corruption("account ids with .0", BILLING, _replaced("account_id", "account_id || '.0'")),
    Corruption("account ids with blanks", BILLING,
               _replaced("account_id", "left(account_id, 1) || ' ' || substr(account_id, 2)")),
    Corruption("due before issue", INVOICES, _replaced("due_on", "issued_on - 30")),
    Corruption("rows joined twice", BILLING, "FROM t UNION ALL FROM t"),
    Corruption("fan-out of a join", BILLING, "SELECT * REPLACE (seats + n AS seats) FROM t, (VALUES (0), (1)) v(n)"),
    Corruption("codes in small letters", BILLING, _replaced("currency", "lower(currency)")),
    Corruption("currencies without rates", BILLING, _replaced("currency", "'SEK'", "currency <> 'USD'")),
    Corruption("end is start", BILLING, _replaced("end_date", "start_date", "hash(subscription_id) % 20 = 0")),
    Corruption("start and end swapped", BILLING,
               "SELECT * REPLACE (coalesce(end_date, start_date) AS start_date, CASE WHEN end_date IS NOT NULL "
               "THEN start_date END AS end_date) FROM t"),
    Corruption("trials with a price", BILLING,
               "SELECT *, CASE WHEN hash(subscription_id) % 10 = 0 THEN 'trialing' ELSE 'active' END AS status "
               "FROM t"),
    Corruption("cancelled without an end", BILLING,
               "SELECT * REPLACE (NULL::DATE AS end_date), CASE WHEN end_date IS NULL THEN 'active' "
               "ELSE 'canceled' END AS status FROM t"),
    Corruption("items under one id", BILLING,
               "SELECT * REPLACE ('S' || account_id AS subscription_id), subscription_id AS item_id "
               "FROM t WHERE end_date IS NULL UNION ALL SELECT * REPLACE ('S' || account_id AS subscription_id, "
               "start_date + 1 AS start_date), subscription_id || 'b' FROM t WHERE end_date IS NULL"),
    Corruption("an old export", BILLING, f"FROM t WHERE start_date < DATE '{END}' - 200"),
    Corruption("subscriptions twice by case", BILLING,
               "FROM t UNION ALL SELECT * REPLACE (lower(subscription_id) AS subscription_id) FROM t"),
    Corruption("2099 for no end", BILLING,
               "SELECT * REPLACE (coalesce(end_date, DATE '2099-12-31') AS end_date) FROM t"),
    Corruption("1900 for no start", BILLING,
               _replaced("start_date", "DATE '1900-01-01'", "hash(subscription_id) % 10 = 0")),
    Corruption("prices of another column", BILLING, _replaced("mrr", "0", "hash(subscription_id) % 5 <> 0")),
    Corruption("no currency", BILLING, _replaced("currency", "NULL", "hash(subscription_id) % 4 = 0")),
    Corruption("invoices in cents", INVOICES, _replaced("amount", "amount * 100")),
    Corruption("no day of payment", INVOICES, _replaced("paid_on", "NULL")),
    Corruption("old invoices", INVOICES, f"FROM t WHERE issued_on < DATE '{END}' - 200"),
    Corruption("invoices twice", INVOICES, "FROM t UNION ALL FROM t"),
    Corruption("times eight hours off", TICKETS,
               "SELECT * REPLACE (opened_at - INTERVAL 8 HOUR AS opened_at) FROM t"),
    Corruption("opened and resolved swapped", TICKETS,
               "SELECT * REPLACE (coalesce(resolved_at, opened_at) AS opened_at, opened_at AS resolved_at) FROM t"),
    Corruption("words of another system", TICKETS, _replaced("priority", "'P2'", "priority = 'high'")),
    Corruption("satisfaction of 100", TICKETS, _replaced("csat", "csat * 20")),
    Corruption("names for account ids", TICKETS, _replaced("account_id", "'Company ' || account_id")),
    Corruption("days one off", USAGE, _replaced("usage_date", "usage_date + 1")),
    Corruption("users are subscriptions", USAGE,
               "SELECT * REPLACE ('S' || lpad((hash(user_id) % 200 + 1)::VARCHAR, 6, '0') AS user_id) FROM t",
               "product_users"),
    Corruption("lost days", USAGE, "FROM t WHERE hash(usage_date) % 8 <> 0"),
    Corruption("counts below 0", USAGE, _replaced("event_count", "-event_count")),
    Corruption("usage of 2099", USAGE,
               _replaced("usage_date", "DATE '2099-01-01'", "hash(user_id, usage_date) % 200 = 0")),
    Corruption("garbled names", CRM, _replaced("account_name", "account_name || 'Ã¼'", "hash(account_id) % 3 = 0")),
    Corruption("accounts twice by case", CRM,
               "FROM t UNION ALL SELECT * REPLACE (lower(account_id) AS account_id) FROM t"),
    Corruption("only some accounts", CRM, "FROM t WHERE hash(account_id) % 3 <> 0"),
)  # fmt: skip


def company(folder: Path, seed: int, accounts: int) -> Path:
    """A sample company without its planted dirt; returns its mapping."""
    generate(folder, accounts=accounts, days=420, users_per_account=3, seed=seed, end=END)
    mapping = yaml.safe_load((folder / "sources.yaml").read_text(encoding="utf-8"))
    mapping["extracts"] = {name: mapping["extracts"][name] for name in EXTRACTS}
    with duckdb.connect() as connection:  # one file of each extract is enough, and quicker to read
        for name, source in mapping["extracts"].items():
            files = sorted(folder.glob(source["path"]))
            chosen = files if name == USAGE else files[-1:]
            listed = ", ".join(f"'{file}'" for file in chosen)
            connection.execute(
                f"COPY (FROM read_parquet([{listed}], union_by_name = true)) TO '{folder}/one_{name}.parquet'"
            )
            source["path"] = f"one_{name}.parquet"
    file = folder / "clean.yaml"
    file.write_text(yaml.safe_dump(mapping), encoding="utf-8")
    return file


def corrupted(clean: Path, corruption: Corruption) -> Path:
    """The mapping of the company with the corruption planted in a file beside the clean one."""
    mapping = yaml.safe_load(clean.read_text(encoding="utf-8"))
    with duckdb.connect() as connection:
        source = f"'{clean.parent}/one_{corruption.extract}.parquet'"
        connection.execute(f"COPY (WITH t AS (FROM {source}) {corruption.sql}) TO '{clean.parent}/corrupted.parquet'")
    mapping["extracts"][corruption.extract]["path"] = "corrupted.parquet"
    if corruption.without:
        del mapping["extracts"][corruption.without]
    file = clean.parent / "corrupted.yaml"
    file.write_text(yaml.safe_dump(mapping), encoding="utf-8")
    return file


def said(mapping: Path) -> list[Problem]:
    """All that `check-sources` says."""
    return check_sources(read_sources(mapping))


def suspicions(problems: list[Problem]) -> list[Problem]:
    """What is suspected, without the few rows that the sample breaks on purpose."""
    return [p for p in problems if p.is_warning and "left out" not in p.advice]


def is_seen(corruption: Corruption, problems: list[Problem], clean: list[Problem]) -> bool:
    """Something is said of the corrupted extract (or of what refers to it) that is not said of the clean company."""
    before = {(p.extract, p.column, p.problem) for p in clean}
    about = {corruption.extract, BILLING} if corruption.extract == CRM else {corruption.extract}
    return any(
        (p.extract, p.column, p.problem) not in before
        for p in problems
        if p.extract in about and "left out" not in p.advice
    )


def planted(clean: Path) -> Iterator[tuple[Corruption, bool, list[Problem]]]:
    """Each corruption with whether it is seen, and what is said."""
    before = said(clean)
    for corruption in CORRUPTIONS:
        problems = said(corrupted(clean, corruption))
        yield corruption, is_seen(corruption, problems, before), problems


def main(seeds: int = 10, accounts: int = 60) -> Mapping[str, object]:
    """Print what is seen and what is a false alarm."""
    with tempfile.TemporaryDirectory() as temporary:
        clean = company(Path(temporary) / "first", 1, accounts)
        results = [*planted(clean)]
        for corruption, seen, _ in results:
            print(f"{'seen  ' if seen else 'MISSED'} {corruption.extract}: {corruption.name}")
        false = {1: suspicions(said(clean))}
        for seed in range(2, seeds + 1):
            false[seed] = suspicions(said(company(Path(temporary) / str(seed), seed, accounts)))
    for seed, problems in false.items():
        for problem in problems:
            print(f"false alarm of company {seed}: {problem}")
    count = sum(seen for _, seen, _ in results)
    print(f"{count} of {len(results)} seen; {sum(map(len, false.values()))} false alarms over {seeds} companies")
    return {"seen": count, "of": len(results), "false_alarms": sum(map(len, false.values()))}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
