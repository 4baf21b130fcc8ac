"""The whole chain: importing this module registers every table, earlier rooms first. It defines no table itself."""

from importlib import import_module

from segmentation_assets.tables.registry import CATALOGUE

# The modules with tables, one line each. Importing a module registers its tables.
MODULES = (
    "extracts.contracts",
    "extracts.quality",
    "profiles.known",
    "profiles.subscriptions",
    "profiles.states",
    "profiles.revenue",
    "profiles.arr_steps",
    "profiles.usage_feed",
    "profiles.usage",
    "profiles.support",
    "profiles.engagement",
    "profiles.outcomes",
    "profiles.technology",
    "profiles.signals",
    "profiles.costs",
    "profiles.profiles",
    "scores.firmographic",
    "scores.technographic",
    "scores.behavioral",
    "scores.needs",
    "scores.health",
    "scores.churn_bases",
    "scores.churn",
    "scores.calibration",
    "scores.expansion",
    "scores.lifetime",
    "scores.value",
    "scores.composite",
    "scores.contributions",
    "segments.cuts",
    "segments.inputs",
    "segments.grid",
    "segments.segments",
    "segments.register",
    "segments.moves",
    "kpis.periods",
    "kpis.movements",
    "kpis.standings",
    "kpis.workloads",
    "kpis.durations",
    "kpis.efficiency",
    "kpis.retention",
    "kpis.scorecard",
    "kpis.migration",
    "kpis.cohorts",
    "kpis.adoption",
    "kpis.icp",
    "kpis.concentration",
    "kpis.csm",
    "kpis.forecast",
    "kpis.reconciliation",
    "kpis.account_quality",
    "capacity.staffing",
    "capacity.plan",
    "capacity.goals",
    "capacity.leakage",
    "capacity.rebalancing",
    "capacity.assignments",
    "activation.crossings",
    "activation.alerts",
)  # fmt: skip

for _module in MODULES:
    import_module(f"segmentation_assets.{_module}")

__all__ = ["CATALOGUE", "MODULES"]
