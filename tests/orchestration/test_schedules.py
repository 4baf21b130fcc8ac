"""When the chain runs by itself: Dagster's own ticks, through clock changes, and which days they ask for."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.jobs import DAILY, FULL_CHAIN, QUARTERLY
from segmentation_assets.orchestration.partitions import ALSO_TAG
from segmentation_assets.policy.model import load_policy
from segmentation_assets.settings import Settings
from tests.orchestration import fakes

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)  # 02:00 becomes 03:00; 03:00 becomes 02:00


def defined(tmp_path: Path, text: str) -> dg.Definitions:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    return build_defs(settings=Settings(tmp_path / "home", None, file))


def ticks(schedule: dg.ScheduleDefinition, start: datetime, number: int) -> list[datetime]:
    """The next ticks as Dagster's daemon finds them."""
    result = schedule_execution_time_iterator(
        start.timestamp(), schedule.cron_schedule, schedule.execution_timezone, ascending=True
    )
    return list(islice(result, number))


def question(defs: dg.Definitions, schedule: dg.ScheduleDefinition, tick: datetime) -> list[dg.RunRequest]:
    """What one tick asks for, whatever zone its time is told in."""
    return asked_on(nothing_on_record(), defs, schedule, tick)


@cache
def nothing_on_record() -> dg.DagsterInstance:
    """An instance that never ran anything; a schedule's context takes none that is in memory alone."""
    return dg.DagsterInstance.local_temp()


def asked_on(
    instance: dg.DagsterInstance, defs: dg.Definitions, schedule: dg.ScheduleDefinition, tick: datetime
) -> list[dg.RunRequest]:
    """What one tick asks for on an instance that has a record of earlier runs."""
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=tick.astimezone(ZoneInfo("UTC")),
        repository_def=defs.get_repository_def(),
    )
    return list(schedule.evaluate_tick(context).run_requests or [])


class Daemon:
    """What Dagster's daemon does with schedules that have no partition set: of the ticks that passed, the last one.

    Runs that are asked for are put on record as the daemon does.
    """

    def __init__(self, instance: dg.DagsterInstance, defs: dg.Definitions) -> None:
        self.instance, self.defs = instance, defs

    def look(self, schedule: dg.ScheduleDefinition, before: datetime, now: datetime) -> list[str]:
        """Evaluate the last tick after `before` and up to `now`; the run keys that are launched, in order."""
        passed = [tick for tick in ticks(schedule, before, 200) if tick <= now]
        if not passed:
            return []
        requests = asked_on(self.instance, self.defs, schedule, passed[-1])
        for request in requests:
            self._launch(schedule, passed[-1], request)
        return [str(request.run_key) for request in requests]

    def _launch(self, schedule: dg.ScheduleDefinition, tick: datetime, request: dg.RunRequest) -> None:
        tags = {
            "dagster/schedule_name": schedule.name,
            "dagster/run_key": str(request.run_key),
            ".dagster/scheduled_execution_time": tick.astimezone(ZoneInfo("UTC")).isoformat(),
            "dagster/partition": str(request.partition_key),
        }
        self.instance.add_run(dg.DagsterRun(job_name=schedule.job_name, run_id=str(uuid4()), tags=tags))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_times_missed_while_nothing_was_running_are_made_up_for_once(tmp_path: Path, zone: str):
    """Off from 2 November, after the tick at six, to the 26th at noon: 3..26 are the ticks since, of days 2..25."""
    defs = defined(tmp_path, f"company: {{timezone: {zone}}}\n")
    daily, weekly = defs.resolve_schedule_def("daily"), defs.resolve_schedule_def("weekly")
    there = ZoneInfo(zone)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        daemon = Daemon(instance, defs)
        start, off, on = (datetime(2026, 11, d, 12, tzinfo=there) for d in (1, 2, 26))
        assert daemon.look(daily, start, off) == ["daily 2026-11-01"]
        assert daemon.look(weekly, start, off) == ["weekly 2026-11-01"]
        made_up = [f"daily 2026-11-{day:02}" for day in range(2, 26)]
        assert daemon.look(daily, off, on) == made_up
        assert daemon.look(weekly, off, on) == [f"weekly 2026-11-{day:02}" for day in (8, 15, 22)]
        # The same tick again, as after a crash: Dagster launches what it had not launched yet. Then no more.
        assert daemon.look(daily, off, on) == made_up
        assert daemon.look(daily, on, on + timedelta(days=1)) == ["daily 2026-11-26"]


