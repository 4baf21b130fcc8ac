"""What accounts took of our people's time in a period.

Here: `account_workloads`: tickets, self-service, CSM hours, and the productive hours behind them. Not here: their
cost (`profiles.costs`), the KPIs made of them (`retention`), or how many CSMs are needed (`capacity`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    CsmRoster,
    CsmTimeEntries,
    SelfServiceSessions,
    SupportTickets,
)
from segmentation_assets.kpis.calendar import windows
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import ProductivityPolicy, RetentionPolicy
from segmentation_assets.profiles.company_day import company_day
from segmentation_assets.profiles.facts import accounts_of, facts, first_fact, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, known, survivors
from segmentation_assets.warehouse.as_of import Spine
from segmentation_assets.warehouse.contracts import Day, Integer, Snapshot, column
from segmentation_assets.warehouse.registry import Table, table

_KEY = ("as_of", "account_id", "window_months")
_DAYS_PER_WEEK = 7


class AccountWorkloads(Snapshot):
    """Tickets, self-service and CSM hours of an account. Key: as_of, account_id, window_months.

    Null = the extract has no row by as_of (not known); 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    window_months: Integer = column("Length of the period that ends at as_of.", unit="months", ge=1)
    starts_on: Day = column("t0: what is dated after it counts, up to as_of.")
    tickets: Integer = column("Tickets opened.", nullable=True, ge=0)
    self_service_sessions: Integer = column("Self-service sessions.", nullable=True, ge=0)
    csm_hours: float = column("CSM hours logged on the account.", unit="hours", nullable=True, ge=0)
    rostered_csm_hours: float = column(
        "Of them, by CSMs whose productive hours are known.", unit="hours", nullable=True, ge=0
    )
    productive_hours: float = column(
        "Those CSMs' productive hours, each shared out by where the CSM's hours went.",
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
    company: CompanyPolicy,
    policy: RetentionPolicy,
    productivity: ProductivityPolicy,
) -> Table[AccountWorkloads]:
    """How much work did each account make in the last 12, 3 and 1 months, and how much of it did it do itself?

    One row per as_of, window and account known. Tickets count on the company's day of opening. A CSM's productive
    hours (roster hours x productive share x (1 - admin share)) are shared out over the accounts in proportion to the
    hours logged on them.
    """
    periods, merged = windows(spine, policy.windows_months), survivors(account_hierarchy)
    tickets = support_tickets.mutate(opened_on=company_day(support_tickets.opened_at, company))
    logged = csm_time_entries.filter(csm_time_entries.account_id.notnull())
    opened = _within(tickets, "opened_on", merged, periods)
    used = _within(self_service_sessions, "used_on", merged, periods)
    rows = accounts_of(merged).join(periods, "as_of")
    for figures in (
        opened.group_by(*_KEY).aggregate(tickets=opened.count()),
        used.group_by(*_KEY).aggregate(self_service_sessions=used.sessions.sum()),
        _hours(logged, csm_roster, merged, periods, productivity),
    ):
        rows = rows.left_join(figures, list(_KEY)).drop(*(f"{name}_right" for name in _KEY))
    rows = zero_if_present(rows, first_fact(tickets, "opened_on"), ("tickets",))
    rows = zero_if_present(rows, first_fact(self_service_sessions, "used_on"), ("self_service_sessions",))
    return zero_if_present(rows, first_fact(logged, "worked_on"), _HOURS)


_HOURS = ("csm_hours", "rostered_csm_hours", "productive_hours")


def _within(extract: ir.Table, dated: str, merged: ir.Table, periods: ir.Table) -> ir.Table:
    rows = facts(extract, dated, merged, periods, "window_months", "starts_on")
    return rows.filter(rows[dated] > rows.starts_on)


def _hours(
    entries: ir.Table, roster: ir.Table, merged: ir.Table, periods: ir.Table, policy: ProductivityPolicy
) -> ir.Table:
    """Hours by account, with the productive hours of the CSMs in proportion."""
    rows = _within(entries, "worked_on", merged, periods)
    logged = rows.group_by(*_KEY, "csm_id").aggregate(hours=rows.hours.sum())
    total = logged.hours.sum().over(ibis.window(group_by=["as_of", "window_months", "csm_id"]))
    shared = logged.mutate(share=logged.hours / total.nullif(0.0))
    available = csm_productive_hours(roster, periods, policy)
    joined = shared.left_join(available, ["as_of", "window_months", "csm_id"])
    return joined.group_by(*_KEY).aggregate(
        csm_hours=joined.hours.sum(),
        rostered_csm_hours=joined.hours.sum(where=joined.hours_available.notnull()),
        productive_hours=(joined.hours_available * joined.share).sum(),
    )


def csm_productive_hours(roster: ir.Table, periods: ir.Table, policy: ProductivityPolicy) -> ir.Table:
    """`hours_available` of each CSM on the roster known at as_of. Key: as_of, window_months, csm_id.

    Contracted hours of the days employed in the period, x productive share x (1 - admin share).
    """
    skills = roster.rename(employed_from="starts_on", employed_to="ends_on")
    rows = known(skills, periods, "window_months", "starts_on")
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
