"""A trial of another policy as a page of its own: one HTML file without a script, to mail or print.

Here: writing the page. Not here: its figures and words (`trials`), or a run's report (`publishing`).
"""

from __future__ import annotations

from pathlib import Path

from segmentation_assets.reading.figures import day
from segmentation_assets.reading.palette import style_variables
from segmentation_assets.report.document import environment
from segmentation_assets.report.publishing import write_atomically
from segmentation_assets.trials import words
from segmentation_assets.trials.what_if import WhatIf


def write_what_if(trial: WhatIf, file: Path) -> None:
    """Write a comparison with all accounts that move. Raises OSError."""
    shown = [*words.tables(trial), *([moves] if (moves := words.moves(trial)).rows else [])]
    text = environment().get_template("trial.html").render(
        title="What if", lead=words.outcome(trial), as_of=day(trial.as_of), tables=shown, charts=[],
        changes=[words.difference(one) for one in trial.differences], reasons=trial.reasons, style=style_variables(),
    )  # fmt: skip
    write_atomically(file, text)
