"""Product usage, day by day: one Parquet file per day, never more than a day of rows in memory.

Belongs here: who is active on which features on a day. Not here: who the users are, nor the account's health itself.

How many rows: an engaged user works about half of the weekdays and few weekend days, about 2 features a day, which is
about 0.25 rows per user and calendar day over all users (10,000 accounts, 5 users each, 730 days: about 10M rows).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company
from segmentation_assets.sample.dirt import FEWEST_ROWS, SHARE
from segmentation_assets.sample.people import Users
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints, day_of
from segmentation_assets.sample.traits import FEATURES, LINE_PRODUCTS, PRODUCTS, TRIAL_LINE

TRUE_UP_RATIO = 1.2  # accounts with more users per seat than this work above their licence
KIT = 6  # features a user may work with
MOST_A_DAY = 4
WEEKDAY_RATE = np.array([0.95, 1.05, 1.08, 1.05, 0.90, 0.14, 0.12])  # Monday first
SEASON = np.array([0.97, 1.0, 1.03, 1.02, 1.01, 0.99, 0.93, 0.90, 1.03, 1.05, 1.03, 0.88])
HOLIDAY_RATE = 0.35  # from 22 December to 2 January
RAMP_MONTHS = 2.5
FEATURE_NAMES = pa.array([feature[0] for feature in FEATURES], pa.string())
_FEATURE_PRODUCT = np.array([PRODUCTS.index(feature[1]) for feature in FEATURES])
_LEVEL = np.array([("core", "standard", "advanced").index(feature[2]) for feature in FEATURES])
_KEY = np.array([feature[3] for feature in FEATURES])


@dataclass(frozen=True)
class Habits:
    """What does not change from day to day: per user, and per account and month or product."""

    share: Floats  # account × month (from the first window month on): engaged users over seats
    offset: int
    rate: Floats  # per user: chance to be active on a plain weekday, once engaged
    intensity: Floats  # per user: mean events per feature and day
    kit: Ints  # user × KIT feature codes
    kit_size: Ints
    error_rate: Floats  # per account
    product_from: Ints  # account × product: days it is owned
    product_to: Ints
    released: Ints  # per feature


def expected_share(company: Company) -> Floats:
    """Account × month: users expected to be engaged, as a share of licensed seats. The link from health to usage."""
    latents = company.latents
    level = 0.92 * latents.health + 0.12 * latents.champion
    logit = -0.16 + 1.15 * level + 2.2 * np.minimum(level + 0.75, 0.0)
    share = 1.08 / (1 + np.exp(-logit))
    month = np.arange(share.shape[1])
    age = month[None, :] - company.contracts.start_month[:, None] + 0.5
    return share * np.clip(age / RAMP_MONTHS, 0.25, 1.0)


def draw_habits(company: Company, users: Users) -> Habits:
    """Traits of users and accounts that hold for the whole window."""
    rng = company.stream("habits")
    size = len(users)
    health = company.latents.health.mean(axis=1)
    offset = max(int(company.timeline.window_months[0]) - 1, 0)
    keen = 1 - users.rank
    rate = np.clip(rng.beta(4, 5, size) * (0.6 + 0.7 * keen), 0.06, 0.97)
    intensity = rng.lognormal(1.1, 0.75, size) * (0.5 + keen) * np.exp(0.15 * health[users.account])
    kit, kit_size = _kits(rng, company, users, health)
    begin, finish = _ownership(company)
    return Habits(
        share=expected_share(company)[:, offset:] / np.minimum(users.seat_ratio, TRUE_UP_RATIO)[:, None],
        offset=offset,
        rate=np.where(users.is_service, 0.97, rate),
        intensity=np.where(users.is_service, 60.0, intensity),
        kit=kit,
        kit_size=kit_size,
        error_rate=np.clip(0.012 * np.exp(-0.5 * health + 0.3 * rng.standard_normal(company.customers)), 0.001, 0.2),
        product_from=begin,
        product_to=finish,
        released=release_days(company.timeline.last_day),
    )


def release_days(last_day: int) -> Ints:
    """Day each feature came out, 0 for always."""
    return np.array([0 if days == 0 else last_day - days for *_, days in FEATURES])


def _kits(rng: np.random.Generator, company: Company, users: Users, health: Floats) -> tuple[Ints, Ints]:
    """Each user's favourite features: of owned products, core ones first, deeper ones where health is better."""
    owned = np.zeros((company.customers, len(PRODUCTS)), bool)
    rows = company.subscriptions
    mine = rows.account < company.customers
    product = np.array([PRODUCTS.index(name) for name in LINE_PRODUCTS])[rows.line]
    owned[rows.account[mine], product[mine]] = True
    depth = np.clip(0.5 * health, -1.5, 1.5)[users.account]
    kit = np.empty((len(users), KIT), np.int64)
    for low in range(0, len(users), 100_000):
        part = slice(low, low + 100_000)
        liking = rng.gumbel(size=(len(users.account[part]), len(FEATURES)))
        liking += np.array([1.4, 0.5, -0.7])[_LEVEL] + depth[part, None] * (0.8 * (_LEVEL - 1) + 0.5 * _KEY)
        liking = np.where(owned[users.account[part]][:, _FEATURE_PRODUCT], liking, -np.inf)
        kit[part] = np.argsort(-liking, axis=1)[:, :KIT]
    size = 1 + rng.binomial(KIT - 1, np.clip(0.45 + 0.18 * depth, 0.1, 0.95))
    return kit, np.where(users.is_service, 2, size)


