"""Running the chain in this process, on the home's instance, so that the UI shows the run.

Here: starting a run, following it, what came of it. Not here: what a step does (`steps`) or how a terminal shows
it (`cli`).
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.events import reason_of, told
from segmentation_assets.orchestration.jobs import FULL_CHAIN
from segmentation_assets.orchestration.partitions import tags_of_run
from segmentation_assets.orchestration.private_api import DagsterEvent, EventLogEntry, make_new_run_id
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.reasons import WrongUse
from segmentation_assets.running.instance import open_instance
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import Store

EXTRACTS_GROUP = "extracts"
_BARE_NAME = re.compile(r"(?<![\w:\"*?])[a-z]\w*(?![\w:\"*?])")
"""A word that is no part of `key:name`; with a `*` it is in Dagster's former syntax, where that means every layer."""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Step:
    """What came of one table: `state` is started, done, failed or skipped; the rest is there once it is done."""

    table: str
    state: str
    rows: int | None = None
    days_made: int | None = None
    days_kept: int | None = None
    seconds: float | None = None
    reason: str | None = None
    read: int | None = None
    """Of an extract: rows read; the next ones are of those. Money is recurring money a month."""
    quarantined: int | None = None
    left_out: int | None = None
    money: float | None = None
    refused_money: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run, by table in the order of execution."""

    run_id: str
    succeeded: bool
    steps: tuple[Step, ...]
    reason: str | None = None
    """Why the run as a whole failed, where no table is at fault."""

    @property
    def failed(self) -> list[Step]:
        """The tables that failed, each with its reason."""
        return [step for step in self.steps if step.state == "failed"]


class SelectionError(WrongUse, ValueError):
    """A selection that Dagster cannot read, or that selects nothing; or a day outside the partitions."""


class Runner:
    """Runs tables of one home. Raises PolicyError for a policy that cannot be used."""

    def __init__(
        self, settings: Settings, definitions: dg.Definitions | None = None, wait_seconds: float | None = None
    ) -> None:
        """`wait_seconds` is how long runs wait for another one in this home; None: as the policy says."""
        self.settings = settings
        resources = {"warehouse": WarehouseResource.of(settings, wait_seconds)}
        self.definitions = definitions or build_defs(settings=settings, resources=resources)
        self.job = self.definitions.resolve_job_def(FULL_CHAIN)
        self.graph = self.definitions.resolve_asset_graph()

    def select(self, selection: str = "*") -> list[str]:
        """The tables that a selection in Dagster's syntax names, upstream first. Raises SelectionError.

        A bare name stands for its key, so `+segments` is all that `+key:segments` is, as in the UI.
        """
        names = [key.path[-1] for key in self.graph.toposorted_asset_keys]
        keyed = _BARE_NAME.sub(lambda word: f"key:{word[0]}" if word[0] in names else word[0], selection)
        try:
            found = {key.path[-1] for key in dg.AssetSelection.from_string(keyed).resolve(self.graph)}
        except dg.DagsterInvalidSubsetError:
            found = set()
        except Exception as error:  # Dagster raises several kinds, all of them about the text
            raise SelectionError(
                f"cannot read the selection {selection!r}: {error}; expected such as `segments`, "
                "`+segments` (with all behind it), `group:scores`, or several joined by `or`"
            ) from error
        if not found:
            close = difflib.get_close_matches(selection.strip("+*"), names, n=3)
            hint = f"; close to it: {', '.join(close)}" if close else ""
            raise SelectionError(f"the selection {selection!r} names no table{hint}")
        return [name for name in names if name in found]

    def with_unlanded(self, names: Sequence[str]) -> list[str]:
        """The tables, and the extracts behind them of which nothing has landed in this home yet, upstream first.

        A step lands what it lacks by itself (as for runs that the UI starts); selected here, each is a step of its
        own, with its progress and its check.
        """
        selection = dg.AssetSelection.assets(*names)
        behind = {key.path[-1] for key in selection.upstream().resolve(self.graph)}
        store = Store(self.settings.home)
        lacking = {name for name in self.extracts_of(behind) if not store.has(name)}
        wanted = lacking.union(names)
        return [key.path[-1] for key in self.graph.toposorted_asset_keys if key.path[-1] in wanted]

    def extracts_of(self, names: Iterable[str]) -> list[str]:
        """Those of the tables that come from outside."""
        return [name for name in names if self.graph.get(dg.AssetKey(name)).group_name == EXTRACTS_GROUP]

    def run(
        self,
        names: Sequence[str],
        days: Iterable[date],
        progress: Callable[[Step], None] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Run these tables for `days` (none, where only extracts are run); the outcome says what failed and why.

        `progress` hears of each table as it begins and ends, `note` hears warnings.
        Raises SelectionError, before anything runs, for days without a partition; nothing for a table that fails.
        """
        wanted = sorted(set(days))
        self.check_days(wanted)
        follower, run_id = _Follower(progress, note), make_new_run_id()
        with open_instance(self.settings) as instance:
            instance.add_event_listener(run_id, follower.hear)
            result = self.job.execute_in_process(
                run_config=_QUIET,
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in names],
                tags=tags_of_run(wanted),
                run_id=run_id,
                raise_on_error=False,
            )
        return follower.outcome(run_id, result.success, names)

    def check_days(self, days: Sequence[date]) -> None:
        """Raises SelectionError for days without a partition."""
        known = self.job.partitions_def
        if known is None:
            raise TypeError(f"{FULL_CHAIN} has no partitions")
        first, last = str(known.get_first_partition_key()), str(known.get_last_partition_key())
        outside = [day.isoformat() for day in days if not first <= day.isoformat() <= last]
        if outside:
            raise SelectionError(
                f"{', '.join(outside[:5])}: outside the days that can be asked for, {first} (policy: "
                f"orchestration.history_start) to {last}, the last day that is over: as_of is the state at its end"
            )


