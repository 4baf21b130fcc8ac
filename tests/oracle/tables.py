"""Which oracle recomputes which table, and which columns it leaves out. Not here: any figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from tests.oracle import (
    accounts,
    backtest,
    capacity,
    churn,
    customers,
    kpis,
    moves,
    profiles,
    quality,
    retention,
    scorecard,
    scores,
    segments,
    shortfall,
    standings,
    usage,
)
from tests.oracle.raw import Company


@dataclass(frozen=True)
class Oracle:
    """What recomputes a table, the table's key without as_of, and columns left out with the reason."""

    recompute: Callable[[Company], pd.DataFrame]
    key: tuple[str, ...] = ("account_id",)
    left_out: Mapping[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    is_of_monday: bool = False
    """Compared on the last Monday instead of as_of."""


_OF_MOVES = dict.fromkeys(
    (
        "rule_id", "segment_basis_on", "segment_basis", "segment_compared_with", "segment_cause",
        "segment_cause_kind", "segment_cause_text", "tier_rule_id", "candidate_tier_rule_id", "tier_basis_on",
        "tier_basis", "tier_compared_with", "tier_cause", "tier_cause_kind", "tier_cause_text",
    ),
    "why it came about: tests/segments/test_causes changes each cause back, which must undo the move",
)  # fmt: skip

_DRAWN = "drawn by chance: held by tests/kpis/test_backtest"

_MOVE = ("account_id", "kind", "effective_on")
_ENTRY = ("account_id", "kind", "entry")
_OF_RUNS = dict.fromkeys(
    ("posted_at", "run_id", "seen_policy"), "of the run, not of the company: tests/segments/test_register"
)

ORACLES: dict[str, Oracle] = {
    # profiles
    "account_hierarchy": Oracle(profiles.account_hierarchy),
    "subscription_steps": Oracle(accounts.subscription_steps, ("subscription_id", "day")),
    "account_states": Oracle(accounts.account_states, ("account_id", "day")),
    "account_revenue": Oracle(accounts.account_revenue),
    "arr_steps": Oracle(accounts.arr_steps, ("account_id", "day")),
    "usage_days": Oracle(usage.usage_days, ("usage_date", "account_id", "user_id")),
    "usage_last_days": Oracle(usage.usage_last_days, ()),
    "account_usage": Oracle(usage.account_usage),
    "account_support": Oracle(profiles.account_support),
    "account_engagement": Oracle(profiles.account_engagement),
    "account_outcomes": Oracle(profiles.account_outcomes),
    "account_technology": Oracle(profiles.account_technology),
    "account_signals": Oracle(profiles.account_signals),
    "account_costs": Oracle(profiles.account_costs),
    "account_profiles": Oracle(profiles.account_profiles),
    # scores
    "firmographic_scores": Oracle(scores.firmographic_scores),
    "technographic_scores": Oracle(scores.technographic_scores),
    "behavioral_scores": Oracle(scores.behavioral_scores),
    "needs_scores": Oracle(scores.needs_scores),
    "health_scores": Oracle(scores.health_scores),
    "churn_outcomes": Oracle(scores.churn_outcomes, ("window_start", "points", "size_rank")),
    "churn_bases": Oracle(scores.churn_bases, ()),
    "churn_training": Oracle(churn.churn_training, ("starts_on", "account_id")),
    "churn_model": Oracle(churn.churn_model, ("term",)),
    "churn_model_quality": Oracle(
        churn.churn_model_quality,
        (),
        dict.fromkeys(("auc_low", "auc_high"), "drawn by chance: held by tests/scores/test_churn_model"),
    ),
    "churn_risk": Oracle(scores.churn_risk),
    "risk_calibration": Oracle(scores.risk_calibration, ("past_day", "decile")),
    "risk_calibration_summary": Oracle(scores.risk_calibration_summary, ()),
    "expansion_scores": Oracle(scores.expansion_scores),
    "account_tenures": Oracle(scores.account_tenures),
    "cohort_renewals": Oracle(scores.cohort_renewals, ("cohort", "renewal_year")),
    "clv_parameters": Oracle(scores.clv_parameters, ("cohort",)),
    "clv_lifetimes": Oracle(scores.clv_lifetimes, ("cohort", "tenure_years")),
    "account_value": Oracle(scores.account_value),
    "value_scores": Oracle(scores.value_scores),
    "composite_scores": Oracle(scores.composite_scores),
    "score_contributions": Oracle(scores.score_contributions, ("account_id", "score", "part")),
    # segments
    "tier_cuts": Oracle(segments.tier_cuts, ()),
    "segment_inputs": Oracle(segments.segment_inputs),
    "segment_grid": Oracle(standings.segment_grid, ("account_id", "anchor"), _OF_MOVES, is_of_monday=True),
    "segment_states": Oracle(standings.segment_states, left_out=_OF_MOVES),
    "segments": Oracle(segments.segments),
    "segment_mix": Oracle(segments.segment_mix, ("segment",)),
    "segment_moves": Oracle(moves.segment_moves, _MOVE),
    "segment_move_parts": Oracle(moves.segment_move_parts, (*_MOVE, "place")),
    "segment_register": Oracle(moves.segment_register, _ENTRY, _OF_RUNS),
    "segment_relabels": Oracle(moves.segment_relabels, _ENTRY, may_be_empty=True),
    # kpis
    "data_quality": Oracle(quality.data_quality, ("extract",)),
    "data_quality_columns": Oracle(quality.data_quality_columns, ("extract", "column_name")),
    "account_data_quality": Oracle(quality.account_data_quality),
    "kpi_scorecard": Oracle(scorecard.kpi_scorecard, ("grouping", "member", "window_months", "kpi")),
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
    "renewal_windows": Oracle(kpis.renewal_windows, ("due_window", "grouping", "member")),
    "arr_reconciliation": Oracle(kpis.arr_reconciliation),
    "backtest_accounts": Oracle(backtest.backtest_accounts, ("window_months", "starts_on", "account_id")),
    "segment_backtest": Oracle(
        backtest.segment_backtest,
        ("window_months", "grouping", "member"),
        dict.fromkeys(("churn_rate_low", "churn_rate_high", "nrr_low", "nrr_high"), _DRAWN),
    ),
    "score_backtest": Oracle(
        backtest.score_backtest,
        ("window_months", "score", "outcome"),
        dict.fromkeys(("auc_low", "auc_high"), _DRAWN),
    ),
    "risk_backtest": Oracle(backtest.risk_backtest, ("starts_on",)),
    # capacity
    "csm_supply": Oracle(capacity.csm_supply, ("csm_id",)),
    "account_demand": Oracle(capacity.account_demand),
    "csm_tier_shares": Oracle(capacity.csm_tier_shares, ("csm_id", "coverage_tier")),
    "capacity_plan": Oracle(capacity.capacity_plan, ("coverage_tier",)),
    "coverage_leakage": Oracle(capacity.coverage_leakage),
    "rebalanced_accounts": Oracle(capacity.rebalanced_accounts, may_be_empty=True),
    "goal_gap": Oracle(capacity.goal_gap, ()),
    "csm_loads": Oracle(capacity.csm_loads, ("csm_id",)),
    "csm_assignments": Oracle(capacity.csm_assignments),
    "csm_assignment_constraints": Oracle(
        shortfall.csm_assignment_constraints, ("constraint", "place"), may_be_empty=True
    ),
    "csm_assignment_runs": Oracle(
        capacity.csm_assignment_runs,
        (),
        dict.fromkeys(
            ("objective", "bound"),
            "the optimiser's own price and bound: tests/capacity/test_optimiser holds them against all assignments",
        ),
    ),
}

NEED_NONE: dict[str, str] = {}
"""Tables without an oracle, and why."""

ROOMS = ("profiles", "scores", "segments", "kpis", "capacity")
