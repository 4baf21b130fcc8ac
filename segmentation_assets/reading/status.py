"""The state of a home: which tables are fresh, stale, late, failed or missing and why, and what is running.

Here: combining published files, the policy, sources and run records, without Dagster. Not here: printing it
(`cli.printing.status`), or updating anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.cadence import age_limits
from segmentation_assets.reading.clock import clock_warning
from segmentation_assets.reading.run_facts import Failure, Publication, Records, Run
from segmentation_assets.settings import Settings, is_open_to_all
from segmentation_assets.tables.registry import AS_OF, Registry, TableSpec
from segmentation_assets.warehouse.planning import DAMAGED, MISSING, Planner
from segmentation_assets.warehouse.store import Holder, Store, holder_of

FRESH, LATE, STALE, FAILED = "fresh", "late", "stale", "failed"
NEW_FILES = "new files"


@dataclass(frozen=True)
class TableStatus:
    """One table, on its latest published day.

    `state` is the worst of: `failed` (in its last run; see `reason`), `missing` (not published, or damaged; see
    `causes`), `stale` (code, policy or data has changed, or new files wait to land; see `causes`), `late` (its day
    ended longer ago than the policy allows), `fresh`. `is_read`: the policy limits the age of the table.
    """

    table: str
    stage: str
    latest: date | None
    state: str
    causes: tuple[str, ...]
    reason: str | None
    is_read: bool
    made_at: datetime | None
    run_id: str | None
    rows_read: int | None
    rows_quarantined: int | None

    @property
    def quarantined_share(self) -> float | None:
        """Quarantined rows ÷ rows read; None if the table is not an extract."""
        if self.rows_read is None or self.rows_quarantined is None:
            return None
        return self.rows_quarantined / self.rows_read if self.rows_read else 0.0

    @property
    def needs_attention(self) -> bool:
        """Whether the readers of this home should know about it."""
        is_relevant = self.is_read or not {NEW_FILES, DAMAGED}.isdisjoint(self.causes)
        return self.state == FAILED or (self.state != FRESH and is_relevant)


@dataclass(frozen=True)
class Status:
    """The state of a home. `last_complete_day` is the day of a run that starts today."""

    home: Path
    today: date
    tables: tuple[TableStatus, ...]
    failed_run: Failure | None
    last_run: Run | None
    unfinished_runs: tuple[Run, ...]
    works: Holder | None
    keeps_current: Holder | None
    switches: Mapping[str, bool]
    is_open_to_all: bool
    """Whether every user of this machine can look into the home."""
    clock: str | None = None
    """What to say if this machine's clock was set back."""

    @property
    def last_complete_day(self) -> date:
        """Yesterday, in the company's timezone."""
        return self.today - timedelta(days=1)

    @property
    def is_fine(self) -> bool:
        """Whether no table that people read is failed, missing, stale or late, and no file waits to land."""
        return self.failed_run is None and not any(table.needs_attention for table in self.tables)


def status_of(
    settings: Settings, registry: Registry, policy: Policy, records: Records, now: datetime | None = None
) -> Status:
    """The status of a home. Raises SourcesError for a mapping that cannot be read."""
    runs, store, now = records.runs(), Store(settings.home), now or datetime.now(UTC)
    failures = records.failures(runs)
    looks = _Looks(
        store,
        Planner(store, registry, policy),
        records.publications(),
        _last_failures(failures),
        _waiting_files(settings, policy),
        now,
        {run.run_id: date.fromisoformat(run.as_of) for run in runs if run.as_of and _is_day(run.as_of)},
    )
    ended = [run for run in runs if not run.is_unfinished]
    whole = [failure for failure in failures if failure.table is None]
    return Status(
        settings.home,
        policy.company.today(),
        tuple(looks.at(spec) for spec in registry),
        whole[0] if whole and ended and whole[0].run_id == ended[0].run_id else None,
        ended[0] if ended else None,
        tuple(run for run in runs if run.is_unfinished),
        store.holder(),
        holder_of(settings.daemon_lock),
        records.switches(),
        is_open_to_all(settings.home),
        clock_warning(runs, now),
    )


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:  # a range of days
        return False
    return True


def _last_failures(failures: Sequence[Failure]) -> dict[str, Failure]:
    """The last failure of each table. `failures` are in descending order of time."""
    latest: dict[str, Failure] = {}
    for failure in failures:
        if failure.table is not None:
            latest.setdefault(failure.table, failure)
    return latest


