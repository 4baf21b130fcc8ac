"""Figures as text: the one sentence in README.md, from the part `demo`, and the page of a whole measurement.

Here: words and places. Not here: measuring (`demo` and the other parts).
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.figures import Figure, Findings, Scale

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_VERDICTS = {True: "met", False: "missed", None: ""}
_PLACE = re.compile(rf"{BEGIN}\n.*?{END}", re.DOTALL)


def sentence(figures: Sequence[Figure]) -> str:
    """What README says of how long the demo takes. Raises KeyError where that was not measured."""
    value = {figure.name: figure.value for figure in figures}
    return (
        f"After the set-up the demo takes {value['CPU of it']:.0f} s of processor time "
        "(`python -m benchmarks --readme README.md demo` wrote this)."
    )


def page(scale: Scale, findings: Mapping[str, Findings | str], command: str) -> str:
    """A Markdown page with every figure beside its target, the machine and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("dagster", "duckdb", "ibis-framework", "pandas"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        "# Measured",
        "",
        f"`{command}` wrote this page on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, {versions}.",
        f"Parts with a size of their own say so; the others: {scale.accounts:,} accounts, {scale.days} days.",
    ]
    for name, each_part in findings.items():
        lines += ["", f"## {name}", ""]
        if isinstance(each_part, str):
            lines.append(f"Could not be measured: {each_part}")
            continue
        lines += ["| figure | measured | target | |", "|---|---:|---:|---|"]
        lines += [
            f"| {each.name} | {each.shown} | {each.target} | {_VERDICTS[each.is_met]} |" for each in each_part.figures
        ]
        lines += ["", *(f"- {line}" for line in each_part.details)]
    return "\n".join(lines) + "\n"


def write(file: Path, figures: Sequence[Figure]) -> None:
    """Put the sentence into its place. Raises ValueError where the marks are missing."""
    text = file.read_text(encoding="utf-8")
    if not _PLACE.search(text):
        raise ValueError(f"{file}: expected the marks {BEGIN} and {END}, found none")
    file.write_text(_PLACE.sub(lambda _: f"{BEGIN}\n{sentence(figures)}\n{END}", text), encoding="utf-8")
