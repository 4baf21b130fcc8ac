"""Accounts: the list that the page searches, and all that an account's own page shows.

Here: gathering it, set-based, for all accounts at once, as plain values that become JSON. Not here: the sentences
(`explanation`), how the page draws it (`report.js`), or how it is packed (`document`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from segmentation_assets.report.actions import Action, next_action
from segmentation_assets.report.evidence import Evidence, Row

INDEX = (
    "account_id", "name", "segment", "tier", "micro", "cohort", "value_tier", "arr", "health", "weakest",
    "churn_risk", "expansion", "renewal_on", "csm", "account_executive", "override", "action", "why",
)  # fmt: skip
"""Columns of the list, in order."""

_DAYS_PER_MONTH = 30.44


def account_index(evidence: Evidence) -> dict[str, Any]:
    """The list: columns, rows (largest ARR first), and the actions that rows refer to by number."""
    actions: dict[tuple[str, str], int] = {}
    names = csm_names(evidence)
    rows = []
    for row in segments_with_health(evidence):
        action = next_action(row, row, evidence.policy)
        rows.append(_entry(row, action, actions.setdefault((action.owner, action.action), len(actions)), names))
    return {"columns": INDEX, "rows": rows, "actions": [list(key) for key in actions]}


def csm_names(evidence: Evidence) -> dict[str, str]:
    """CSMs' names by id, from the tables that know them."""
    found: dict[str, str] = {}
    for table in ("csm_performance", "csm_supply"):
        found |= {row["csm_id"]: row["csm_name"] for row in evidence.of_day(table) if row["csm_name"]}
    return found


def segments_with_health(evidence: Evidence) -> list[Row]:
    """A row per live account: `segments` with the four dimensions of health and the renewal, null where not known."""
    health = ("product_health", "relationship_health", "outcome_health", "financial_health")
    columns, joins, days = [], [], [evidence.as_of]
    if evidence.has("health_scores"):
        columns += [f"h.{name}" for name in health]
        joins.append("LEFT JOIN health_scores h ON h.account_id = s.account_id AND h.as_of = s.as_of")
    else:
        columns += [f"NULL AS {name}" for name in health]
    if evidence.has("account_profiles"):
        columns += ["p.renewal_on", "p.days_to_renewal"]
        joins.append("LEFT JOIN account_profiles p ON p.account_id = s.account_id AND p.as_of = s.as_of")
    else:
        columns += ["NULL AS renewal_on", "NULL AS days_to_renewal"]
    return evidence.rows(
        f"SELECT s.*, {', '.join(columns)} FROM segments s {' '.join(joins)} WHERE s.as_of = ? "
        "ORDER BY s.arr DESC, s.account_id",
        *days,
    )


def _entry(row: Row, action: Action, number: int, names: Mapping[str, str]) -> list[Any]:
    csm = row["csm_id"]
    return [
        row["account_id"], row["account_name"] or row["account_id"], row["segment"], row["coverage_tier"],
        row["micro_segment"], row["behavioral_cohort"], row["value_tier"], round(row["arr"]),
        _rounded(row["health_score"], 1), row["weakest_dimension"], _rounded(row["churn_risk"], 4),
        _rounded(row["expansion_score"], 1), _iso(row["renewal_on"]), names.get(csm, csm) if csm else None,
        row["account_executive"], bool(row["coverage_override"]), number, action.why,
    ]  # fmt: skip


def history_days(evidence: Evidence) -> list[date]:
    """Evenly spread days that there is revenue for, up to as_of, over the policy's months."""
    if not evidence.has("account_revenue"):
        return [evidence.as_of]
    months, points = evidence.policy.report.history_months, evidence.policy.report.history_points
    there = [row["as_of"] for row in evidence.rows(
        "SELECT DISTINCT as_of FROM account_revenue WHERE as_of <= ? ORDER BY as_of", evidence.as_of)]  # fmt: skip
    step = timedelta(days=months * _DAYS_PER_MONTH / (points - 1))
    wanted = [evidence.as_of - i * step for i in range(points)]
    first = wanted[-1]
    near = {min((d for d in there if d >= first), key=lambda d, w=w: abs(d - w), default=None) for w in wanted}
    return sorted({each for each in near if each is not None} | {evidence.as_of})


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()