@dataclass(frozen=True)
class _Looks:
    """Everything that the status of one table depends on."""

    store: Store
    prints: Planner
    publications: Mapping[str, Publication]
    failures: Mapping[str, Failure]
    waiting: Mapping[str, int]
    now: datetime
    days_of_runs: Mapping[str, date]
    """The day of each run of one day."""

    def at(self, spec: TableSpec) -> TableStatus:
        days = self.store.days(spec.name, spec.partition) if spec.partition else []
        latest = days[-1] if days else None
        publication, failure = self.publications.get(spec.name), self._failure(spec)
        causes = self._causes(spec, latest)
        limits = age_limits(spec.name, spec.group, self.prints.policy.orchestration.freshness)
        read, quarantined = self._counts(spec) if spec.is_extract else (None, None)
        return TableStatus(
            spec.name,
            spec.group,
            latest,
            FAILED if failure else self._state(causes, latest, limits),
            causes,
            failure.reason if failure else None,
            limits is not None,
            publication.at if publication else None,
            publication.run_id if publication else None,
            read,
            quarantined,
        )

    def _failure(self, spec: TableSpec) -> Failure | None:
        """The table's last failure, unless that day was published since. Publishing other days does not clear it."""
        failure, publication = self.failures.get(spec.name), self.publications.get(spec.name)
        if failure is None or not (publication and publication.at > failure.at):
            return failure
        day = self.days_of_runs.get(failure.run_id)
        if spec.partition != AS_OF or day is None:
            return None
        file = self.store.files(spec.name, AS_OF, [day]).get(day)
        is_mended = file is not None and file.stat().st_mtime >= failure.at.timestamp()
        return None if is_mended or self.prints.is_fresh(spec, day) else failure

    def _causes(self, spec: TableSpec, latest: date | None) -> tuple[str, ...]:
        if (spec.partition and latest is None) or not (self.store.published / spec.name).is_dir():
            return (MISSING,)
        if spec.is_extract:
            damage = (DAMAGED,) if self.prints.damaged(spec) else ()
            return damage or ((NEW_FILES,) if self.waiting.get(spec.name) else ())
        if spec.is_ledger and self.prints.damaged(spec):
            return (DAMAGED,)
        return self.prints.causes(spec, latest)

    def _state(self, causes: tuple[str, ...], latest: date | None, limits: tuple[float, float] | None) -> str:
        if causes in {(MISSING,), (DAMAGED,)}:
            return MISSING
        if causes:
            return STALE
        if limits is None or latest is None:
            return FRESH
        zone = self.prints.policy.company.zone
        age = self.now - datetime.combine(latest + timedelta(days=1), time(), zone)
        return LATE if age > timedelta(hours=limits[1]) else FRESH

    def _counts(self, spec: TableSpec) -> tuple[int | None, int | None]:
        """Rows read and refused when the extract last landed."""
        from segmentation_assets.extracts.standing import landed_counts  # noqa: PLC0415 - imports DuckDB

        return landed_counts(self.store, spec) or (None, None)


def _waiting_files(settings: Settings, policy: Policy) -> dict[str, int]:
    """The number of files that wait to land, by extract; empty without sources. Raises SourcesError."""
    from segmentation_assets.extracts.sources import read_sources  # noqa: PLC0415 - only with sources
    from segmentation_assets.extracts.standing import waiting_files  # noqa: PLC0415

    if settings.sources is None:
        return {}
    return waiting_files(read_sources(settings.sources), Store(settings.home), policy.company.today())


def as_plain(status: Status) -> dict[str, Any]:
    """The status as plain values for JSON."""
    return {
        "home": str(status.home),
        "is_fine": status.is_fine,
        "last_complete_day": status.last_complete_day,
        "tables": [dict(_plain(table)) for table in status.tables],
        "failed_run": vars(status.failed_run) if status.failed_run else None,
        "last_run": vars(status.last_run) if status.last_run else None,
        "unfinished_runs": [vars(run) for run in status.unfinished_runs],
        "works": vars(status.works) if status.works else None,
        "keeps_current": vars(status.keeps_current) if status.keeps_current else None,
        "automation": dict(status.switches),
        "is_open_to_all": status.is_open_to_all,
        "clock": status.clock,
    }


def _plain(table: TableStatus) -> Iterator[tuple[str, Any]]:
    yield from vars(table).items()
    yield "quarantined_share", table.quarantined_share
