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
    """What README says of how long the two commands take. Raises KeyError where a figure was not measured."""
    value = {figure.name: figure.value for figure in figures}
    return (
        f"The demo's run takes {value['CPU of it']:.0f} s of processor time after the set-up; `show` answers in "
        f"{value['show']:.1f} s and `explain` in {value['explain']:.1f} s\n"
        "(`python -m benchmarks --readme README.md demo` measures and writes this line)."
    )


def write(file: Path, figures: Sequence[Figure]) -> None:
    """Put the sentence into its place. Raises ValueError where the marks are missing."""
    text = file.read_text(encoding="utf-8")
    if not _PLACE.search(text):
        raise ValueError(f"{file}: expected the marks {BEGIN} and {END}, found none")
    file.write_text(_PLACE.sub(lambda _: f"{BEGIN}\n{sentence(figures)}\n{END}", text), encoding="utf-8")
