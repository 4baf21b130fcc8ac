"""The records of a home's runs: runs, failures, and when each table was last published.

Here: the facts, and the protocol by which `status` gets them. Not here: reading Dagster's files
(`running.storage.run_records`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


@dataclass(frozen=True)
class Run:
    """One run; times are in UTC."""

    run_id: str
    job: str
    status: str
    as_of: str | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_unfinished(self) -> bool:
        """Whether the run is waiting or running."""
        return self.status in _UNFINISHED


@dataclass(frozen=True)
class Publication:
    """When a table was last published, and by which run."""

    at: datetime
    run_id: str


@dataclass(frozen=True)
class Failure:
    """A table that failed in a run, or (`table` None) a run that failed as a whole."""

    table: str | None
    at: datetime
    run_id: str
    reason: str


class Records(Protocol):
    """The run records of one home."""

    def runs(self) -> Sequence[Run]:
        """The newest runs, newest first."""
        ...

    def publications(self) -> Mapping[str, Publication]:
        """When each table was last published."""
        ...

    def failures(self, runs: Sequence[Run]) -> Sequence[Failure]:
        """The failures of these runs, in the order of the runs."""
        ...

    def switches(self) -> Mapping[str, bool]:
        """Schedules and sensors: whether they are on."""
        ...