class _Follower:
    """Keeps what the event log says of each step."""

    def __init__(self, progress: Callable[[Step], None] | None, note: Callable[[str], None] | None) -> None:
        self.steps: dict[str, Step] = {}
        self.reason: str | None = None
        self._progress = progress
        self._note = note

    def hear(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None and self._note and int(entry.level) >= logging.WARNING:
            self._note(entry.user_message)
        if event and event.event_type == DagsterEventType.RUN_FAILURE:
            self.reason = told(event.job_failure_data.error)
        step = _step_of(event) if event and event.step_key else None
        if step is None:
            return
        before = self.steps.get(step.table)
        self.steps[step.table] = step
        if self._progress and (before is None or before.state != step.state):
            self._progress(step)

    def outcome(self, run_id: str, succeeded: bool, names: Sequence[str]) -> Outcome:
        """All selected tables; one without any event stood below one that failed."""
        steps = tuple(self.steps.get(n, Step(n, "skipped")) for n in names)
        return Outcome(run_id, succeeded, steps, None if succeeded or self.steps else self.reason)


def _step_of(event: DagsterEvent) -> Step | None:
    table = str(event.step_key)
    if event.event_type == DagsterEventType.STEP_START:
        return Step(table, "started")
    if event.event_type == DagsterEventType.STEP_SKIPPED:
        return Step(table, "skipped")
    if event.event_type == DagsterEventType.STEP_FAILURE:
        return Step(table, "failed", reason=reason_of(event))
    key = event.asset_key
    if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and key and key.path[-1] == table:
        return _done(table, event)
    return None


def _done(table: str, event: DagsterEvent) -> Step | None:
    facts: dict[str, Any] = {k: v.value for k, v in event.step_materialization_data.materialization.metadata.items()}
    if "seconds" not in facts:  # a look-back day, not the step's own result
        return None
    return Step(
        table,
        "done",
        facts.get("rows"),
        facts.get("days made"),
        facts.get("days kept"),
        facts["seconds"],
        read=facts.get("read"),
        quarantined=facts.get("quarantined"),
        left_out=facts.get("left out"),
        money=facts.get("money"),
        refused_money=facts.get("refused money"),
    )
