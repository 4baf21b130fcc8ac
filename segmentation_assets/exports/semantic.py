"""Definitions of KPIs for a semantic layer, as YAML in the form of dbt's MetricFlow: semantic models and metrics.

Here: which columns of the KPI tables are measures, and which KPIs are ratios of them. Not here: their formulas
(`kpis`), or meanings (the contracts, whose words go along). A ratio is numerator and denominator, never a column: so
a tool that adds tiers up gets the company's NRR and not a mean of NRRs. A test holds each ratio against the tables.

The tables hold a row per day, group and length of period. Measures read the rows of one length and do not add up over
days: a tool that asks for a quarter gets its last day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from segmentation_assets.tables.dictionary import ColumnEntry, TableEntry

MODELS: Mapping[str, str] = {"tier_kpis": "coverage_tier", "segment_kpis": "segment"}
"""Tables whose rows add up to the company, and what their rows are of."""
RATIOS: Mapping[str, tuple[str, str]] = {
    "nrr": ("cohort_end_arr", "start_arr"),
    "grr": ("retained_arr", "start_arr"),
    "renewal_grr": ("renewal_retained_arr", "renewal_start_arr"),
    "logo_retention": ("retained_accounts", "start_accounts"),
    "expansion_rate": ("expanded_accounts", "start_accounts"),
    "expansion_rate_with_price": ("risen_accounts", "start_accounts"),
}
"""KPIs that are one measure divided by another."""
SUMS = (
    "accounts", "arr", "new_arr", "expansion_arr", "contraction_arr", "churned_arr", "reactivated_arr",
    "cohort_end_arr", "retained_arr", "start_arr", "renewal_retained_arr", "renewal_start_arr", "retained_accounts",
    "start_accounts", "expanded_accounts", "risen_accounts", "churned_accounts", "new_accounts",
)  # fmt: skip
"""Measures: amounts and counts that add up over groups."""
MONTHS = 12
_DAY = "as_of"


def semantic_yaml(entries: Mapping[str, TableEntry], months: int = MONTHS) -> str:
    """The definitions as one YAML file, for KPIs over periods of so many months."""
    models = [_model(entries[table], member, months) for table, member in MODELS.items()]
    metrics = [metric for table in MODELS for metric in _metrics(entries[table], MODELS[table], months)]
    head = (
        "# KPIs for a semantic layer (MetricFlow), written by `segmentation export semantic`.\n"
        f"# Periods of {months} months. The models are {' and '.join(MODELS)}; each adds up to the company.\n"
    )
    return head + yaml.safe_dump(
        {"semantic_models": models, "metrics": metrics}, sort_keys=False, allow_unicode=True, width=110
    )


def _model(entry: TableEntry, member: str, months: int) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": entry.question,
        "model": f"ref('{entry.name}')",
        "defaults": {"agg_time_dimension": _DAY},
        "primary_entity": f"{member}_period",
        "dimensions": [
            {"name": _DAY, "type": "time", "description": _meaning(entry, _DAY),
             "type_params": {"time_granularity": "day"}},
            {"name": member, "type": "categorical", "description": _meaning(entry, member)},
        ],
        "measures": [
            {
                "name": _named(name, member),
                "description": _meaning(entry, name),
                "agg": "sum",
                "expr": f"CASE WHEN window_months = {months} THEN {name} END",
                "non_additive_dimension": {"name": _DAY, "window_choice": "max"},
            }
            for name in SUMS
        ],
    }  # fmt: skip


def _metrics(entry: TableEntry, member: str, months: int) -> list[dict[str, Any]]:
    simple = [
        {"name": _named(name, member), "label": _label(name, member), "description": _meaning(entry, name),
         "type": "simple", "type_params": {"measure": _named(name, member)}}
        for name in SUMS
    ]  # fmt: skip
    ratios = [
        {"name": _named(name, member), "label": _label(name, member),
         "description": f"{_meaning(entry, name)} Over {months} months.", "type": "ratio",
         "type_params": {"numerator": {"name": _named(above, member)},
                         "denominator": {"name": _named(below, member)}}}
        for name, (above, below) in RATIOS.items()
    ]  # fmt: skip
    return simple + ratios


def _named(name: str, member: str) -> str:
    """Names of measures and metrics are unique over all models."""
    return f"{name}_by_{member}"


def _label(name: str, member: str) -> str:
    return f"{name.replace('_', ' ')} by {member.replace('_', ' ')}"


def _meaning(entry: TableEntry, name: str) -> str:
    column: ColumnEntry = next(each for each in entry.columns if each.name == name)
    return " ".join(column.description.split())
