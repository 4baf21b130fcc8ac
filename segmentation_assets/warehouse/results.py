"""What came of bringing a table up to date.

Here: results and refusals that building and posting share. Not here: how either comes about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from segmentation_assets.tables.enforcement import Verdict


@dataclass(frozen=True)
class Built:
    """What bringing one table up to date did. `made` and `kept` are days (None: the table has no days)."""

    table: str
    made: Mapping[date | None, int]
    kept: tuple[date | None, ...]
    verdict: Verdict
    seconds: float


class ContractBroken(Exception):
    """A table broke its contract: nothing of it was published. `verdict` has the counts and a sample."""

    def __init__(self, table: str, verdict: Verdict) -> None:
        super().__init__(f"{table} breaks its contract, nothing of it was published: {verdict.describe()}")
        self.table = table
        self.verdict = verdict


class EntriesLost(Exception):
    """A ledger's function left out what was booked: nothing was published."""


class LedgerDamaged(Exception):
    """The file of a ledger cannot be read. It remembers what was booked, so it cannot be made again from extracts."""
