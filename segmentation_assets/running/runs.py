"""Running the chain in this process, on the home's instance, so that the UI shows the run.

Here: starting a run, following it, and its outcome. Not here: what a step does (`orchestration.steps`) or how a
terminal shows it (`cli`).
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.events import reason_of, root_cause
from segmentation_assets.orchestration.jobs import FULL_CHAIN
from segmentation_assets.orchestration.partitions import tags_of_run
from segmentation_assets.orchestration.private_api import DagsterEvent, EventLogEntry, make_new_run_id
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.reasons import WrongUse
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.outcomes import Outcome, Step
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import Store

EXTRACTS_GROUP = "extracts"
_BARE_NAME = re.compile(r"(?<![\w:\"*?])[a-z]\w*(?![\w:\"*?])")
"""A word that is not part of `key:name`. A word with a `*` is in Dagster's old syntax."""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class SelectionError(WrongUse, ValueError):
    """A selection that Dagster cannot read or that selects nothing, or a day outside the partitions."""


class Runner:
    """Runs tables of one home. Raises PolicyError for a policy that cannot be used."""

    def __init__(
        self, settings: Settings, definitions: dg.Definitions | None = None, wait_seconds: float | None = None
    ) -> None:
        """`wait_seconds`: how long a run waits for another run of this home; None: the policy's time."""
        self.settings = settings
        resources = {"warehouse": WarehouseResource.of(settings, wait_seconds)}
        self.definitions = definitions or build_defs(settings=settings, resources=resources)
        self.job = self.definitions.resolve_job_def(FULL_CHAIN)
        self.graph = self.definitions.resolve_asset_graph()

    def select(self, selection: str = "*") -> list[str]:
        """The tables that a selection in Dagster's syntax names, inputs first. Raises SelectionError.

        A bare name stands for its key: `+segments` means `+key:segments`, as in the UI.
        """
        names = [key.path[-1] for key in self.graph.toposorted_asset_keys]
        keyed = _BARE_NAME.sub(lambda word: f"key:{word[0]}" if word[0] in names else word[0], selection)
        try:
            selected = {key.path[-1] for key in dg.AssetSelection.from_string(keyed).resolve(self.graph)}
        except dg.DagsterInvalidSubsetError:
            selected = set()
        except Exception as error:  # Dagster raises several types, all of them about the text
            raise SelectionError(
                f"cannot read the selection {selection!r}: {error}; expected such as `segments`, "
                "`+segments` (with all behind it), `group:scores`, or several joined by `or`"
            ) from error
        if not selected:
            close = difflib.get_close_matches(selection.strip("+*"), names, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise SelectionError(f"the selection {selection!r} names no table{hint}")
        return [name for name in names if name in selected]

    def with_unlanded(self, names: Sequence[str]) -> list[str]:
        """The tables, and the extracts that they need and that have never landed in this home, inputs first.

        A step lands missing extracts by itself (for runs that the UI starts). Selected here, each extract is a step
        of its own, with its progress and its check.
        """
        selection = dg.AssetSelection.assets(*names)
        behind = {key.path[-1] for key in selection.upstream().resolve(self.graph)}
        store = Store(self.settings.home)
        lacking = {name for name in self.extracts_of(behind) if not store.has(name)}
        needed = lacking.union(names)
        return [key.path[-1] for key in self.graph.toposorted_asset_keys if key.path[-1] in needed]

    def extracts_of(self, names: Iterable[str]) -> list[str]:
        """Those of the tables that are extracts."""
        return [name for name in names if self.graph.get(dg.AssetKey(name)).group_name == EXTRACTS_GROUP]

    def run(
        self,
        names: Sequence[str],
        days: Iterable[date],
        progress: Callable[[Step], None] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Run these tables for `days` (empty if only extracts are run). The outcome says what failed and why.

        `progress` is called with each table when it starts and when it ends, `note` with each warning. Raises
        SelectionError, before anything runs, for days without a partition. A table that fails raises nothing.
        """
        distinct_days = sorted(set(days))
        self.check_days(distinct_days)
        follower, run_id = _Follower(progress, note), make_new_run_id()
        with open_instance(self.settings) as instance:
            instance.add_event_listener(run_id, follower.hear)
            result = self.job.execute_in_process(
                run_config=_QUIET,
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in names],
                tags=tags_of_run(distinct_days),
                run_id=run_id,
                raise_on_error=False,
            )
        return follower.outcome(run_id, result.success, names)

    def check_days(self, days: Sequence[date]) -> None:
        """Raises SelectionError for days without a partition."""
        partitions = self.job.partitions_def
        if partitions is None:
            raise TypeError(f"{FULL_CHAIN} has no partitions")
        first, last = str(partitions.get_first_partition_key()), str(partitions.get_last_partition_key())
        outside = [day.isoformat() for day in days if not first <= day.isoformat() <= last]
        if outside:
            raise SelectionError(
                f"{', '.join(outside[:5])}: outside the days that can be run, {first} (policy: "
                f"orchestration.history_start) to {last}, the last complete day: as_of is the end of a day"
            )


class _Follower:
    """Follows the event log and keeps the state of each step."""

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
            self.reason = root_cause(event.job_failure_data.error)
        step = _step_of(event) if event and event.step_key else None
        if step is None:
            return
        before = self.steps.get(step.table)
        self.steps[step.table] = step
        if self._progress and (before is None or before.state != step.state):
            self._progress(step)

    def outcome(self, run_id: str, succeeded: bool, names: Sequence[str]) -> Outcome:
        """The outcome of all selected tables. One without any event was skipped because an input failed."""
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
