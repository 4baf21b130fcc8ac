"""When the chain runs by itself, and how old tables may become.

Here: the daily, weekly and quarterly schedules, and freshness policies. Not here: what a job selects (`jobs`), runs
that new data starts (`sensors`), or the times and limits themselves (policy: `orchestration`).

A run is for the last complete day: `as_of` is the END of a day in the company's timezone, so a tick requests
yesterday. Dagster does not replay ticks that it missed because nothing was running. So a tick first requests the
missed days, oldest first, as far back as the policy says. The runs on record say which days were requested: a run's
key names its day. Dagster launches a run key once, whatever restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from segmentation_assets.orchestration.jobs import DAILY, FULL_CHAIN, QUARTERLY, names_behind
from segmentation_assets.orchestration.partitions import request_for
from segmentation_assets.orchestration.private_api import (
    RUN_KEY_TAG,
    SCHEDULE_NAME_TAG,
    SCHEDULED_EXECUTION_TIME_TAG,
    schedule_on_since,
    times_between,
)
from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.cadence import CUT_TABLES, DAILY_TABLES, REVIEW_TABLES, age_limits
from segmentation_assets.tables.registry import Registry

CADENCE_TAG = "segmentation/cadence"
_RUNS_LOOKED_AT = 400
"""Number of runs of a schedule that are read: more than the days that may be caught up."""

_Runs = Callable[[date], Sequence[tuple[date, Sequence[str] | None]]]
"""From the day of a tick to the runs that it requests: the day of each, and its tables (None: all of the job's)."""


def schedules(registry: Registry, policy: Policy) -> list[dg.ScheduleDefinition]:
    """The schedules for the tables of `registry`. All of them are on until somebody switches them off."""
    times = policy.orchestration.schedules
    result = [_schedule("weekly", FULL_CHAIN, times.weekly, policy, _of_yesterday, "Every table, as of yesterday.")]
    if names_behind(registry, DAILY_TABLES):
        text = "Usage, behaviour and health, as of yesterday."
        result.append(_schedule("daily", DAILY, times.daily, policy, _of_yesterday, text))
    review, cuts = names_behind(registry, REVIEW_TABLES), names_behind(registry, CUT_TABLES)
    if review and cuts:
        text = "The migration review of the quarter that ended yesterday, and the cut-offs frozen from today on."

        def close_quarter(today: date) -> Sequence[tuple[date, Sequence[str] | None]]:
            return [(_before(today), review), (today, cuts)]

        result.append(_schedule("quarterly", QUARTERLY, times.quarterly, policy, close_quarter, text))
    return result


def _of_yesterday(today: date) -> Sequence[tuple[date, Sequence[str] | None]]:
    return [(_before(today), None)]


def _before(day: date) -> date:
    return day - timedelta(days=1)


def _schedule(name: str, job: str, cron: str, policy: Policy, runs: _Runs, text: str) -> dg.ScheduleDefinition:
    zone, reach = policy.company.timezone, timedelta(days=policy.orchestration.schedules.catch_up_days)

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=text,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        moment = context.scheduled_execution_time
        today = moment.astimezone(ZoneInfo(zone)).date()
        record = _record_of(context.instance, name)
        since = record.since(moment - reach, moment)
        for each in [*(times_between(cron, zone, since, moment) if since else ()), moment]:
            for day, tables in runs(each.astimezone(ZoneInfo(zone)).date()):
                key = f"{name} {day}"
                if key in record.answered_before(moment):
                    continue
                partition, also = request_for(day, today)
                yield dg.RunRequest(
                    run_key=key,
                    partition_key=partition,
                    tags={CADENCE_TAG: name, **also},
                    asset_selection=None if tables is None else [dg.AssetKey(table) for table in tables],
                )

    return tick


@dataclass(frozen=True)
class _Record:
    """The runs that a schedule has requested so far, as run key and time of the tick, and since when it is on."""

    requests: Sequence[tuple[str, datetime]]
    on_since: datetime | None

    def since(self, earliest: datetime, moment: datetime) -> datetime | None:
        """The last time before `moment` that was not missed, or `earliest`; None where none can have been missed."""
        times = [time for _, time in self.requests if time < moment] + ([self.on_since] if self.on_since else [])
        return max(*times, earliest) if times else None

    def answered_before(self, moment: datetime) -> set[str]:
        """Run keys of earlier ticks. Those of this tick are requested again; Dagster launches each key only once."""
        return {key for key, time in self.requests if time != moment}


def _record_of(instance: dg.DagsterInstance, name: str) -> _Record:
    runs = instance.get_runs(dg.RunsFilter(tags={SCHEDULE_NAME_TAG: name}), limit=_RUNS_LOOKED_AT)
    requests = [
        (run.tags[RUN_KEY_TAG], datetime.fromisoformat(run.tags[SCHEDULED_EXECUTION_TIME_TAG]))
        for run in runs
        if RUN_KEY_TAG in run.tags and SCHEDULED_EXECUTION_TIME_TAG in run.tags
    ]
    return _Record(requests, schedule_on_since(instance, name))


def with_freshness(assets: Sequence[dg.AssetsDefinition], policy: Policy) -> list[dg.AssetsDefinition]:
    """The assets, with a limit on its age for each that people read."""

    def limited(spec: dg.AssetSpec) -> dg.AssetSpec:
        limits = age_limits(spec.key.path[-1], spec.group_name, policy.orchestration.freshness)
        return dg.apply_freshness_policy(spec, _window(*limits)) if limits else spec

    return [asset.map_asset_specs(limited) for asset in assets]


def _window(warn_hours: float, fail_hours: float) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=fail_hours), warn_window=timedelta(hours=warn_hours)
    )
