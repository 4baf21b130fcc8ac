"""The outcome of a run: the state of each table.

Here: the result that commands print. Not here: following a run (`runs`). This module must not import Dagster.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """The state of one table: started, done, failed or skipped. The other fields are set once it is done."""

    table: str
    state: str
    rows: int | None = None
    days_made: int | None = None
    days_kept: int | None = None
    seconds: float | None = None
    reason: str | None = None
    read: int | None = None
    """For extracts: rows read, and the next four are about these rows. Money is recurring money per month."""
    quarantined: int | None = None
    left_out: int | None = None
    money: float | None = None
    refused_money: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run, with its tables in the order of execution."""

    run_id: str
    succeeded: bool
    steps: tuple[Step, ...]
    reason: str | None = None
    """Why the run failed as a whole, if no table failed."""

    @property
    def failed(self) -> list[Step]:
        """The tables that failed, each with its reason."""
        return [step for step in self.steps if step.state == "failed"]
