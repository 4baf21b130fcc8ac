"""How much work each account made in a period.

Here: `account_workloads`: tickets, self-service, CSM hours, and the CSMs' productive hours. Not here: their cost
(`profiles.costs`), the KPIs that sum them (`retention`), or how many CSMs are needed (`capacity`).
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    HISTORY_COLUMNS,
    CsmRoster,
    CsmTimeEntries,
    SelfServiceSessions,
    SupportTickets,
)
from segmentation_assets.kpis.entitlement import entitled_hours
from segmentation_assets.policy.capacity import CarePolicy
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import ProductivityPolicy, RetentionPolicy
from segmentation_assets.profiles.company_day import company_day
from segmentation_assets.profiles.facts import accounts_of, facts, first_fact, with_figures, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, known_at, survivors
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import each, windows
from segmentation_assets.tables.contracts import Day, Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_ACCOUNT = ("as_of", "account_id")
_KEY = (*_ACCOUNT, "window_months")
_DAYS_PER_WEEK = 7


class AccountWorkloads(Snapshot):
    """Tickets, self-service and CSM hours of an account. Key: as_of, account_id, window_months.

    Null = the extract has no row by as_of (not known); 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    window_months: Integer = column("Length of the period that ends at as_of.", unit="months", ge=1)
    starts_on: Day = column("t0: the period is the days after it, up to as_of.")
    tickets: Integer = column("Support tickets opened in the period; null: no ticket extract.", nullable=True, ge=0)
    self_service_sessions: Integer = column(
        "Self-service sessions in the period; null: no such extract.", nullable=True, ge=0
    )
    csm_hours: float = column(
        "CSM hours logged on the account in the period; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    rostered_csm_hours: float = column(
        "Part of csm_hours by CSMs whose contracted hours the roster knows.", unit="hours", nullable=True, ge=0
    )
    productive_hours: float = column(
        "The account's part of its CSM's productive hours, by the hours that each of the CSM's accounts is entitled "
        "to.",
        unit="hours",
        nullable=True,
        ge=0,
    )

    class Config:
        unique = list(_KEY)


@table(group="kpis")
def account_workloads(
    spine: Table[Spine],
    account_hierarchy: Table[AccountHierarchy],
    support_tickets: Table[SupportTickets],
    self_service_sessions: Table[SelfServiceSessions],
    csm_time_entries: Table[CsmTimeEntries],
    csm_roster: Table[CsmRoster],
    segments: Table[Segments],
    company: CompanyPolicy,
    policy: RetentionPolicy,
    productivity: ProductivityPolicy,
    care: CarePolicy,
) -> Table[AccountWorkloads]:
    """How much work did each account make in the last 12, 3 and 1 months, and how often did it help itself?

    One row per as_of, window and known account. Tickets count on the day of opening in the company's timezone. A
    CSM's productive hours (roster hours x productive share x (1 - admin share)) are divided over the CSM's accounts
    at as_of, in proportion to the hours each is entitled to. So an account with more logged than productive hours
    gets more time than its share. If none of the CSM's accounts is entitled to hours, the productive hours are
    divided by logged hours.
    """
    months, merged = policy.windows_months, survivors(account_hierarchy)
    tickets = support_tickets.mutate(opened_on=company_day(support_tickets.opened_at, company))
    logged = csm_time_entries.filter(csm_time_entries.account_id.notnull())
    opened = _within(tickets, "opened_on", merged, spine, months)
    used = _within(self_service_sessions, "used_on", merged, spine, months)
    rows = accounts_of(merged)
    for figures in (
        opened.group_by(*_ACCOUNT).aggregate(**_sums("tickets", opened, ibis.literal(1), months)),
        used.group_by(*_ACCOUNT).aggregate(**_sums("self_service_sessions", used, used.sessions, months)),
        _hours(
            _by_stretch(logged, spine, months),
            csm_roster,
            _books(segments, spine, care),
            merged,
            spine,
            months,
            productivity,
        ),
    ):
        rows = with_figures(rows, figures)
    rows = _by_window(rows, months).join(windows(spine, months), ["as_of", "window_months"])
    rows = zero_if_present(rows, first_fact(tickets, "opened_on"), ("tickets",))
    rows = zero_if_present(rows, first_fact(self_service_sessions, "used_on"), ("self_service_sessions",))
    return zero_if_present(rows, first_fact(logged, "worked_on"), _HOURS)


_HOURS = ("csm_hours", "rostered_csm_hours", "productive_hours")
_FIGURES = ("tickets", "self_service_sessions", *_HOURS)


def _within(extract: ir.Table, dated: str, merged: ir.Table, spine: ir.Table, months: Sequence[int]) -> ir.Table:
    """Rows of an extract in the longest window. `in_<months>`: whether the row is in that window."""
    starts = [f"day_{m}m_ago" for m in months]
    rows = facts(extract, dated, merged, spine, *starts)
    rows = rows.filter(rows[dated] > rows[f"day_{max(months)}m_ago"])
    return rows.mutate(**{f"in_{m}": rows[dated] > rows[f"day_{m}m_ago"] for m in months})


def _sums(name: str, rows: ir.Table, value: ir.NumericValue, months: Sequence[int]) -> dict[str, ir.NumericValue]:
    """`<name>_<months>`: the sum in each window, null without rows. One pass serves all: all windows end at as_of."""
    kept = {m: ibis.ifelse(rows[f"in_{m}"], value, ibis.null(value.type())) for m in months}
    return {f"{name}_{m}": total(one) if one.type().is_floating() else one.sum() for m, one in kept.items()}


