"""Which oracle recomputes which table, and the few tables that need none. Not here: any figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from tests.oracle import accounts, customers, kpis, profiles, quality, retention, usage
from tests.oracle.raw import Company


@dataclass(frozen=True)
class Oracle:
    """What recomputes a table, the table's key without as_of, and columns left out with the reason."""

    recompute: Callable[[Company], pd.DataFrame]
    key: tuple[str, ...] = ("account_id",)
    left_out: Mapping[str, str] = field(default_factory=dict)


ORACLES: dict[str, Oracle] = {
    # profiles
    "account_hierarchy": Oracle(profiles.account_hierarchy),
    "subscription_steps": Oracle(accounts.subscription_steps, ("subscription_id", "day")),
    "account_states": Oracle(accounts.account_states, ("account_id", "day")),
    "account_revenue": Oracle(accounts.account_revenue),
    "arr_steps": Oracle(accounts.arr_steps, ("account_id", "day")),
    "usage_last_days": Oracle(usage.usage_last_days, ()),
    "account_usage": Oracle(usage.account_usage),
    "account_support": Oracle(profiles.account_support),
    "account_engagement": Oracle(profiles.account_engagement),
    "account_outcomes": Oracle(profiles.account_outcomes),
    "account_technology": Oracle(profiles.account_technology),
    "account_signals": Oracle(profiles.account_signals),
    "account_costs": Oracle(profiles.account_costs),
    "account_profiles": Oracle(profiles.account_profiles),
    # kpis
    "data_quality": Oracle(quality.data_quality, ("extract",)),
    "feature_adoption": Oracle(usage.feature_adoption, ("segment", "behavioral_cohort", "feature")),
    "revenue_movements": Oracle(kpis.revenue_movements),
    "account_periods": Oracle(kpis.account_periods, ("account_id", "window_months")),
    "account_standings": Oracle(retention.account_standings),
    "account_workloads": Oracle(retention.account_workloads, ("account_id", "window_months")),
    "durations": Oracle(
        customers.durations, ("duration", "grouping", "member", "window_months", "days", "has_happened")
    ),
    "median_durations": Oracle(customers.median_durations, ("duration", "grouping", "member", "window_months")),
    "sales_efficiency": Oracle(retention.sales_efficiency, ()),
    "tier_kpis": Oracle(retention.tier_kpis, ("coverage_tier", "window_months")),
    "segment_kpis": Oracle(retention.segment_kpis, ("segment", "window_months")),
    "company_kpis": Oracle(retention.company_kpis, ("window_months",)),
    "tier_migration": Oracle(customers.tier_migration, ("from_tier", "to_tier")),
    "tier_migration_summary": Oracle(customers.tier_migration_summary, ()),
    "cohort_retention": Oracle(customers.cohort_retention, ("signup_quarter", "age_quarters")),
    "icp_insights": Oracle(customers.icp_insights, ("trait", "value", "outcome")),
    "concentration": Oracle(customers.concentration, ()),
    "csm_performance": Oracle(customers.csm_performance, ("csm_id",)),
    "renewal_forecast": Oracle(kpis.renewal_forecast, ("quarter_start", "coverage_tier", "csm_id")),
    "arr_reconciliation": Oracle(kpis.arr_reconciliation),
}

NEED_NONE: dict[str, str] = {
    "usage_days": "the raw rows added up per day: account_usage, which adds up the raw rows itself, holds them",
}
"""Tables without an oracle, and why."""

ROOMS = ("profiles", "kpis")
