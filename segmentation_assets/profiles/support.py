"""How much help an account needs, how fast it gets it, and how satisfied it is.

Here: `account_support`, from tickets and self-service. Not here: what support costs (`costs`), or points for it
(`scores`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import SelfServiceSessions, SupportTickets
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.service import SupportPolicy
from segmentation_assets.profiles.company_day import company_day
from segmentation_assets.profiles.facts import (
    accounts_of,
    facts,
    first_fact,
    with_figures,
    within,
    zero_if_present,
)
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.tables.amounts import mean, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table


class AccountSupport(Snapshot):
    """Support load, speed and satisfaction of an account. Key: as_of, account_id; one row per known account.

    Null = the extract has no row by as_of (unknown), or there is nothing to average; 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    tickets_28d: Integer = column("Tickets opened in the last `support.recent_days` (28) days.", nullable=True, ge=0)
    tickets_90d: Integer = column("Tickets opened in the last `support.window_days` (90) days.", nullable=True, ge=0)
    tickets_12m: Integer = column("Tickets opened in the last twelve months.", nullable=True, ge=0)
    tickets_per_100_seats: float = column(
        "Tickets of the last 90 days per 100 licensed seats in force.", unit="per_100_seats", nullable=True, ge=0
    )
    first_response_hours: float = column(
        "Mean hours to the first response, of tickets opened in the last 90 days and answered by as_of.",
        unit="hours",
        nullable=True,
        ge=0,
    )
    handling_hours_12m: float = column(
        "Hours worked on tickets resolved in the last twelve months, or opened in them and still unresolved.",
        unit="hours",
        nullable=True,
        ge=0,
    )
    self_service_sessions_90d: Integer = column(
        "Knowledge base, chatbot and community sessions in the last 90 days.", nullable=True, ge=0
    )
    self_service_ratio: float = column(
        "Self-service sessions ÷ (self-service sessions + tickets), last 90 days.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    csat: float = column(
        "Mean satisfaction with tickets resolved in the last 90 days, on the source's scale.",
        unit="rating",
        nullable=True,
    )
    sentiment: float = column(
        "Mean sentiment of tickets opened in the last 90 days, -1 to 1.",
        unit="sentiment",
        nullable=True,
        in_range={"min_value": -1, "max_value": 1},
    )
    open_escalations: Integer = column("Escalated tickets not resolved by as_of.", nullable=True, ge=0)

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_support(
    spine: Table[Spine],
    account_hierarchy: Table[AccountHierarchy],
    account_revenue: Table[AccountRevenue],
    support_tickets: Table[SupportTickets],
    self_service_sessions: Table[SelfServiceSessions],
    company: CompanyPolicy,
    policy: SupportPolicy,
) -> Table[AccountSupport]:
    """How much help does an account need, how fast does it get it, and how satisfied is it?

    One row per as_of and known account. Tickets count on the day they were opened, in the company's timezone. Hours
    worked and satisfaction count on the day of resolution, when they are final; until then, on the opening day. A
    first response or resolution dated after as_of has not happened. An account without tickets has 0 if the extract
    has any row by as_of, else null.
    """
    merged = survivors(account_hierarchy)
    tickets = _with_days(support_tickets, company)
    rows = with_figures(
        accounts_of(merged),
        _ticket_figures(tickets, merged, spine, policy),
        _self_service(self_service_sessions, merged, spine, policy),
        account_revenue.select("as_of", "account_id", "seats"),
    )
    opened = first_fact(tickets, "opened_on")
    rows = zero_if_present(rows, opened, ("tickets_28d", "tickets_90d", "tickets_12m", "open_escalations"))
    worked = first_fact(tickets.filter(tickets.handling_hours.notnull()), "final_on")
    rows = zero_if_present(rows, worked, ("handling_hours_12m",))
    sessions = first_fact(self_service_sessions, "used_on")
    rows = zero_if_present(rows, sessions, ("self_service_sessions_90d",))
    requests = rows.self_service_sessions_90d + rows.tickets_90d
    return rows.mutate(
        tickets_per_100_seats=rows.tickets_90d * 100 / rows.seats.nullif(0),
        self_service_ratio=rows.self_service_sessions_90d / requests.nullif(0),
    ).drop("seats")


def _with_days(tickets: ir.Table, company: CompanyPolicy) -> ir.Table:
    """Adds the days, in the company's timezone, on which a ticket was opened, answered, resolved, and is final."""
    dated = tickets.mutate(
        opened_on=company_day(tickets.opened_at, company), resolved_on=company_day(tickets.resolved_at, company)
    )
    return dated.mutate(
        final_on=ibis.coalesce(dated.resolved_on, dated.opened_on),
        answered_on=company_day(dated.first_response_at, company),
    )


def _ticket_figures(tickets: ir.Table, merged: ir.Table, spine: ir.Table, policy: SupportPolicy) -> ir.Table:
    rows = facts(tickets, "opened_on", merged, spine, "day_12m_ago")
    in_window = within(rows, "opened_on", policy.window_days)
    is_final = rows.final_on <= rows.as_of
    is_rated = is_final & within(rows, "final_on", policy.window_days)
    waited = rows.first_response_at.epoch_seconds() - rows.opened_at.epoch_seconds()
    is_open = rows.resolved_on.isnull() | (rows.resolved_on > rows.as_of)
    return rows.group_by("as_of", "account_id").aggregate(
        tickets_28d=rows.count(where=within(rows, "opened_on", policy.recent_days)),
        tickets_90d=rows.count(where=in_window),
        tickets_12m=rows.count(where=rows.opened_on > rows.day_12m_ago),
        first_response_hours=mean(waited / 3600, in_window & (rows.answered_on <= rows.as_of)),
        handling_hours_12m=total(rows.handling_hours, is_final & (rows.final_on > rows.day_12m_ago)),
        csat=mean(rows.csat, is_rated),
        sentiment=mean(rows.sentiment, in_window),
        open_escalations=rows.count(where=is_open & rows.is_escalated.fill_null(False)),
    )


def _self_service(sessions: ir.Table, merged: ir.Table, spine: ir.Table, policy: SupportPolicy) -> ir.Table:
    rows = facts(sessions, "used_on", merged, spine)
    rows = rows.filter(within(rows, "used_on", policy.window_days))
    return rows.group_by("as_of", "account_id").aggregate(self_service_sessions_90d=rows.sessions.sum())
