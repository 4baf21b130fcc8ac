"""Which tables are made how often, and how old they may become.

Here: names of tables by cadence, and the limits that the policy sets for each. Not here: when runs start
(`orchestration.schedules`), or what stands published (`status`).
"""

from __future__ import annotations

from segmentation_assets.policy.orchestration import FreshnessPolicy

DAILY_TABLES = ("behavioral_scores", "health_scores")
"""What changes with a day's usage and behaviour; with all behind it, this is the daily run."""
REVIEW_TABLES = ("tier_migration_summary",)
"""The migration review: of a quarter's last day, when the quarter is over."""
CUT_TABLES = ("tier_cuts", "value_scores")
"""Where cut-offs frozen for a quarter are worked out: from the quarter's first day on."""

_READ_DAILY = ("account_profiles", "account_usage", *DAILY_TABLES)
_READ_WEEKLY = ("segments", "kpis", "capacity", "activation")


def age_limits(table: str, group: str | None, policy: FreshnessPolicy) -> tuple[float, float] | None:
    """Hours after which a table that people read is nearly late, and late; None for others."""
    if table in _READ_DAILY:
        return policy.daily_warn_hours, policy.daily_fail_hours
    return (policy.weekly_warn_hours, policy.weekly_fail_hours) if group in _READ_WEEKLY else None
