"""How each account uses the product: users, volume, breadth, depth and trends.

Here: `account_usage`, over windows that end at the last day with complete usage. Not here: which day that is
(`profiles.usage_feed`), or points for usage (`scores.behavioral`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    FxRates,
    ProductFeatures,
    ProductUsage,
    ProductUsers,
)
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.profiles import ACTIVE_DAYS, UsagePolicy
from segmentation_assets.profiles.facts import only_if, with_figures
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account, known_at, survivors
from segmentation_assets.profiles.states import AccountStates, states_for
from segmentation_assets.profiles.subscriptions import SubscriptionSteps, in_force
from segmentation_assets.profiles.usage_feed import (
    LOOK_BACK,
    MILLISECONDS,
    UsageDays,
    UsageLastDays,
    late_feeds,
    whole,
)
from segmentation_assets.tables.amounts import ratio
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_after, days_before
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_SATURDAY = 5  # Monday is 0
_PARTS = 10**12  # per share of 1. Sums of whole numbers do not depend on the order of addition


class AccountUsage(Snapshot):
    """Users, volume, breadth, depth and trends of an account's usage. Key: as_of, account_id.

    The window is the 28 days up to usage_through; the window before is the 28 days before those. Columns about users
    are null where usage does not name users, columns about features where it does not name features. Events, their
    trend and the error rate count service users (API keys); all other columns are about people.
    """

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    usage_through: Day = column(
        "Last day of the account's windows: the company's last complete usage day, or the account's own last day "
        "with usage if its feed is late."
    )
    usage_lag_days: Integer = column("Days from usage_through to as_of.", unit="days", ge=0)
    is_feed_late: Flag = column(
        "The account's usage was regular and then stopped within a day, while that of others went on: a late "
        "delivery, not a decline."
    )
    active_users_28d: Integer = column("Distinct active users in the window.", unit="users", nullable=True, ge=0)
    active_users_prior_28d: Integer = column(
        "Distinct active users in the window before.", unit="users", nullable=True, ge=0
    )
    events_28d: Integer = column("Events in the window, by people and service users.", unit="events", ge=0)
    events_prior_28d: Integer = column(
        "Events in the window before, by people and service users.", unit="events", ge=0
    )
    minutes_28d: float = column(
        "Session time in the window; null: the extract has no session time.", unit="minutes", nullable=True, ge=0
    )
    minutes_prior_28d: float = column(
        "Session time in the window before; null: the extract has no session time.",
        unit="minutes",
        nullable=True,
        ge=0,
    )
    dau: float = column("Mean daily active users over the window.", unit="users", nullable=True, ge=0)
    wau: Integer = column("Distinct active users in the last 7 days.", unit="users", nullable=True, ge=0)
    mau: Integer = column("Distinct active users in the window (28 days).", unit="users", nullable=True, ge=0)
    mau_calendar_month: Integer = column(
        "Distinct active users from the first day of usage_through's month to usage_through.",
        unit="users",
        nullable=True,
        ge=0,
    )
    dau_seat_share: float = column(
        "Mean over the days of the window of active users / seats in force on the day; null: no licensed seats.",
        unit="share",
        nullable=True,
        ge=0,
    )
    wau_seat_share: float = column(
        "wau / mean seats in force over the 7 days; null: no licensed seats.", unit="share", nullable=True, ge=0
    )
    mau_seat_share: float = column(
        "Seat activity: mau / mean seats in force over the window; can be above 1; null: no licensed seats.",
        unit="share",
        nullable=True,
        ge=0,
    )
    calendar_month_seat_share: float = column(
        "mau_calendar_month / mean seats in force in that month; null: no licensed seats.",
        unit="share",
        nullable=True,
        ge=0,
    )
    active_seat_share: float = column(
        "Active users / mean seats, both in the policy's window for active accounts; null: no licensed seats.",
        unit="share",
        nullable=True,
        ge=0,
    )
    is_active_account: Flag = column(
        "active_seat_share is at least the policy's share; null: no licensed seats.", nullable=True
    )
    stickiness: float = column("dau / mau; 0: no active users.", unit="share", nullable=True, ge=0, le=1)
    features_used: Integer = column("Different features used in the window.", unit="features", nullable=True, ge=0)
    feature_breadth_share: float = column(
        "Share of the paid products' features used in the window; null: their features are not known.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    departments_active: Integer = column(
        "Departments with an active user in the window; null: no department is known.",
        nullable=True,
        ge=0,
    )
    department_breadth_share: float = column(
        "departments_active / departments of the account's users; null: no department is known.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    key_events_per_active_user: float = column(
        "Events on key features per active user in the window; null: the catalogue marks no feature as key.",
        unit="events per user",
        nullable=True,
        ge=0,
    )
    unused_paid_features: Integer = column(
        "Features of paid products that were not used in the window.", unit="features", nullable=True, ge=0
    )
    ladder_level: float = column(
        "Share of the paid products' advanced features used in the window; null: they have no advanced features.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    active_days_28d: Integer = column("Days of the window with usage.", unit="days", ge=0)
    consistency: float = column(
        "Share of the window's days from Monday to Friday with usage.", unit="share", ge=0, le=1
    )
    logins_per_user: float = column(
        "Sessions per active user in the window; null: the extract has no sessions.",
        unit="sessions per user",
        nullable=True,
        ge=0,
    )
    minutes_per_user: float = column(
        "Session minutes per active user in the window; null: the extract has no session time.",
        unit="minutes per user",
        nullable=True,
        ge=0,
    )
    logins_trend: float = column(
        "Sessions in the window / sessions in the window before - 1; null: none before.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    minutes_trend: float = column(
        "Session minutes in the window / session minutes in the window before - 1; null: none before.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    users_trend: float = column(
        "active_users_28d / active_users_prior_28d - 1; null: no active users before.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    events_trend: float = column(
        "events_28d / events_prior_28d - 1; null: no events before.", unit="ratio", nullable=True, ge=-1
    )
    users_trend_net: float = column(
        "users_trend - its median over all accounts of the day.", unit="ratio", nullable=True
    )
    events_trend_net: float = column(
        "events_trend - its median over all accounts of the day.", unit="ratio", nullable=True
    )
    minutes_trend_net: float = column(
        "minutes_trend - its median over all accounts of the day.", unit="ratio", nullable=True
    )
    error_rate: float = column(
        "Errors per event in the window, by people and service users; null: no events.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    top_user_share: float = column(
        "Share of people's events in the window that the most active person made; null: no events by people.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    single_champion: Flag = column(
        "One person makes most of people's events (by the policy's share) although several seats are licensed; null: "
        "no licensed seats.",
        nullable=True,
    )
    power_users: Integer = column(
        "Users active on at least the policy's number of days of the window.", nullable=True, ge=0
    )
    new_champions: Integer = column(
        "Users among the account's top users by events in the window, but not in the window before.",
        nullable=True,
        ge=0,
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles", reads={"usage_days": LOOK_BACK, "product_usage": LOOK_BACK})
def account_usage(
    spine: Table[Spine],
    usage_last_days: Table[UsageLastDays],
    usage_days: Table[UsageDays],
    product_usage: Table[ProductUsage],
    product_users: Table[ProductUsers],
    product_features: Table[ProductFeatures],
    subscription_steps: Table[SubscriptionSteps],
    account_states: Table[AccountStates],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
    usage: UsagePolicy,
) -> Table[AccountUsage]:
    """How much, how broadly and how deeply does each account use the product, and how does usage change?

    One row per as_of and paying account, if usage is known at all. An account without usage has zeros. An account
    that pays for no seats (priced by use, or flat) has users, events and trends, but its shares of seats are null.
    All windows end at usage_through, the last complete usage day on or before as_of, so that a late delivery does not
    look like a decline. If only an account's own feed is late, its windows end at its own last usage day. Users
    deactivated by as_of never count. Service users (API keys) count as use (events, their trend, the error rate),
    never as people. Shares of seats divide by the seats in force on the same days. Trends compare the window with the
    one before. Net trends subtract the median account's trend, so that a season or a holiday does not count as a
    decline.
    """
    states = states_for(spine, account_states, subscription_steps, fx_rates, account_hierarchy, company)
    periods = _seat_periods(states, usage)
    paying = _paying_accounts(periods, usage_last_days, usage)
    late = late_feeds(_raw_accounts(paying, survivors(account_hierarchy)), usage_days, usage)
    accounts = _with_windows(paying, late, usage)
    raw = _raw_accounts(accounts, survivors(account_hierarchy))
    users = _users(usage_days, _spans(raw, periods), product_users, usage)
    use = _feature_use(product_usage, raw, product_users)
    paid_for = _paid_products(spine, subscription_steps, account_hierarchy)
    rows = with_figures(
        accounts,
        _account_sums(users, accounts, usage),
        _mean_seats(periods, accounts),
        _departments(users, product_users, account_hierarchy, spine),
        _new_champions(users, usage),
        _feature_sums(use, known_at(product_features, spine), paid_for),
        _paid_features(known_at(product_features, spine), paid_for),
    )
    rows = rows.left_join(_days_with_key_features(known_at(product_features, spine)), "as_of")
    return _net_of_company(_columns(rows, usage))


def _seat_periods(states: ir.Table, usage: UsagePolicy) -> ir.Table:
    """Paid subscriptions and seats in force, in periods without gaps that cover all days of any window up to as_of.

    Key: as_of, account_id, day. `until` is exclusive, and null in the last period. Seats are null on days without a
    paid subscription, or without one that has seats.
    """
    days = ibis.interval(days=usage.look_back_days)
    recent = states.filter(states.until.isnull() | (states.until > states.as_of - days))
    periods = recent.select(*_KEY, "day", "until", "subscriptions", "seats")
    first = recent.group_by(*_KEY).aggregate(until=recent.day.min())
    before = first.select(
        *_KEY,
        "until",
        day=ibis.date(1, 1, 1),
        subscriptions=ibis.literal(0, periods.subscriptions.type()),
        seats=ibis.null("int64"),
    )
    return periods.union(before.select(periods.columns))


def _paid_products(spine: ir.Table, steps: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """(as_of, account_id, product) of the paid subscriptions in force at as_of."""
    rows = in_force(spine.select("as_of"), steps.filter(steps.mrr > 0), "as_of")
    return by_surviving_account(rows.select(*_KEY, "product"), hierarchy)


def _paying_accounts(periods: ir.Table, last_days: ir.Table, usage: UsagePolicy) -> ir.Table:
    """Accounts that pay at as_of, where usage is known, with the company's last complete day.

    `seats_now` is null where they pay for no seats.
    """
    now = periods.filter(
        (periods.day <= periods.as_of)
        & (periods.until.isnull() | (periods.until > periods.as_of))
        & (periods.subscriptions > 0)
    )
    known_days = last_days.filter(last_days.usage_lag_days <= usage.max_lag_days).select("as_of", "usage_through")
    return now.select(*_KEY, seats_now=now.seats.nullif(0)).join(known_days, "as_of")


def _with_windows(accounts: ir.Table, late: ir.Table, usage: UsagePolicy) -> ir.Table:
    """`accounts` with the first and last days of their windows; `late` has the last day where a feed is late."""
    rows = with_figures(accounts, late.select(*_KEY, "last_used_on"))
    rows = rows.mutate(
        usage_through=rows.last_used_on.fill_null(rows.usage_through), is_feed_late=rows.last_used_on.notnull()
    ).drop("last_used_on")
    rows = rows.mutate(
        window_start=days_before(rows.usage_through, usage.window_days - 1),
        prior_start=days_before(rows.usage_through, 2 * usage.window_days - 1),
        week_start=days_before(rows.usage_through, usage.week_days - 1),
        month_start=ibis.date(rows.usage_through.year(), rows.usage_through.month(), 1),
        day_after=days_after(rows.usage_through),
    )
    if usage.active_account_window == "last_full_month":
        # the month of usage_through where that is its last day, else the month before
        until = ibis.date(rows.day_after.year(), rows.day_after.month(), 1)
        last_of_month = days_before(until, 1)
        start = ibis.date(last_of_month.year(), last_of_month.month(), 1)
    else:
        start, until = days_before(rows.day_after, ACTIVE_DAYS), rows.day_after
    rows = rows.mutate(active_start=start, active_until=until)
    return rows.mutate(earliest=ibis.least(rows.prior_start, rows.month_start, rows.active_start))


def _raw_accounts(accounts: ir.Table, merged_into: ir.Table) -> ir.Table:
    """`accounts`, one row per id in the usage extract: their own, and those of accounts merged into them."""
    merged = merged_into.filter(merged_into.account_id != merged_into.surviving_account_id)
    merged = merged.select("as_of", raw_account_id="account_id", account_id="surviving_account_id")
    own = accounts.mutate(raw_account_id=accounts.account_id)
    return own.union(accounts.join(merged, _KEY).select(own.columns))


def _spans(raw: ir.Table, periods: ir.Table) -> ir.Table:
    """The windows of `raw` accounts, split where their seats change into periods from `day` up to `until`.

    `seat_parts` is 1 / seats in force, in parts of `_PARTS`; null without seats, so that the day does not count.
    """
    periods = periods.select(*_KEY, "seats", from_day="day", until_day="until")
    rows = raw.join(periods, _KEY)
    rows = rows.filter(
        (rows.from_day < rows.day_after) & (rows.until_day.isnull() | (rows.until_day > rows.earliest))
    )
    return rows.select(
        *_KEY,
        "raw_account_id",
        "usage_through",
        "window_start",
        "prior_start",
        day=ibis.greatest(rows.from_day, rows.earliest),
        until=ibis.least(rows.until_day.fill_null(rows.day_after), rows.day_after),
        seat_parts=whole(float(_PARTS) / rows.seats.nullif(0)),
    )


def _users(usage_days: ir.Table, spans: ir.Table, product_users: ir.Table, usage: UsagePolicy) -> ir.Table:
    """Sums per as_of, account and user, over both windows, in one pass over the usage days.

    `days_back` is a set of bits: bit n says that the user was active n days before the end of the window. `days` and
    `days_prior` are its parts for the two windows. The union over an account's users gives its active days.
    `seat_parts` sums 1 / seats in force over the user's active days. `all_events`, `all_events_prior` and `errors`
    are there for every user. A service user has nothing else: no days, no seats, no sessions, and null `events`.
    """
    days = usage_days.select(
        "usage_date",
        "user_id",
        "events",
        "sessions",
        "errors",
        used_by="account_id",
        milliseconds=whole(usage_days.minutes * MILLISECONDS),
    )
    rows = days.join(
        spans,
        [
            days.used_by == spans.raw_account_id,
            days.usage_date >= spans.day,
            days.usage_date < spans.until,
        ],
    )
    in_window = rows.usage_date >= rows.window_start
    is_prior = (rows.usage_date >= rows.prior_start) & ~in_window
    bit = ibis.literal(1, "int64") << rows.usage_through.delta(rows.usage_date, unit="day")
    # Cases instead of aggregate filters take a fifth less time, in the most expensive step of the chain.
    sums = {
        f"{name}{suffix}": only_if(where, rows[name]).sum()
        for name in ("events", "sessions", "milliseconds")
        for suffix, where in (("", in_window), ("_prior", is_prior))
    }
    users = rows.group_by(*_KEY, "user_id").aggregate(
        days_back=bit.bit_or(),
        seat_parts=only_if(in_window, rows.seat_parts).sum(),
        errors=only_if(in_window, rows.errors).sum(),
        **sums,
    )
    window = 2**usage.window_days - 1
    users = who_count(users, product_users)
    is_person = ~users.is_service
    people = {name: only_if(is_person, users[name]) for name in ("seat_parts", *sums)}
    users = users.mutate(
        all_events=users.events,
        all_events_prior=users.events_prior,
        days_back=ibis.ifelse(is_person, users.days_back, 0),
        **people,
    )
    return users.mutate(days=users.days_back & window, days_prior=(users.days_back >> usage.window_days) & window)


def who_count(rows: ir.Table, product_users: ir.Table) -> ir.Table:
    """`rows` (as_of, user_id, ...) without users deactivated by as_of; adds `is_service` and `department`.

    A user who is missing in the user extract counts, as a person.
    """
    people = product_users.select(
        "known_from",
        "known_to",
        "deactivated_on",
        "department",
        person="user_id",
        is_service=product_users.is_service_user.fill_null(False),
    )
    known_then = [
        rows.user_id == people.person,
        rows.as_of >= people.known_from,
        rows.as_of < people.known_to,
    ]
    joined = rows.left_join(people, known_then)
    is_out = (joined.deactivated_on <= joined.as_of).fill_null(False)
    return joined.filter(~is_out).select(*rows.columns, "department", is_service=joined.is_service.fill_null(False))


def people_who_count(rows: ir.Table, product_users: ir.Table) -> ir.Table:
    """`who_count` without service users."""
    counted = who_count(rows, product_users)
    return counted.filter(~counted.is_service)


def _account_sums(users: ir.Table, accounts: ir.Table, usage: UsagePolicy) -> ir.Table:
    """Counts and sums per account over its users: `all_events` and `errors` of all, the rest of people."""
    windows = accounts.select(
        *_KEY,
        days_of_month=accounts.usage_through.day(),
        days_since_active=accounts.day_after.delta(accounts.active_until, unit="day"),
        days_of_active=accounts.active_until.delta(accounts.active_start, unit="day"),
    )
    rows = users.join(windows, _KEY)
    rows = rows.mutate(
        active_days=_bits(rows.days),
        active_in_month=(rows.days_back & _ones(rows.days_of_month)) > 0,
        is_active_user=((rows.days_back >> rows.days_since_active) & _ones(rows.days_of_active)) > 0,
    )
    sums = {n: rows[n].sum() for name in ("events", "all_events", "sessions") for n in (name, f"{name}_prior")}
    return rows.group_by(*_KEY).aggregate(
        without_user=(rows.user_id.isnull() & (rows.days_back > 0)).any(),
        mau=(rows.days > 0).sum(),
        was_active=(rows.days_prior > 0).sum(),
        wau=((rows.days & (2**usage.week_days - 1)) > 0).sum(),
        mau_calendar_month=rows.active_in_month.sum(),
        active_users=rows.is_active_user.sum(),
        user_days=rows.active_days.sum(),
        seat_days=rows.seat_parts.sum() / _PARTS,
        days=rows.days.bit_or(),
        days_prior=rows.days_prior.max(),
        power_users=(rows.active_days >= usage.power_user_days).sum(),
        errors=rows.errors.sum(),
        top_events=rows.events.max(),
        minutes=rows.milliseconds.sum() / MILLISECONDS,
        minutes_prior=rows.milliseconds_prior.sum() / MILLISECONDS,
        **sums,
    )


def _ones(places: ir.IntegerValue) -> ir.IntegerValue:
    """The number whose lowest `places` bits are set."""
    return (ibis.literal(1, "int64") << places) - 1


def _bits(value: ir.IntegerValue) -> ir.IntegerValue:
    """Number of set bits of a number >= 0: sums of pairs, of fours, then of bytes (Hacker's Delight)."""
    pairs = value - ((value >> 1) & 0x5555555555555555)
    fours = (pairs & 0x3333333333333333) + ((pairs >> 2) & 0x3333333333333333)
    return ((fours + (fours >> 4)) & 0x0F0F0F0F0F0F0F0F) % 255


def _weekdays(through: ir.DateValue, window_days: int) -> ir.IntegerValue:
    """A set of bits with the window's days from Monday to Friday; bit n is n days before `through`."""

    def bits(weekday: int) -> int:
        return sum(1 << n for n in range(window_days) if (weekday - n) % 7 < _SATURDAY)

    return ibis.cases(
        *((through.day_of_week.index() == weekday, ibis.literal(bits(weekday), "int64")) for weekday in range(7))
    )


def _mean_seats(periods: ir.Table, accounts: ir.Table) -> ir.Table:
    """Mean seats per day in force over each window; days without seats do not count."""
    licensed = periods.filter(periods.seats > 0).select(*_KEY, "seats", from_day="day", until_day="until")
    rows = accounts.join(licensed, _KEY)

    def overlap(start: str, until: str) -> ir.IntegerValue:
        end = ibis.least(rows.until_day.fill_null(rows[until]), rows[until])
        return ibis.greatest(end.delta(ibis.greatest(rows.from_day, rows[start]), unit="day"), 0)

    days = {name: overlap(f"{name}_start", "day_after") for name in ("window", "week", "month")}
    days["active"] = overlap("active_start", "active_until")
    rows = rows.mutate(**{f"{name}_days": value for name, value in days.items()})
    rows = rows.filter((rows.window_days > 0) | (rows.month_days > 0) | (rows.active_days > 0))
    means = {
        f"{name}_seats": (rows.seats * rows[f"{name}_days"]).sum() / rows[f"{name}_days"].sum().nullif(0)
        for name in days
    }
    return rows.group_by(*_KEY).aggregate(licensed_days=rows.window_days.sum(), **means)


def _departments(users: ir.Table, product_users: ir.Table, hierarchy: ir.Table, spine: ir.Table) -> ir.Table:
    """Departments of an account's users, and those with an active user in the window."""
    people = known_at(product_users, spine)
    people = people.filter(
        people.department.notnull() & (people.created_on.isnull() | (people.created_on <= people.as_of))
    )
    people = people.filter(
        ~people.is_service_user.fill_null(False)
        & (people.deactivated_on.isnull() | (people.deactivated_on > people.as_of))
    )
    licensed = by_surviving_account(people.select(*_KEY, "department").distinct(), hierarchy)
    active = users.filter((users.days > 0) & users.department.notnull())
    both = licensed.mutate(is_active=ibis.literal(0)).union(
        active.select(*_KEY, "department").distinct().mutate(is_active=ibis.literal(1))
    )
    each = both.group_by(*_KEY, "department").aggregate(is_active=both.is_active.max())
    return each.group_by(*_KEY).aggregate(
        departments=each.department.count(), departments_active=each.is_active.sum()
    )


def _new_champions(users: ir.Table, usage: UsagePolicy) -> ir.Table:
    """Users among the account's top by events in the window who were not among them in the window before."""
    now = _top(users, "events", usage.champions)
    before = _top(users, "events_prior", usage.champions)
    new = now.anti_join(before, [*_KEY, "user_id"])
    return new.group_by(*_KEY).aggregate(new_champions=new.user_id.count())


def _top(users: ir.Table, events: str, places: int) -> ir.Table:
    """The account's `places` users with the most events; user_id breaks ties. Users without events never count."""
    rows = users.filter((users[events] > 0) & users.user_id.notnull()).select(*_KEY, "user_id", events)
    order = ibis.window(group_by=_KEY, order_by=[rows[events].desc(), rows.user_id])
    return rows.filter(ibis.row_number().over(order) < places).select(*_KEY, "user_id")


def _feature_use(product_usage: ir.Table, raw: ir.Table, product_users: ir.Table) -> ir.Table:
    """Events per as_of, account and feature in the window, by people who count."""
    rows = product_usage.select("usage_date", "user_id", "feature", "event_count", used_by="account_id").join(
        raw.select(*_KEY, "raw_account_id", "window_start", "day_after"),
        [
            ibis._.used_by == raw.raw_account_id,
            product_usage.usage_date >= raw.window_start,
            product_usage.usage_date < raw.day_after,
        ],
    )
    rows = people_who_count(rows, product_users)
    return rows.group_by(*_KEY, "feature").aggregate(events=rows.event_count.sum())


def _feature_sums(use: ir.Table, catalogue: ir.Table, in_force: ir.Table) -> ir.Table:
    """Per account: features used, paid features used, advanced paid features used, and events on key features.

    A feature without a product belongs to every product.
    """
    features = catalogue.rename(in_catalogue_at="as_of", name="feature")
    rows = use.filter(use.events > 0).left_join(
        features, [use.as_of == features.in_catalogue_at, use.feature == features.name]
    )
    paid = in_force.select(paid_at="as_of", paid_by="account_id", paid_product="product").distinct()
    rows = rows.left_join(
        paid,
        [rows.as_of == paid.paid_at, rows.account_id == paid.paid_by, rows.product == paid.paid_product],
    )
    is_paid = rows.name.notnull() & (rows["product"].isnull() | rows.paid_by.notnull())
    return rows.group_by(*_KEY).aggregate(
        without_feature=rows.feature.isnull().any(),
        features_used=rows.feature.count(),
        paid_features_used=is_paid.sum(),
        advanced_used=(is_paid & (rows.level == "advanced")).sum(),
        key_events=rows.events.sum(where=rows.is_key),
    )


def _paid_features(catalogue: ir.Table, in_force: ir.Table) -> ir.Table:
    """Features, and advanced ones, of the products each account pays for."""
    per_product = catalogue.group_by("as_of", "product").aggregate(
        features=catalogue.feature.count(), advanced=(catalogue.level == "advanced").sum()
    )
    shared = per_product.filter(per_product["product"].isnull()).select(
        shared_at="as_of", shared_features="features", shared_advanced="advanced"
    )
    paid = in_force.select(*_KEY, "product").distinct()
    rows = paid.left_join(per_product, ["as_of", "product"])
    sums = rows.group_by(*_KEY).aggregate(features=rows.features.sum(), advanced=rows.advanced.sum())
    sums = sums.left_join(shared, sums.as_of == shared.shared_at)
    return sums.select(
        *_KEY,
        paid_features=(sums.features.fill_null(0) + sums.shared_features.fill_null(0)).nullif(0),
        paid_advanced=(sums.advanced.fill_null(0) + sums.shared_advanced.fill_null(0)).nullif(0),
    )


def _days_with_key_features(catalogue: ir.Table) -> ir.Table:
    """(as_of) of the days on which the catalogue marks any feature as key."""
    return catalogue.filter(catalogue.is_key).select("as_of").distinct().mutate(has_key=ibis.literal(True))


def _columns(rows: ir.Table, usage: UsagePolicy) -> ir.Table:
    """The contract's columns from the joined parts, except the net trends."""
    events, has_users = rows.all_events.fill_null(0), ~rows.without_user.fill_null(False)
    mau, wau, before, in_month = (
        only_if(has_users, rows[name].fill_null(0)) for name in ("mau", "wau", "was_active", "mau_calendar_month")
    )
    is_used, was_used = rows.days.fill_null(0) > 0, (rows.days_prior.fill_null(0) > 0)
    sessions, minutes = (_unless_nobody(rows[name], is_used) for name in ("sessions", "minutes"))
    dau = only_if(has_users, rows.user_days.fill_null(0) / usage.window_days)
    active_share = _of_seats(rows, "active_users", "active_seats")
    has_seats = rows.seats_now.notnull() & has_users
    top_user_share = only_if(has_users, rows.top_events / rows.events.nullif(0))
    is_led_by_one = (top_user_share >= usage.single_champion_share).fill_null(False)
    weekdays = _weekdays(rows.usage_through, usage.window_days)
    has_features = ~rows.without_feature.fill_null(False)
    used = only_if(has_features, rows.paid_features_used.fill_null(0))
    return rows.select(
        *_KEY,
        "usage_through",
        "is_feed_late",
        usage_lag_days=rows.as_of.delta(rows.usage_through, unit="day"),
        active_users_28d=mau,
        active_users_prior_28d=before,
        events_28d=events,
        events_prior_28d=rows.all_events_prior.fill_null(0),
        minutes_28d=minutes,
        minutes_prior_28d=_unless_nobody(rows.minutes_prior, was_used),
        dau=dau,
        wau=wau,
        mau=mau,
        mau_calendar_month=in_month,
        dau_seat_share=only_if(has_seats, _per(rows.seat_days.fill_null(0), rows.licensed_days)),
        wau_seat_share=_of_seats(rows, "wau", "week_seats"),
        mau_seat_share=_of_seats(rows, "mau", "window_seats"),
        calendar_month_seat_share=_of_seats(rows, "mau_calendar_month", "month_seats"),
        active_seat_share=active_share,
        is_active_account=active_share >= usage.active_account_share,
        stickiness=only_if(has_users, _per(dau, mau)),
        features_used=only_if(has_features, rows.features_used.fill_null(0)),
        feature_breadth_share=ratio(used, rows.paid_features),
        departments_active=only_if(has_users, rows.departments_active),
        department_breadth_share=only_if(has_users, ratio(rows.departments_active, rows.departments)),
        key_events_per_active_user=only_if(
            rows.has_key.fill_null(False) & has_users & has_features, _per(rows.key_events.fill_null(0), mau)
        ),
        unused_paid_features=rows.paid_features - used,
        ladder_level=only_if(has_features, ratio(rows.advanced_used.fill_null(0), rows.paid_advanced)),
        active_days_28d=_bits(rows.days.fill_null(0)),
        consistency=ratio(_bits(rows.days.fill_null(0) & weekdays), _bits(weekdays)),
        logins_per_user=only_if(has_users, sessions / ibis.greatest(mau, 1)),
        minutes_per_user=only_if(has_users, minutes / ibis.greatest(mau, 1)),
        logins_trend=sessions / rows.sessions_prior.nullif(0) - 1,
        minutes_trend=minutes / rows.minutes_prior.nullif(0) - 1,
        users_trend=mau / rows.was_active.nullif(0) - 1,
        events_trend=events / rows.all_events_prior.nullif(0) - 1,
        error_rate=rows.errors / rows.all_events.nullif(0),
        top_user_share=top_user_share,
        single_champion=only_if(has_seats, is_led_by_one & (rows.seats_now >= usage.single_champion_seats)),
        power_users=only_if(has_users, rows.power_users.fill_null(0)),
        new_champions=only_if(has_users, rows.new_champions.fill_null(0)),
    )


def _unless_nobody(value: ir.NumericValue, is_used: ir.BooleanValue) -> ir.NumericValue:
    """0 where no user was active, else the value (null where the extract has none)."""
    return ibis.ifelse(is_used, value, ibis.literal(0, value.type()))


def _of_seats(rows: ir.Table, users: str, seats: str) -> ir.NumericValue:
    """`users` / mean `seats` of their window, or the seats of as_of if the window has none.

    Null without seats at as_of, and where usage does not name users.
    """
    is_known = rows.seats_now.notnull() & ~rows.without_user.fill_null(False)
    return only_if(is_known, _per(rows[users].fill_null(0), rows[seats].fill_null(rows.seats_now)))


def _per(value: ir.NumericValue, base: ir.NumericValue) -> ir.NumericValue:
    """`value` / `base`; 0 where `base` is 0 or null."""
    return (value / base.nullif(0)).fill_null(0.0)


def _net_of_company(rows: ir.Table) -> ir.Table:
    """Adds the trends minus their median over the accounts of the same as_of with a trend.

    The median is exact: the middle value, or the mean of the middle two. It uses windows, because a join of the table
    with itself would compute everything above again for each trend.
    """
    names = ("users_trend", "events_trend", "minutes_trend")
    day = ibis.window(group_by="as_of")
    rows = rows.mutate(
        **{
            f"{name}_place": ibis.row_number().over(
                ibis.window(group_by="as_of", order_by=[rows[name].isnull(), rows[name]])
            )
            for name in names
        },
        **{f"{name}_known": rows[name].count().over(day) for name in names},
    )
    medians = {}
    for name in names:
        place, known_ones = rows[f"{name}_place"], rows[f"{name}_known"]
        is_middle = (place == (known_ones - 1) // 2) | (place == known_ones // 2)
        middle = ibis.ifelse(is_middle & rows[name].notnull(), rows[name], ibis.null("float64"))
        medians[f"{name}_net"] = rows[name] - middle.mean().over(day)
    return rows.mutate(**medians).drop(*(f"{name}_place" for name in names), *(f"{name}_known" for name in names))