def _by_window(rows: ir.Table, months: Sequence[int]) -> ir.Table:
    """One row per window, with the columns of that window."""
    rows = each(rows, "window_months", months)
    picked = {
        name: ibis.cases(*((rows.window_months == m, rows[f"{name}_{m}"]) for m in months)) for name in _FIGURES
    }
    return rows.select(*_KEY, **picked)


def _by_stretch(entries: ir.Table, spine: ir.Table, months: Sequence[int]) -> ir.Table:
    """Sums of time entries between two days on which a window starts or ends, dated the last day of that stretch.

    This is for speed: entries are many, and that day is in exactly the windows that its entries are in.
    """
    periods = windows(spine, months)
    bounds = periods.select(bound="starts_on").union(periods.select(bound="as_of")).distinct()
    days = entries.select("worked_on").distinct()
    ahead = days.join(bounds, days.worked_on <= bounds.bound)
    stretches = ahead.group_by(day="worked_on").aggregate(ends_on=ahead.bound.min())
    rows = entries.join(stretches, entries.worked_on == stretches.day)
    key = ("account_id", "csm_id", *HISTORY_COLUMNS)
    return rows.group_by(*key, worked_on="ends_on").aggregate(hours=total(rows.hours))


def _books(segments: ir.Table, spine: ir.Table, care: CarePolicy) -> ir.Table:
    """(as_of, account_id, csm_id) -> the account's share of the hours that all the CSM's accounts are entitled to."""
    rows = segments.semi_join(spine, "as_of").filter(ibis._.csm_id.notnull())
    rows = rows.mutate(has_override=rows.coverage_override.notnull())
    rows = rows.select(*_ACCOUNT, "csm_id", entitled=entitled_hours(rows, care))
    whole = total(rows.entitled, over=ibis.window(group_by=["as_of", "csm_id"]))
    return rows.mutate(book_share=rows.entitled / whole.nullif(0.0)).filter(ibis._.book_share > 0).drop("entitled")


def _hours(
    entries: ir.Table,
    roster: ir.Table,
    books: ir.Table,
    merged: ir.Table,
    spine: ir.Table,
    months: Sequence[int],
    policy: ProductivityPolicy,
) -> ir.Table:
    """Hours by account and window, with its part of the CSMs' productive hours. Key: as_of, account_id."""
    rows = _within(entries, "worked_on", merged, spine, months)
    logged = rows.group_by(*_ACCOUNT, "csm_id").aggregate(**_sums("hours", rows, rows.hours, months))
    long = csm_productive_hours(roster, windows(spine, months), policy)
    available = long.group_by("as_of", "csm_id").aggregate(
        **{f"available_{m}": long.hours_available.max(where=long.window_months == m) for m in months}
    )
    hours = [f"hours_{m}" for m in months]
    both = logged.mutate(book_share=ibis.null("float64")).union(
        books.mutate(**dict.fromkeys(hours, ibis.null("float64"))).select(*logged.columns, "book_share")
    )
    pairs = both.group_by(*_ACCOUNT, "csm_id").aggregate(
        book_share=both.book_share.max(), **{name: both[name].max() for name in hours}
    )
    joined = pairs.left_join(available, ["as_of", "csm_id"]).drop("as_of_right", "csm_id_right")
    everywhere = ibis.window(group_by=["as_of", "csm_id"])
    has_book = joined.book_share.notnull().any().over(everywhere)
    totals = {f"total_{m}": total(joined[f"hours_{m}"], over=everywhere) for m in months}
    joined = joined.mutate(has_book=has_book, **totals)
    sums = {}
    for m in months:
        worked, there = joined[f"hours_{m}"], joined[f"available_{m}"]
        part = ibis.ifelse(joined.has_book, joined.book_share, ratio(worked, joined[f"total_{m}"]))
        sums[f"csm_hours_{m}"] = total(worked)
        sums[f"rostered_csm_hours_{m}"] = total(worked, there.notnull())
        sums[f"productive_hours_{m}"] = total(there * part)
    return joined.group_by(*_ACCOUNT).aggregate(**sums)


def csm_productive_hours(roster: ir.Table, periods: ir.Table, policy: ProductivityPolicy) -> ir.Table:
    """`hours_available` of each CSM on the roster known at as_of. Key: as_of, window_months, csm_id.

    Contracted hours of the days employed in the period, x productive share x (1 - admin share).
    """
    skills = roster.rename(employed_from="starts_on", employed_to="ends_on")
    rows = known_at(skills, periods, "window_months", "starts_on")
    rows = rows.filter(rows.weekly_hours.notnull())
    days = employed_days(rows)
    productive = policy.productive_share * (1 - policy.admin_share)
    hours = ibis.greatest(days, 0) * rows.weekly_hours / _DAYS_PER_WEEK * productive
    return rows.select("as_of", "window_months", "csm_id", hours_available=hours)


def employed_days(rows: ir.Table) -> ir.IntegerValue:
    """Days of (starts_on, as_of] within [employed_from, employed_to); negative where there are none."""
    joined_after = rows.employed_from.delta(rows.starts_on, unit="day") - 1
    left_before = rows.as_of.delta(rows.employed_to, unit="day") + 1
    length = rows.as_of.delta(rows.starts_on, unit="day")
    missed = ibis.greatest(joined_after.fill_null(0), 0) + ibis.greatest(left_before.fill_null(0), 0)
    return length - missed
