"""Plots of tables in Dagster's UI.

Here: which table has which plot, and adding it to a step's metadata. Not here: drawing (`report.plots`).

A plot that fails does not fail the step: a warning says why, and a sentence replaces the plot. The images are SVG,
because the event log stores them for each run, and PNGs are ten times as large.
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
from segmentation_assets.tables.registry import AS_OF, TableSpec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.packs import source_sql

if TYPE_CHECKING:
    import pandas as pd

PLOT = "plot"
"""Name of the metadata that holds the image."""


@dataclass(frozen=True)
class Plot:
    """The plot of a table, from the rows of the run's last day, or of the last `days` published days up to it."""

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
    """The plot of a table as metadata; empty for a table without a plot, or without a day.

    It is drawn if its rows or its code have changed. Otherwise the last drawing is used, so that a run that made
    nothing shows the same plot.
    """
    plot = PLOTS.get(spec.name)
    if plot is None or day is None:
        return {}
    days = [each for each in builder.store.days(spec.name, "as_of") if each <= day][-plot.days :]
    cache, key = Compiled(builder.compiled.folder, ".plot"), _made_from(builder, spec, days, plot)
    text = cache.get(spec.name, key)
    if text is None:
        text = _drawn(context, builder, spec, days, plot)
        if text is None:
            text = "The plot could not be drawn; the run's log says why. The table is published."
        else:
            cache.keep(spec.name, key, text)
    return {PLOT: dg.MarkdownMetadataValue(text)}


def _made_from(builder: Builder, spec: TableSpec, days: Sequence[date], plot: Plot) -> str:
    """A hash of everything that the plot depends on: published rows, code, libraries."""
    rows = [f"{day}={builder.published(spec, day)}" for day in days]
    libraries = [f"{name} {version(name)}" for name in ("altair", "vl-convert-python")]
    return hashlib.sha256("\n".join([*rows, code_version(plot.draw), *libraries]).encode()).hexdigest()[:16]


def _drawn(
    context: dg.AssetExecutionContext, builder: Builder, spec: TableSpec, days: Sequence[date], plot: Plot
) -> str | None:
    """The image as Markdown, or a sentence if there is nothing to draw; None, with a warning, if drawing failed."""
    try:
        with theme.unchecked():
            image = theme.svg(plot.draw(_rows(builder, spec, days)))
    except plots.NothingToDraw as nothing:
        return str(nothing)
    except Exception as error:  # the data is published and has passed its contract, whatever fails here
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        context.log.warning(f"{spec.name}: published, but its plot could not be drawn: {reason}")
        return None
    return f"![{spec.name} on {days[-1]}](data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode()})"


def _rows(builder: Builder, spec: TableSpec, days: Sequence[date]) -> pd.DataFrame:
    """The published rows of `days`, as `load` returns them."""
    files = builder.store.files(spec.name, AS_OF, days)
    source = source_sql(AS_OF, dict.fromkeys(files.values()), list(files))
    return builder.engine.connection.execute(source).df()
