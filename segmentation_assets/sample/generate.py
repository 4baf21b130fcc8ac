"""Write a whole sample company: 21 extracts, their `sources.yaml`, and the planted truth.

Belongs here: which part is made when, and where it is written. Not here: what any extract holds.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa

from segmentation_assets.sample import (
    billing,
    crm,
    people,
    selling,
    staffing,
    tables,
    touchpoints,
    truth,
    usage,
)
from segmentation_assets.sample.company import Company, Wish, found_company
from segmentation_assets.sample.dirt import soiled
from segmentation_assets.sample.timeline import Timeline, day_of

Progress = Callable[[str], None]
TRUTH_FOLDER = "truth"


@dataclass
class SampleSummary:
    """What was written where. `rows` and `broken_rows` are per extract, all its files together."""

    directory: Path
    sources: Path
    truth: Path
    end: date
    live_accounts: int
    churned_accounts: int
    arr: float
    rows: dict[str, int] = field(default_factory=dict)
    broken_rows: dict[str, int] = field(default_factory=dict)


def generate(
    directory: Path,
    *,
    accounts: int = 400,
    days: int = 730,
    users_per_account: int = 25,
    seed: int = 7,
    end: date,
    progress: Progress | None = None,
) -> SampleSummary:
    """Write the sample company into `directory` (its earlier extracts are replaced), to the byte the same each time.

    `accounts` are live at `end`, the last day of every extract; those that churned before come on top. Billing covers
    five years, all else the last `days`.
    """
    if min(accounts, days, users_per_account) < 1:
        raise ValueError("accounts, days and users_per_account must be at least 1")
    directory = Path(directory)
    timeline = Timeline(end, days)
    company = found_company(seed, Wish(timeline, accounts, users_per_account))
    summary = _summary(directory, company)
    _clear(directory)
    users = people.draw_users(company)
    for name, file_name, data in _extracts(company, users):
        if progress:
            progress(f"{name} {file_name}".strip())
        _write(company, summary, name, file_name, data)
    rows, broken = usage.write_usage(company, users, directory / "product_usage", progress)
    summary.rows["product_usage"], summary.broken_rows["product_usage"] = rows, broken
    tables.write(truth.account_truth(company), summary.truth / "accounts.parquet")
    tables.write(truth.monthly_truth(company), summary.truth / "months.parquet")
    summary.sources.write_text(_sources(), encoding="utf-8")
    return summary


def _summary(directory: Path, company: Company) -> SampleSummary:
    live = int(company.live.sum())
    return SampleSummary(
        directory=directory,
        sources=directory / "sources.yaml",
        truth=directory / TRUTH_FOLDER,
        end=company.timeline.end,
        live_accounts=live,
        churned_accounts=company.customers - live,
        arr=round(12 * float(company.mrr[:, -1].sum()), 2),
    )


def _clear(directory: Path) -> None:
    """Remove what an earlier call wrote, so that no file of a longer window stays behind."""
    for name in tables.SCHEMAS:
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / f"{name}.parquet").unlink(missing_ok=True)
    shutil.rmtree(directory / TRUTH_FOLDER, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)


def _extracts(company: Company, users: people.Users) -> Iterator[tuple[str, str, pa.Table]]:
    """(extract, day of the drop or nothing, rows), one at a time; usage comes by itself."""
    rates = billing.draw_rates(company)
    roster = crm.draw_roster(company)
    facts = crm.draw_firmographics(company)
    yield "billing_subscriptions", "", billing.billing_subscriptions(company, rates)
    yield "billing_invoices", "", billing.billing_invoices(company, rates)
    yield "fx_rates", "", billing.fx_rates(company, rates)
    yield "product_users", "", people.product_users(company, users)
    yield "support_tickets", "", touchpoints.support_tickets(company)
    yield "self_service_sessions", "", touchpoints.self_service_sessions(company)
    yield "marketing_engagement", "", touchpoints.marketing_engagement(company)
    yield "interactions", "", touchpoints.interactions(company)
    yield "surveys", "", touchpoints.surveys(company, users)
    yield "technology_installs", "", touchpoints.technology_installs(company)
    yield "external_signals", "", touchpoints.external_signals(company)
    yield "success_goals", "", touchpoints.success_goals(company)
    yield "opportunities", "", selling.opportunities(company)
    yield "leads", "", selling.leads(company)
    yield "gtm_spend", "", selling.gtm_spend(company)
    yield "csm_time_entries", "", staffing.csm_time_entries(company, facts, roster)
    yield "custom_development", "", staffing.custom_development(company)
    yield from _drops(company, facts, roster)


def _drops(company: Company, facts: crm.Firmographics, roster: crm.Roster) -> Iterator[tuple[str, str, pa.Table]]:
    texts = crm.draw_account_texts(company, facts)
    released = usage.release_days(company.timeline.last_day)
    for day in company.timeline.drop_days:
        name = day_of(day).isoformat()
        yield "crm_accounts", name, crm.crm_accounts(company, facts, texts, roster, day)
        yield "csm_roster", name, crm.csm_roster(company, roster, day)
        yield "product_features", name, crm.product_features(released, day)


def _write(company: Company, summary: SampleSummary, name: str, drop: str, data: pa.Table) -> None:
    data, broken = soiled(company.stream("dirt", name, drop), name, data)
    path = summary.directory / name / f"{drop}.parquet" if drop else summary.directory / f"{name}.parquet"
    tables.write(data, path)
    summary.rows[name] = summary.rows.get(name, 0) + len(data)
    summary.broken_rows[name] = summary.broken_rows.get(name, 0) + broken


def _sources() -> str:
    lines = ["version: 1", "extracts:"]
    for name in tables.SCHEMAS:
        folder = name in tables.DROPPED or name in tables.DAILY
        lines.append(f'  {name}: {{path: "{name}/*.parquet"}}' if folder else f"  {name}: {{path: {name}.parquet}}")
    return "\n".join(lines) + "\n"
