"""Plots on the pages of the tables that are better seen than read.

Here: which table has which plot, and putting it into a step's metadata. Not here: drawing (`report.plots`).

A plot is never a reason to lose data: where it fails, the step goes on, a warning says why, and a sentence stands in
its place. The images are SVG: a tenth of the same as PNG, and each run keeps them in the event log.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import dagster as dg

from segmentation_assets.report import plots, theme
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.sql_text import literals

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
    """The plot of a table that has one, as metadata; for other tables, or without a day, nothing.

    It is drawn where its rows or its code have changed; else the last drawing stands, so a run that made nothing
    shows on the table's page what the one before showed.
    """
    found = PLOTS.get(spec.name)
    if found is None or day is None:
        return {}
    days = [each for each in builder.store.days(spec.name, "as_of") if each <= day][-found.days :]
    kept, key = Compiled(builder.compiled.folder, ".plot"), _made_from(builder, spec, days, found)
    text = kept.get(spec.name, key)
    if text is None:
        text = _drawn(context, builder, spec, days, found)
        if text is None:
            text = "The plot could not be drawn; the run's log says why. The table is published."
        else:
            kept.keep(spec.name, key, text)
    return {PLOT: dg.MarkdownMetadataValue(text)}


def _made_from(builder: Builder, spec: TableSpec, days: Sequence[date], plot: Plot) -> str:
    """A hash of all that the plot follows from: the published rows, the code that draws, the libraries it uses."""
    rows = [f"{day}={builder.published(spec, day)}" for day in days]
    libraries = [f"{name} {version(name)}" for name in ("altair", "vl-convert-python")]
    return hashlib.sha256("\n".join([*rows, code_version(plot.draw), *libraries]).encode()).hexdigest()[:16]


def _drawn(
    context: dg.AssetExecutionContext, builder: Builder, spec: TableSpec, days: Sequence[date], plot: Plot
) -> str | None:
    """The image as markdown, or in words why there is none; None where drawing failed, which is a warning."""
    try:
        with theme.unchecked():
            image = theme.svg(plot.draw(_rows(builder, spec, days)))
    except plots.NothingToDraw as nothing:
        return str(nothing)
    except Exception as error:  # a plot reads what the contract has passed: whatever fails here, the data stands
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        context.log.warning(f"{spec.name}: published, but its plot could not be drawn: {reason}")
        return None
    return f"![{spec.name} on {days[-1]}](data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode()})"


def _rows(builder: Builder, spec: TableSpec, days: Sequence[date]) -> pd.DataFrame:
    """What is published of `days`, as `load` would give it."""
    files = literals(builder.store.file(spec.name, "as_of", day) for day in days)
    source = (
        f"read_parquet([{files}], union_by_name = true, hive_partitioning = true, hive_types = {{'as_of': DATE}})"
    )
    return builder.engine.connection.execute(f"SELECT * FROM {source}").df()
