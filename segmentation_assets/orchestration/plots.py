"""Plots on the pages of the tables that are better seen than read.

Here: which table has which plot, and putting it into a step's metadata. Not here: drawing (`report.plots`).

A plot is never a reason to lose data: where it fails, the step goes on, a warning says why, and a sentence stands in
its place. The images are SVG: a tenth of the same as PNG, and each run keeps them in the event log.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from segmentation_assets.report import plots, theme
from segmentation_assets.warehouse.build import Builder
from segmentation_assets.warehouse.engine import quoted
from segmentation_assets.warehouse.registry import TableSpec

if TYPE_CHECKING:
    import pandas as pd

PLOT = "plot"
"""Name of the metadata that holds the image."""


@dataclass(frozen=True)
class Plot:
    """How a table is drawn: from the rows of the run's last day, or of the last `days` days published up to it."""

    draw: Callable[[pd.DataFrame], Any]
    days: int = 1


PLOTS: Mapping[str, Plot] = {
    "health_scores": Plot(plots.health_spread),
    "segments": Plot(plots.segments_by_tier),
    "segment_mix": Plot(plots.segment_mix, days=12),
    "segment_moves": Plot(plots.moves_by_direction),
    "company_kpis": Plot(plots.arr_bridge),
    "tier_kpis": Plot(plots.tier_retention),
    "revenue_movements": Plot(plots.mrr_bridge),
    "tier_migration": Plot(plots.tier_flows),
    "renewal_forecast": Plot(plots.renewals_ahead),
    "data_quality": Plot(plots.quality_scores),
    "capacity_plan": Plot(plots.people_needed),
}


def plot_metadata(
    context: dg.AssetExecutionContext, builder: Builder, spec: TableSpec, day: date | None
) -> dict[str, Any]:
    """The plot of a table that has one, as metadata; for other tables, or without a day, nothing."""
    found = PLOTS.get(spec.name)
    if found is None or day is None:
        return {}
    try:
        image = theme.svg(found.draw(_rows(builder, spec, day, found.days)))
        text = f"![{spec.name} on {day}](data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode()})"
    except plots.NothingToDraw as nothing:
        text = str(nothing)
    except Exception as error:  # a plot reads what the contract has passed: whatever fails here, the data stands
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        context.log.warning(f"{spec.name}: published, but its plot could not be drawn: {reason}")
        text = "The plot could not be drawn; the run's log says why. The table is published."
    return {PLOT: dg.MarkdownMetadataValue(text)}


def _rows(builder: Builder, spec: TableSpec, day: date, days: int) -> pd.DataFrame:
    """What is published of the last `days` days up to `day`, as `load` would give it."""
    known = [each for each in builder.store.days(spec.name, "as_of") if each <= day][-days:]
    files = ", ".join(f"'{quoted(str(builder.store.file(spec.name, 'as_of', each)))}'" for each in known)
    source = (
        f"read_parquet([{files}], union_by_name = true, hive_partitioning = true, hive_types = {{'as_of': DATE}})"
    )
    return builder.engine.connection.execute(f"SELECT * FROM {source}").df()
