"""Which team should call a lead?

Here: `lead_routes`, the likely segment of a lead from firmographics alone, and the team of that segment. Not here:
the segment of an account (`segments`), which also knows how the account uses the product and what it pays.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import Leads
from segmentation_assets.policy.activation import LeadRoutePolicy
from segmentation_assets.policy.scores import FirmographicPolicy
from segmentation_assets.policy.segments import AT_RISK, SEGMENTS
from segmentation_assets.profiles.known import known_at
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.firmographic import SIZE_CLASSES, FirmographicScores, size_class
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import ratio
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_before
from segmentation_assets.tables.registry import Table, table

LIKELY = tuple(segment for segment in SEGMENTS if segment != AT_RISK)
"""A new account cannot be in danger yet."""
INDUSTRY, SIZE, NOBODY = "size and industry", "size", "nobody"
PEERS = (INDUSTRY, SIZE, NOBODY)


class LeadRoutes(Snapshot):
    """Likely segment and team of each recent lead. Key: as_of, lead_id."""

    lead_id: str = column("Lead.")
    company: str = column("Company of the lead.", nullable=True)
    created_on: Day = column("Day it came in.", nullable=True)
    industry: str = column("Its industry.", nullable=True)
    size_class: str = column(
        "smb, mid_market or enterprise, by employees, else by annual revenue; null if neither is known.",
        nullable=True,
        isin=SIZE_CLASSES,
    )
    peers_by: str = column(
        "Live accounts that it is compared with: of its size and industry if they are enough, else of its size; "
        "nobody: its size is not known, or no account has it.",
        isin=PEERS,
    )
    peers: Integer = column("Number of those accounts. Accounts At-Risk do not count.", unit="accounts", ge=0)
    likely_segment: str = column(
        "The segment that most of the peers have; null without peers. Of equally frequent ones the higher.",
        nullable=True,
        isin=LIKELY,
    )
    likely_share: float = column("Share of the peers in that segment.", unit="share", nullable=True, gt=0, le=1)
    team: str = column("Team that the policy names for the likely segment, or for an unknown one.")
    low_n: Flag = column("Fewer peers than `lead_routes.least_peers`.")

    class Config:
        unique = ["as_of", "lead_id"]


@table(group="activation")
def lead_routes(
    spine: Table[Spine],
    leads: Table[Leads],
    segments: Table[Segments],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[FirmographicScores],
    policy: LeadRoutePolicy,
    firmographic: FirmographicPolicy,
) -> Table[LeadRoutes]:
    """Which segment will a lead probably have as an account, and which team should call it?

    One row per lead known at as_of that came in within the last `lead_routes.days`, or at an unknown time. The likely
    segment is the most frequent one of live accounts of the same size class and industry.
    """
    rows = _recent(spine, leads, policy).mutate(size_class=lambda t: size_class(t, firmographic))
    accounts = _accounts(segments, account_profiles, firmographic_scores)
    fine = _most_frequent(accounts, ("as_of", "size_class", "industry"), "fine")
    coarse = _most_frequent(accounts, ("as_of", "size_class"), "coarse")
    joined = rows.left_join(fine, ["as_of", "size_class", "industry"]).select(
        *rows.columns, "fine_peers", "fine_segment", "fine_count"
    )
    joined = joined.left_join(coarse, ["as_of", "size_class"]).select(
        *joined.columns, "coarse_peers", "coarse_segment", "coarse_count"
    )
    return _columns(joined, policy)


def _recent(spine: ir.Table, leads: ir.Table, policy: LeadRoutePolicy) -> ir.Table:
    rows = known_at(leads, spine)
    first = days_before(rows.as_of, policy.days)
    is_recent = ((rows.created_on > first) & (rows.created_on <= rows.as_of)).fill_null(True)
    return rows.filter(is_recent)


def _accounts(segments: ir.Table, profiles: ir.Table, firmographic: ir.Table) -> ir.Table:
    """Live accounts with segment, size class and industry, without those At-Risk."""
    rows = segments.filter(segments.segment != AT_RISK).select("as_of", "account_id", "segment")
    sizes = firmographic.select("as_of", "account_id", "size_class")
    industries = profiles.select("as_of", "account_id", "industry")
    rows = rows.join(sizes, ["as_of", "account_id"]).join(industries, ["as_of", "account_id"])
    return rows.select("as_of", "segment", "size_class", "industry")


def _most_frequent(accounts: ir.Table, group: tuple[str, ...], prefix: str) -> ir.Table:
    """Per group: its accounts, their most frequent segment, and how many have it."""
    counts = accounts.group_by(*group, "segment").aggregate(count=accounts.count())
    whole = ibis.window(group_by=list(group))
    place = ibis.cases(*((counts.segment == segment, i) for i, segment in enumerate(LIKELY)), else_=len(LIKELY))
    best = ibis.row_number().over(ibis.window(group_by=list(group), order_by=[counts["count"].desc(), place]))
    ranked = counts.mutate(peers=counts["count"].sum().over(whole), best=best)
    top = ranked.filter(ranked.best == 0)
    return top.select(
        *group, **{f"{prefix}_peers": top.peers, f"{prefix}_segment": top.segment, f"{prefix}_count": top["count"]}
    )


def _columns(rows: ir.Table, policy: LeadRoutePolicy) -> ir.Table:
    is_fine = (rows.fine_peers >= policy.least_peers).fill_null(False)
    peers = ibis.ifelse(is_fine, rows.fine_peers, rows.coarse_peers.fill_null(0)).cast("int64")
    likely = ibis.ifelse(is_fine, rows.fine_segment, rows.coarse_segment)
    count = ibis.ifelse(is_fine, rows.fine_count, rows.coarse_count)
    teams = ((likely == segment, team) for segment, team in policy.teams.items())
    return rows.select(
        "as_of",
        "lead_id",
        "company",
        "created_on",
        "industry",
        "size_class",
        peers_by=ibis.cases((is_fine, INDUSTRY), (peers > 0, SIZE), else_=NOBODY),
        peers=peers,
        likely_segment=likely,
        likely_share=ratio(count, peers),
        team=ibis.cases(*teams, else_=policy.unknown_team),
        low_n=peers < policy.least_peers,
    )
