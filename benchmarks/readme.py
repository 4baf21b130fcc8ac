"""The one sentence of figures in README.md: measured by the part `demo`, written between its two marks.

Here: its words and its place. Not here: measuring (`demo`), or any other figure, which README does not quote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_PLACE = re.compile(rf"{BEGIN}\n.*?{END}", re.DOTALL)


def sentence(figures: Sequence[Figure]) -> str:
    """What README says of how long the demo takes. Raises KeyError where that was not measured."""
    value = {figure.name: figure.value for figure in figures}
    return (
        f"After the set-up the demo takes {value['CPU of it']:.0f} s of processor time "
        "(`python -m benchmarks --readme README.md demo` wrote this)."
    )


def write(file: Path, figures: Sequence[Figure]) -> None:
    """Put the sentence into its place. Raises ValueError where the marks are missing."""
    text = file.read_text(encoding="utf-8")
    if not _PLACE.search(text):
        raise ValueError(f"{file}: expected the marks {BEGIN} and {END}, found none")
    file.write_text(_PLACE.sub(lambda _: f"{BEGIN}\n{sentence(figures)}\n{END}", text), encoding="utf-8")