def test_a_home_that_never_ran_has_missed_nothing_and_policy_bounds_what_is_made_up_for(
    tmp_path: Path,
):
    defs = defined(tmp_path, "orchestration: {schedules: {catch_up_days: 3}}\n")
    daily = defs.resolve_schedule_def("daily")
    day = datetime(2026, 11, 2, 12, tzinfo=ZoneInfo("UTC"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        daemon = Daemon(instance, defs)
        assert daemon.look(daily, day - timedelta(days=9), day) == ["daily 2026-11-01"]
        # Of the ticks since, those of 24, 25 and 26 November are no more than three days older than the last one.
        assert daemon.look(daily, day, day + timedelta(days=24)) == [f"daily 2026-11-{d}" for d in (23, 24, 25)]


@pytest.mark.parametrize("cron", ["0 6 * * *", "30 2 * * *", "0 0 * * *"])
def test_a_change_of_clocks_neither_skips_nor_doubles_a_day(tmp_path: Path, cron: str):
    defs = defined(
        tmp_path,
        f'company: {{timezone: Europe/Berlin}}\norchestration: {{schedules: {{daily: "{cron}"}}}}\n',
    )
    daily = defs.resolve_schedule_def("daily")
    for change in (SPRING, AUTUMN):
        start = datetime(change.year, change.month, change.day, tzinfo=BERLIN) - timedelta(days=2)
        requests = [request for tick in ticks(daily, start, 5) for request in question(defs, daily, tick)]
        days = [change + timedelta(days=i) for i in range(-3, 2)]  # each tick is for the day before its own
        assert [request.partition_key for request in requests] == [day.isoformat() for day in days]
        assert len({request.run_key for request in requests}) == 5


def test_six_in_the_morning_is_the_companys(tmp_path: Path):
    defs = defined(tmp_path, "company: {timezone: Europe/Berlin}\n")
    daily = defs.resolve_schedule_def("daily")
    result = ticks(daily, datetime(2026, 3, 27, 23, tzinfo=ZoneInfo("UTC")), 3)
    assert [t.astimezone(ZoneInfo("UTC")).strftime("%d %H:%M") for t in result] == [
        "28 05:00",
        "29 04:00",
        "30 04:00",
    ]


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("Pacific/Auckland", "2026-06-30T18:00:00+00:00", "2026-06-30"),  # there it is the 1st, six o'clock
        ("America/Los_Angeles", "2026-06-30T13:00:00+00:00", "2026-06-29"),
    ],
)
def test_yesterday_is_the_companys(tmp_path: Path, zone: str, moment: str, day: str):
    defs = defined(tmp_path, f"company: {{timezone: {zone}}}\n")
    daily = defs.resolve_schedule_def("daily")
    before = datetime.fromisoformat(moment) - timedelta(minutes=1)
    [tick] = ticks(daily, before, 1)
    assert tick == datetime.fromisoformat(moment)
    assert [request.partition_key for request in question(defs, daily, tick)] == [day]


def test_weekly_is_everything_on_mondays(tmp_path: Path):
    defs = defined(tmp_path, "{}")
    weekly = defs.resolve_schedule_def("weekly")
    result = ticks(weekly, datetime(2026, 6, 1, tzinfo=ZoneInfo("UTC")), 2)
    assert [t.strftime("%a %d %H:%M") for t in result] == ["Mon 01 07:00", "Mon 08 07:00"]
    [request] = question(defs, weekly, result[1])
    assert (weekly.job_name, request.partition_key, request.asset_selection) == (FULL_CHAIN, "2026-06-07", None)


