"""Usage per day, and the last day on which it is complete.

Here: `usage_days` (sums per usage day), `usage_last_days` (the company's last complete day), and accounts whose own
usage feed is late. Not here: usage figures of an account (`profiles.usage`).
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import ProductUsage
from segmentation_assets.policy.profiles import UsagePolicy
from segmentation_assets.tables.as_of import FromPolicy, Spine, last
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Contract, Day, Integer, Snapshot, column
from segmentation_assets.tables.days import days_before
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_WEEK = 7
_MONTH_OF_WEEKS = 4
MILLISECONDS = 60_000  # per minute. Sums of whole numbers do not depend on the order of addition
LOOK_BACK = FromPolicy(UsagePolicy, lambda policy: last(policy.look_back_days))


class UsageDays(Contract):
    """Usage of each user on each day, all features together. Key: usage_date, account_id, user_id."""

    usage_date: Day = column("Day of use, company timezone.")
    account_id: str = column("Account id in the usage extract, before mergers.")
    user_id: str = column("User, also service users; null: usage without a user.", nullable=True)
    events: Integer = column("Events on the day.", unit="events", nullable=True, ge=0)
    sessions: Integer = column("Sessions (logins) on the day.", unit="sessions", nullable=True, ge=0)
    minutes: float = column("Session time on the day.", unit="minutes", nullable=True, ge=0)
    errors: Integer = column("Errors on the day.", unit="errors", nullable=True, ge=0)

    class Config:
        unique = ["usage_date", "account_id", "user_id"]


class UsageLastDays(Snapshot):
    """Up to which day is usage known?"""

    usage_through: Day = column("The last day on or before as_of whose usage is complete.")
    usage_lag_days: Integer = column("Days from usage_through to as_of.", unit="days", ge=0)

    class Config:
        unique = ["as_of"]


@table(group="profiles", partition="usage_date")
def usage_days(product_usage: Table[ProductUsage]) -> Table[UsageDays]:
    """How much did each user use the product on each day, all features together?

    One row per usage day, account and user with at least one event or session. Whether a user counts (service or
    deactivated user), and for which account (mergers), depends on as_of, so `account_usage` decides it.
    """
    rows = product_usage.group_by("usage_date", "account_id", "user_id").aggregate(
        events=product_usage.event_count.sum(),
        sessions=product_usage.session_count.sum(),
        minutes=whole(product_usage.session_minutes * MILLISECONDS).sum() / MILLISECONDS,
        errors=product_usage.error_count.sum(),
    )
    return rows.filter((rows.events > 0) | (rows.sessions > 0).fill_null(False))


def whole(value: ir.NumericValue) -> ir.IntegerValue:
    """The nearest whole number."""
    return value.round().cast("int64")


@table(group="profiles", reads={"usage_days": LOOK_BACK})
def usage_last_days(spine: Table[Spine], usage_days: Table[UsageDays], usage: UsagePolicy) -> Table[UsageLastDays]:
    """What is the last day with complete usage? One row per as_of with any usage in the look-back.

    A day is complete if its users are at least the policy's share of the usual number. The usual number is the mean
    over the last `usual_weeks` days with usage on the same weekday. For the first day of a weekday, and for a day
    after more than a week without any usage, it is the mean over the usage days of as many weeks, so that a stray row
    on a Sunday does not count as a complete day. The first day of all is complete. All usage windows of as_of end at
    the last complete day. So a late delivery, a partial one or a stray row does not look like a decline.
    """
    sizes = usage_days.group_by("usage_date").aggregate(users=usage_days.count())
    first = days_before(spine.as_of, usage.look_back_days - 1)
    rows = spine.select("as_of").join(sizes, [sizes.usage_date <= spine.as_of, sizes.usage_date >= first])
    rows = rows.mutate(weekday=rows.usage_date.day_of_week.index())
    rows = rows.mutate(
        before=rows.usage_date.lag().over(ibis.window(group_by="as_of", order_by="usage_date")),
        usual_on_weekday=rows.users.mean().over(_earlier(usage.usual_weeks, ["as_of", "weekday"])),
        usual=rows.users.mean().over(_earlier(usage.usual_weeks * _WEEK, ["as_of"])),
    )
    follows_on = (rows.usage_date.delta(rows.before, unit="day") <= _WEEK).fill_null(False)
    usual = ibis.ifelse(follows_on, rows.usual_on_weekday.fill_null(rows.usual), rows.usual)
    rows = rows.filter((rows.users >= usage.complete_day_share * usual).fill_null(True))
    rows = rows.group_by("as_of").aggregate(usage_through=rows.usage_date.max())
    return rows.mutate(usage_lag_days=rows.as_of.delta(rows.usage_through, unit="day"))


def _earlier(days: int, group: list[str]) -> Any:
    """The `days` usage days before each row, within its group."""
    return ibis.window(preceding=(days, 1), following=None, group_by=group, order_by="usage_date")


def late_feeds(accounts: ir.Table, usage_days: ir.Table, usage: UsagePolicy) -> ir.Table:
    """(as_of, account_id, last_used_on) of the accounts whose own usage feed is late while others are not.

    `accounts`: as_of, account_id, raw_account_id (its id in the usage extract) and usage_through of the company. A
    feed is late if the account has no usage for more days than the policy allows, although it was used regularly
    until then, in its last week at least the policy's share of the three weeks before. Users who leave one by one,
    and a small account with occasional use, are no late feed. After `max_lag_days` without usage, an account counts
    as not used.
    """
    daily = usage_days.group_by("usage_date", used_by="account_id").aggregate(users=usage_days.count())
    daily = daily.view()
    recent = daily.join(
        accounts,
        [
            daily.used_by == accounts.raw_account_id,
            daily.usage_date <= accounts.usage_through,
            daily.usage_date >= days_before(accounts.as_of, usage.max_lag_days),
        ],
    )
    last = recent.group_by(*_KEY, "usage_through").aggregate(last_used_on=recent.usage_date.max())
    silent = last.filter(last.usage_through.delta(last.last_used_on, unit="day") > usage.feed.silent_days)
    names = accounts.select(*_KEY, "raw_account_id").join(silent, _KEY)
    again = daily.view()
    rows = again.join(
        names,
        [
            again.used_by == names.raw_account_id,
            again.usage_date <= names.last_used_on,
            again.usage_date > days_before(names.last_used_on, _MONTH_OF_WEEKS * _WEEK),
        ],
    )
    days = rows.group_by(*_KEY, "last_used_on", "usage_date").aggregate(users=rows.users.sum())
    in_last_week = days.usage_date > days_before(days.last_used_on, _WEEK)
    sums = days.group_by(*_KEY, "last_used_on").aggregate(
        days=days.count(),
        last_week=days.users.sum(where=in_last_week).fill_null(0),
        before=days.users.sum(where=~in_last_week).fill_null(0),
    )
    is_late = (
        (sums.days >= usage.feed.regular_days)
        & (sums.last_week >= usage.feed.least_user_days)
        & (sums.last_week * (_MONTH_OF_WEEKS - 1) >= sums.before * usage.complete_day_share)
    )
    return sums.filter(is_late).select(*_KEY, "last_used_on")
