"""How often tables are made, and how old they may be.

Here: tables by cadence, and the age limits of the policy. Not here: when runs start (`orchestration.schedules`), or
the age of published tables (`status`).
"""

from __future__ import annotations

from segmentation_assets.policy.orchestration import FreshnessPolicy

DAILY_TABLES = ("behavioral_scores", "health_scores")
"""The tables that change with a day's usage. The daily run makes them and their inputs."""
REVIEW_TABLES = ("tier_migration_summary",)
"""The migration review, made for the last day of a quarter."""
CUT_TABLES = ("tier_cuts", "value_scores")
"""The tables with cut-offs that are frozen for a quarter, made from the quarter's first day on."""

_READ_DAILY = ("account_profiles", "account_usage", *DAILY_TABLES)
_READ_WEEKLY = ("segments", "kpis", "capacity", "activation")


def age_limits(table: str, group: str | None, policy: FreshnessPolicy) -> tuple[float, float] | None:
    """Hours after which a table is nearly late, and late; None for tables without a limit."""
    if table in _READ_DAILY:
        return policy.daily_warn_hours, policy.daily_fail_hours
    return (policy.weekly_warn_hours, policy.weekly_fail_hours) if group in _READ_WEEKLY else None