def _ownership(company: Company) -> tuple[Ints, Ints]:
    """First and last day each account owns each product."""
    shape = (company.customers, len(PRODUCTS))
    begin, finish = np.full(shape, NEVER), np.zeros(shape, np.int64)
    rows = company.subscriptions
    mine = (rows.account < company.customers) & (rows.line != TRIAL_LINE)
    product = np.array([PRODUCTS.index(name) for name in LINE_PRODUCTS])[rows.line]
    np.minimum.at(begin, (rows.account[mine], product[mine]), rows.start[mine])
    np.maximum.at(finish, (rows.account[mine], product[mine]), rows.end[mine])
    return begin, finish


def write_usage(
    company: Company, users: Users, directory: Path, progress: Callable[[str], None] | None = None
) -> tuple[int, int]:
    """Write `<YYYY-MM-DD>.parquet` for each day; (rows, broken rows among them)."""
    habits = draw_habits(company, users)
    account_ids = company.account_ids.take(pa.array(users.account))
    rows = broken = 0
    for day in range(company.timeline.first_day, company.timeline.last_day + 1):
        name = day_of(day).isoformat()
        if progress and (name.endswith("-01") or day == company.timeline.first_day):
            progress(f"product_usage {name[:7]}")
        data, dirty = _day(company, users, habits, account_ids, day)
        tables.write(data, directory / f"{name}.parquet")
        rows, broken = rows + len(data), broken + dirty
    return rows, broken


def _day(company: Company, users: Users, habits: Habits, account_ids: pa.Array, day: int) -> tuple[pa.Table, int]:
    rng = company.stream("product_usage", day)
    active = np.flatnonzero(_active(rng, company, users, habits, day))
    user, feature = _features(rng, habits, active)
    account = users.account[user]
    product = _FEATURE_PRODUCT[feature]
    usable = (habits.product_from[account, product] <= day) & (day < habits.product_to[account, product])
    usable &= habits.released[feature] <= day
    user, feature, account = user[usable], feature[usable], account[usable]
    size = len(user)
    events = 1 + rng.poisson(habits.intensity[user])
    sessions = 1 + rng.poisson(0.25 * np.sqrt(events))
    minutes = np.round(events * rng.lognormal(0.35, 0.5, size), 1)
    errors = rng.binomial(events, habits.error_rate[account])
    ids = users.ids.take(pa.array(user))
    columns = {
        "user_id": ids,
        "usage_date": tables.dates(np.full(size, day)),
        "feature": FEATURE_NAMES.take(pa.array(feature)),
        "account_id": account_ids.take(pa.array(user)),
        "event_count": events,
        "session_count": sessions,
        "session_minutes": minutes,
        "error_count": errors,
    }
    return _soiled(rng, tables.table("product_usage", columns))


def _active(rng: np.random.Generator, company: Company, users: Users, habits: Habits, day: int) -> Bools:
    present = (users.created <= day) & (day < users.deactivated) & (company.last_paid[users.account] > day)
    engaged = users.rank < _share_on(company, habits, day)[users.account]
    chance = np.where(engaged | users.is_service, habits.rate, 0.0008)
    rhythm = _rhythm(day)
    chance = np.where(users.is_service, habits.rate, chance * rhythm)
    return present & (rng.random(len(users)) < chance)


def _share_on(company: Company, habits: Habits, day: int) -> Floats:
    """Engaged share of each account's users on the day, between the middles of the months."""
    starts = company.timeline.month_starts
    month = int(np.searchsorted(starts, day, side="right")) - 1
    part = (day - starts[month]) / (starts[month + 1] - starts[month]) - 0.5
    column = month - habits.offset
    other = min(max(column + (1 if part > 0 else -1), 0), habits.share.shape[1] - 1)
    return (1 - abs(part)) * habits.share[:, column] + abs(part) * habits.share[:, other]


def _rhythm(day: int) -> float:
    """Weekday, season and the days around the new year."""
    when = day_of(day)
    holiday = (when.month == 12 and when.day >= 22) or (when.month == 1 and when.day <= 2)
    return float(WEEKDAY_RATE[when.weekday()] * SEASON[when.month - 1] * (HOLIDAY_RATE if holiday else 1.0))


def _features(rng: np.random.Generator, habits: Habits, active: Ints) -> tuple[Ints, Ints]:
    """(user, feature) pairs of the day: a run of 1 to 4 of the user's favourites, none twice."""
    wanted = 1 + rng.binomial(MOST_A_DAY - 1, 0.33, len(active))
    count = np.minimum(wanted, habits.kit_size[active])
    first = rng.integers(0, 1 << 30, len(active)) % habits.kit_size[active]
    user = np.repeat(active, count)
    step = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    slot = (np.repeat(first, count) + step) % habits.kit_size[user]
    return user, habits.kit[user, slot]


def _soiled(rng: np.random.Generator, data: pa.Table) -> tuple[pa.Table, int]:
    """A copy of a row now and then, right after it: half of unknown users, half the same key again."""
    if len(data) < FEWEST_ROWS:
        return data, 0
    picked = np.sort(rng.choice(len(data), rng.binomial(len(data), SHARE), replace=False))
    if len(picked) == 0:
        return data, 0
    repeats = np.ones(len(data), np.int64)
    repeats[picked] = 2
    copied = data.take(pa.array(np.repeat(np.arange(len(data)), repeats)))
    copies = picked + np.arange(1, len(picked) + 1)
    unknown = np.zeros(len(copied), bool)
    unknown[copies[::2]] = True
    names = tables.ids("X", np.arange(len(copies[::2])), 7)
    mixed = pc.call_function("replace_with_mask", [copied["user_id"].combine_chunks(), pa.array(unknown), names])
    return copied.set_column(0, "user_id", mixed), len(picked)
