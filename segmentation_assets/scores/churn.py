"""How likely the account is to leave within 90 days.

Here: the points rule. Not here: CLV's retention curves (`value`), or what to do about the risk (plays).
"""

from __future__ import annotations

from typing import Any

from segmentation_assets.warehouse.contracts import Snapshot, column


def _log_odds(part: str) -> Any:
    return column(f"{part}: what it adds to the log-odds; 0 where it does not apply or is unknown.", unit="log-odds")


class ChurnRisk(Snapshot):
    """Probability of churn in 90 days. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    churn_risk: float = column(
        "Probability of churn within 90 days: logistic function of the log-odds.",
        unit="probability",
        in_range={"min_value": 0, "max_value": 1},
    )
    log_odds: float = column("Sum of the parts below.", unit="log-odds")
    inputs_missing: str = column("Parts whose input is unknown and so added 0, comma-separated; empty if none.")
    base_points: float = _log_odds("Base rate")
    cohort_points: float = _log_odds("Behavioral cohort")
    single_champion_points: float = _log_odds("One user makes most events")
    overdue_points: float = _log_odds("Long overdue invoices")
    sentiment_points: float = _log_odds("Bad ticket sentiment")
    renewal_points: float = _log_odds("Renewal ahead")
    external_signals_points: float = _log_odds("External signals (good ones lower the risk)")

    class Config:
        unique = ["as_of", "account_id"]