def test_a_quarter_is_closed_and_the_next_ones_cut_offs_are_frozen(tmp_path: Path):
    defs = defined(tmp_path, "{}")
    quarterly = defs.resolve_schedule_def("quarterly")
    result = ticks(quarterly, datetime(2026, 1, 2, tzinfo=ZoneInfo("UTC")), 2)
    assert [t.strftime("%m-%d") for t in result] == ["04-01", "07-01"]
    review, cuts = question(defs, quarterly, result[0])
    assert (quarterly.job_name, review.partition_key) == (QUARTERLY, "2026-03-31")
    # The first day of the quarter is not over: the run of the day before computes it as well.
    assert (cuts.partition_key, cuts.tags[ALSO_TAG]) == ("2026-03-31", "2026-04-01")
    names = [{key.path[-1] for key in request.asset_selection or ()} for request in (review, cuts)]
    assert {"tier_migration", "tier_migration_summary", "billing_subscriptions"} <= names[0]
    assert {"tier_cuts", "value_scores", "billing_subscriptions"} <= names[1]
    assert "tier_migration" not in names[1]
    selected = {key.path[-1] for key in defs.resolve_job_def(QUARTERLY).asset_layer.selected_asset_keys}
    assert names[0] | names[1] <= selected


def test_the_daily_run_makes_what_usage_changes_and_lands_what_it_reads(tmp_path: Path):
    job = defined(tmp_path, "{}").resolve_job_def(DAILY)
    selected = {key.path[-1] for key in job.asset_layer.selected_asset_keys}
    assert {"product_usage", "usage_days", "account_usage", "behavioral_scores", "health_scores"} <= selected
    assert not selected & {"segments", "tier_kpis", "capacity_plan"}
    assert selected == {spec.name for spec in CATALOGUE.upstream(["behavioral_scores", "health_scores"])}


def test_all_are_on_and_take_their_times_from_the_policy(tmp_path: Path):
    times = '{daily: "15 5 * * *", weekly: "0 4 * * 2", quarterly: "0 9 2 1,4,7,10 *"}'
    defs = defined(tmp_path, f"orchestration: {{schedules: {times}}}\n")
    result = {s.name: s for s in defs.get_repository_def().schedule_defs}
    assert {n: s.cron_schedule for n, s in result.items()} == {
        "daily": "15 5 * * *", "weekly": "0 4 * * 2", "quarterly": "0 9 2 1,4,7,10 *"
    }  # fmt: skip
    assert {s.default_status for s in result.values()} == {dg.DefaultScheduleStatus.RUNNING}
    assert {s.execution_timezone for s in result.values()} == {load_policy().company.timezone}


def test_what_a_registry_lacks_has_no_schedule(tmp_path: Path):
    defs = build_defs(settings=Settings(tmp_path, None, None), registry=fakes.registry())
    assert [s.name for s in defs.get_repository_def().schedule_defs] == ["weekly"]


def test_what_people_read_has_a_limit_on_its_age(tmp_path: Path):
    limits = "{daily_warn_hours: 25, daily_fail_hours: 30, weekly_warn_hours: 170, weekly_fail_hours: 180}"
    graph = defined(tmp_path, f"orchestration: {{freshness: {limits}}}\n").resolve_asset_graph()
    hours = {}
    for key in graph.get_all_asset_keys():
        window = graph.get(key).freshness_policy
        seconds = (window.warn_window, window.fail_window) if window else ()
        hours[key.path[-1]] = tuple(s.to_timedelta().total_seconds() / 3600 for s in seconds)
    daily = {name for name, result in hours.items() if result == (25, 30)}
    assert daily == {"account_profiles", "account_usage", "behavioral_scores", "health_scores"}
    weekly = {name for name, result in hours.items() if result == (170, 180)}
    assert weekly == {s.name for s in CATALOGUE if s.group in ("segments", "kpis", "capacity", "activation")}
    assert {hours[name] for name in hours if name not in daily | weekly} == {()}
