"""A trial of another policy as a page of its own: one HTML file without a script, to mail or print.

Here: writing the page. Not here: its figures and words (`trials`), or a run's report (`publishing`).
"""

from __future__ import annotations

from pathlib import Path

from segmentation_assets.reading.figures import day
from segmentation_assets.reading.palette import BLUE, TIERS, style_variables
from segmentation_assets.report.charts import over_values
from segmentation_assets.report.document import environment
from segmentation_assets.report.publishing import write_atomically
from segmentation_assets.trials import words
from segmentation_assets.trials.sweeping import Sweep, curves
from segmentation_assets.trials.what_if import WhatIf


def write_what_if(trial: WhatIf, file: Path) -> None:
    """Write a comparison with all accounts that move. Raises OSError."""
    shown = [*words.tables(trial), *([moves] if (moves := words.moves(trial)).rows else [])]
    text = environment().get_template("trial.html").render(
        title="What if", lead=words.outcome(trial), as_of=day(trial.as_of), tables=shown, charts=[],
        changes=[words.difference(one) for one in trial.differences], reasons=trial.reasons, style=style_variables(),
    )  # fmt: skip
    write_atomically(file, text)


def write_sweep(result: Sweep, file: Path) -> None:
    """Write the curves of a number as charts and tables. Raises OSError."""
    own = next(point.value for point in result.points if point.is_production)
    charts = []
    for name, rows in curves(result).items():
        colours = {line: TIERS.get(line, BLUE) for line in dict.fromkeys(line for line, *_ in rows)}
        form = "~s" if name.startswith("ARR") else ".0%" if name.startswith("NRR") else "~g"
        chart = over_values(
            [{"name": line, "x": x, "value": y} for line, x, y in rows], title=name, axis=result.name, mark=own,
            description=f"{name} for each value of {result.name}; the mark is today's value, {own:,g}.",
            colours=colours, form=form,
        )  # fmt: skip
        charts.append((name, chart))
    text = environment().get_template("trial.html").render(
        title=f"Sweep of {result.name}", lead=words.sweep_title(result), as_of=day(result.as_of), charts=charts,
        tables=words.sweep_tables(result), changes=[], reasons=result.reasons, style=style_variables(),
    )  # fmt: skip
    write_atomically(file, text)
