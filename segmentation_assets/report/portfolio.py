"""The portfolios page: the accounts of each CSM and account executive, summed.

Here: the page's view model. Not here: the accounts of one portfolio; the script takes them from the list of accounts
(`accounts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from segmentation_assets.policy.segments import AT_RISK
from segmentation_assets.report.accounts import csm_names, segments_with_health
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.sets import Count

NOBODY = ""


@dataclass(frozen=True)
class Portfolio:
    """The sums over one person's accounts. `key` is empty for accounts without a person."""

    key: str
    name: str
    accounts: Count
    arr: float
    mean_health: float | None
    unhealthy: Count
    at_risk: Count
    renewals: Count
    renewing_arr: float
    nrr: float | None
    grr: float | None


@dataclass(frozen=True)
class PortfolioPage:
    """Everything on the page."""

    csms: tuple[Portfolio, ...]
    executives: tuple[Portfolio, ...]
    renewal_days: int
    watch_from: float
    gaps: tuple[str, ...] = ()


def portfolio_page(evidence: Evidence) -> PortfolioPage:
    """Make the page."""
    rows, names = segments_with_health(evidence), csm_names(evidence)
    results = {row["csm_id"]: row for row in evidence.of_day("csm_performance")}
    return PortfolioPage(
        csms=_portfolios(evidence, rows, "csm_id", names, results),
        executives=_portfolios(evidence, rows, "account_executive", {}, {}),
        renewal_days=evidence.policy.report.renewal_within_days,
        watch_from=evidence.policy.health_bands.watch_from,
        gaps=evidence.gaps("csm_performance", "csm_supply", "health_scores", "account_profiles"),
    )


def _portfolios(
    evidence: Evidence, rows: list[Row], column: str, names: dict[str, str], results: dict[str, Row]
) -> tuple[Portfolio, ...]:
    by_person: dict[str, list[Row]] = {}
    for row in rows:
        by_person.setdefault(row[column] or NOBODY, []).append(row)
    portfolios = [
        _portfolio(evidence, key, names.get(key, key), mine, results.get(key, {})) for key, mine in by_person.items()
    ]
    return tuple(sorted(portfolios, key=lambda each: (each.key == NOBODY, -each.arr, each.key)))


def _portfolio(evidence: Evidence, key: str, name: str, rows: list[Row], result: Row) -> Portfolio:
    until = evidence.as_of + timedelta(days=evidence.policy.report.renewal_within_days)
    health = [row["health_score"] for row in rows if row["health_score"] is not None]
    renewing = [row for row in rows if row["renewal_on"] and evidence.as_of < row["renewal_on"] <= until]
    watch_from = evidence.policy.health_bands.watch_from
    unhealthy = [row for row in rows if row["health_score"] is not None and row["health_score"] < watch_from]
    at_risk = [row for row in rows if row["segment"] == AT_RISK]
    name = name or "nobody"

    def count(some: list[Row], title: str) -> Count:
        return evidence.sets.count((row["account_id"] for row in some), f"{name}: {title}")

    return Portfolio(
        key,
        name,
        count(rows, "all accounts"),
        sum(row["arr"] for row in rows),
        sum(health) / len(health) if health else None,
        count(unhealthy, f"health below {watch_from:g}"),
        count(at_risk, "in At-Risk"),
        count(renewing, f"renewals within {evidence.policy.report.renewal_within_days} days"),
        sum(row["arr"] for row in renewing),
        result.get("nrr"),
        result.get("grr"),
    )
