"""When the chain runs by itself, and how old what people read may become.

Here: the daily, weekly and quarterly schedules, and freshness policies. Not here: what a job selects (`jobs`), what
starts a run because something came in, or the times and limits themselves (policy: `orchestration`).

A run is for the last complete day: `as_of` is the state at the END of a day in the company's timezone, so a tick
makes yesterday. A tick that was missed because nothing was running is caught up with, for its own day. Dagster
launches what a tick asks for once, whatever restarts; a run's key, which names its day, tells the runs of one tick
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from segmentation_assets.orchestration.jobs import DAILY, FULL_CHAIN, QUARTERLY, names_behind
from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.cadence import CUT_TABLES, DAILY_TABLES, REVIEW_TABLES, age_limits
from segmentation_assets.tables.registry import Registry

CADENCE_TAG = "segmentation/cadence"

_Runs = Callable[[date], Sequence[tuple[date, Sequence[str] | None]]]
"""From the day of a tick to the runs that it asks for: their day, and their tables where not all of the job's."""


def schedules(registry: Registry, policy: Policy) -> list[dg.ScheduleDefinition]:
    """The schedules of what `registry` has; all of them are on until somebody switches them off."""
    times, zone = policy.orchestration.schedules, policy.company.timezone
    made = [_schedule("weekly", FULL_CHAIN, times.weekly, zone, _of_yesterday, "Every table, as of yesterday.")]
    if names_behind(registry, DAILY_TABLES):
        text = "Usage, behaviour and health, as of yesterday."
        made.append(_schedule("daily", DAILY, times.daily, zone, _of_yesterday, text))
    review, cuts = names_behind(registry, REVIEW_TABLES), names_behind(registry, CUT_TABLES)
    if review and cuts:
        text = "The migration review of the quarter that ended yesterday, and the cut-offs frozen from today on."

        def close_quarter(today: date) -> Sequence[tuple[date, Sequence[str] | None]]:
            return [(_before(today), review), (today, cuts)]

        made.append(_schedule("quarterly", QUARTERLY, times.quarterly, zone, close_quarter, text))
    return made


def _of_yesterday(today: date) -> Sequence[tuple[date, Sequence[str] | None]]:
    return [(_before(today), None)]


def _before(day: date) -> date:
    return day - timedelta(days=1)


def _schedule(name: str, job: str, cron: str, zone: str, runs: _Runs, text: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=text,
    )
    def tick(context: Any) -> Iterator[dg.RunRequest]:
        today = context.scheduled_execution_time.astimezone(ZoneInfo(zone)).date()
        for day, tables in runs(today):
            yield dg.RunRequest(
                run_key=f"{name} {day}",
                partition_key=day.isoformat(),
                tags={CADENCE_TAG: name},
                asset_selection=None if tables is None else [dg.AssetKey(table) for table in tables],
            )

    return tick


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
