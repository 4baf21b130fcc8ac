"""How often we are in touch with an account, and whether it answers.

Here: `account_engagement`, from marketing, interactions and surveys. Not here: product usage (`usage`), support
(`support`), or points for engagement (`scores`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import Interactions, MarketingEngagement, Surveys
from segmentation_assets.policy.service import EngagementPolicy
from segmentation_assets.profiles.facts import (
    accounts_of,
    facts,
    first_fact,
    with_figures,
    within,
    zero_if_present,
)
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Flag, Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table


class AccountEngagement(Snapshot):
    """Touches, meetings, answers and NPS of an account. Key: as_of, account_id; one row per known account.

    Null = the extract has no row by as_of (unknown), or there is nothing to divide by; 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    touches_90d: Integer = column(
        "Marketing and community touches in the last `engagement.window_days` (90) days, all channels.",
        nullable=True,
        ge=0,
    )
    community_touches_90d: Integer = column(
        "Touches in the last 90 days on a community channel.", nullable=True, ge=0
    )
    meetings_90d: Integer = column("Meetings, calls and business reviews in the last 90 days.", nullable=True, ge=0)
    digital_first: Flag = column(
        "Digital touches are at least `engagement.digital_first_share` of touches and meetings, last 90 days.",
        nullable=True,
    )
    survey_response_rate: float = column(
        "Surveys answered by as_of ÷ surveys sent, last twelve months.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    nps: float = column(
        "Net promoter score: (promoters - detractors) ÷ answers x 100, answers of the last twelve months.",
        unit="nps",
        nullable=True,
        in_range={"min_value": -100, "max_value": 100},
    )
    responsiveness: float = column(
        "Share of our interactions in the last 90 days that were answered within `engagement.answer_days` (5) days.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    days_since_last_touch: Integer = column(
        "Days from the last touch or interaction of any kind to as_of.", unit="days", nullable=True, ge=0
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_engagement(
    spine: Table[Spine],
    account_hierarchy: Table[AccountHierarchy],
    marketing_engagement: Table[MarketingEngagement],
    interactions: Table[Interactions],
    surveys: Table[Surveys],
    policy: EngagementPolicy,
) -> Table[AccountEngagement]:
    """How often is an account in touch with us, and does it answer: touches, meetings, surveys, NPS, replies?

    One row per as_of and known account. Responsiveness counts our interactions of the window that were answered by
    as_of, or whose time for an answer has passed. Replies and answers dated after as_of have not happened.
    `digital_first` is null unless both marketing and interactions have rows by as_of.
    """
    merged = survivors(account_hierarchy)
    rows = with_figures(
        accounts_of(merged),
        _touches(marketing_engagement, merged, spine, policy),
        _conversations(interactions, merged, spine, policy),
        _answers(surveys, merged, spine, policy),
    )
    rows = zero_if_present(
        rows,
        first_fact(marketing_engagement, "engaged_on"),
        ("touches_90d", "community_touches_90d", "digital_touches"),
    )
    rows = zero_if_present(rows, first_fact(interactions, "occurred_on"), ("meetings_90d",))
    contacts = (rows.touches_90d + rows.meetings_90d).nullif(0)
    last_touch = ibis.greatest(
        ibis.coalesce(rows.last_touch, rows.last_interaction), ibis.coalesce(rows.last_interaction, rows.last_touch)
    )
    return rows.mutate(
        digital_first=rows.digital_touches / contacts >= policy.digital_first_share,
        days_since_last_touch=rows.as_of.delta(last_touch, unit="day"),
    ).drop("digital_touches", "last_touch", "last_interaction")


def _touches(marketing: ir.Table, merged: ir.Table, spine: ir.Table, policy: EngagementPolicy) -> ir.Table:
    rows = facts(marketing, "engaged_on", merged, spine)
    recent = within(rows, "engaged_on", policy.window_days)
    return rows.group_by("as_of", "account_id").aggregate(
        touches_90d=rows.touches.sum(where=recent),
        community_touches_90d=rows.touches.sum(where=recent & rows.channel.isin(policy.community_channels)),
        digital_touches=rows.touches.sum(where=recent & rows.channel.isin(policy.digital_channels)),
        last_touch=rows.engaged_on.max(where=rows.touches > 0),
    )


def _conversations(interactions: ir.Table, merged: ir.Table, spine: ir.Table, policy: EngagementPolicy) -> ir.Table:
    rows = facts(interactions, "occurred_on", merged, spine)
    recent = within(rows, "occurred_on", policy.window_days)
    is_ours = rows.initiated_by.isin(policy.our_initiators)
    is_replied = (rows.replied_on <= rows.as_of).fill_null(False)
    last_day = rows.occurred_on + ibis.interval(days=policy.answer_days)
    is_decided = recent & is_ours & (is_replied | (last_day < rows.as_of))
    in_time = is_replied & (rows.replied_on <= last_day)
    return rows.group_by("as_of", "account_id").aggregate(
        meetings_90d=rows.count(where=recent & rows.kind.isin(policy.meeting_kinds)),
        responsiveness=in_time.ifelse(1.0, 0.0).mean(where=is_decided),
        last_interaction=rows.occurred_on.max(),
    )


def _answers(surveys: ir.Table, merged: ir.Table, spine: ir.Table, policy: EngagementPolicy) -> ir.Table:
    rows = facts(surveys, "sent_on", merged, spine, "day_12m_ago")
    is_answered = (rows.answered_on <= rows.as_of).fill_null(False)
    is_nps = is_answered & (rows.kind == "nps") & (rows.answered_on > rows.day_12m_ago)
    promoters_less_detractors = ibis.cases(
        (rows.score >= policy.promoter_from, 100.0), (rows.score <= policy.detractor_to, -100.0), else_=0.0
    )
    return rows.group_by("as_of", "account_id").aggregate(
        survey_response_rate=is_answered.ifelse(1.0, 0.0).mean(where=rows.sent_on > rows.day_12m_ago),
        nps=promoters_less_detractors.mean(where=is_nps & rows.score.notnull()),
    )
