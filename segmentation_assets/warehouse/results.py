"""The results of building a table.

Here: the result and the errors that building and posting share. Not here: building (`building`) or posting
(`posting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from segmentation_assets.tables.enforcement import Verdict


@dataclass(frozen=True)
class Built:
    """The result for one table: `rows` of each day that was built, and the days that were `fresh` already.

    The day None stands for a table without days.
    """

    table: str
    rows: Mapping[date | None, int]
    fresh: tuple[date | None, ...]
    verdict: Verdict
    seconds: float


@dataclass
class Staged:
    """Finished files of one table that are not yet published: by day, and packs with their days.

    `rows`: the number of rows of each packed day.
    """

    files: dict[date | None, Path] = field(default_factory=dict)
    packs: dict[Path, Sequence[date]] = field(default_factory=dict)
    rows: dict[date | None, int] = field(default_factory=dict)


class ContractBroken(Exception):
    """A table broke its contract, so it was not published. `verdict` has the counts and a sample."""

    def __init__(self, table: str, verdict: Verdict) -> None:
        super().__init__(f"{table} breaks its contract, so nothing was published: {verdict.describe()}")
        self.table = table
        self.verdict = verdict


class EntriesLost(Exception):
    """A ledger's function left out booked entries. Nothing was published."""


class LedgerDamaged(Exception):
    """The file of a ledger cannot be read. It holds booked entries, so it cannot be rebuilt from extracts."""
