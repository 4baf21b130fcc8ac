"""The plan of a run: first the extracts land, then the tables are made for their days.

Here: splitting a selection into rounds, and choosing the day if none is named. Not here: running a round (`runs`), or
how a terminal shows it (`cli.run`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import last_day_covered
from segmentation_assets.running.runs import Runner


@dataclass(frozen=True)
class Round:
    """Tables that run together for the same days; without days, extracts alone."""

    tables: tuple[str, ...]
    days: tuple[date, ...] = ()
    why_this_day: str = ""
    """The reason for this day, if nobody named one."""


@dataclass(frozen=True)
class Plan:
    """The rounds of one run. A round starts after the one before it has succeeded."""

    runner: Runner
    extracts: tuple[str, ...]
    tables: tuple[str, ...]
    days: tuple[date, ...]

    def rounds(self) -> Iterator[Round]:
        """The rounds in order. The day of the last one may depend on what the first has landed."""
        if self.extracts:
            yield Round(self.extracts)
        if self.tables:
            yield Round(self.tables, self.days) if self.days else self._of_the_last_day()

    def _of_the_last_day(self) -> Round:
        settings = self.runner.settings
        today = load_policy(settings.policy).company.today()
        covered = last_day_covered(settings.home, today)
        if covered:
            return Round(self.tables, (covered,), "the last day that the extracts cover")
        return Round(self.tables, (today - timedelta(days=1),), "yesterday, as no extract has dates")


def plan(runner: Runner, selection: str, days: Sequence[date] = ()) -> Plan:
    """The plan of a run of the selection. It runs and writes nothing.

    Without days, the selected extracts land first, and the tables are made for the last day that the extracts cover.
    Raises SelectionError, and SourcesError for a mapping that cannot be read.
    """
    selected = runner.with_unlanded(runner.select(selection))
    runner.check_days(days)
    extracts = runner.extracts_of(selected)
    if runner.settings.sources and extracts:
        read_sources(runner.settings.sources)  # raises for a bad mapping once, before anything runs
    if days:
        return Plan(runner, (), tuple(selected), tuple(days))
    return Plan(runner, tuple(extracts), tuple(name for name in selected if name not in extracts), ())
