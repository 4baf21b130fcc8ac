"""How much more an account could buy, and how ready it is to.

Here: captured and addressable seats, whitespace against similar accounts, the lookalike share and the expansion
score. Not here: what the account is worth today (`value`), or the rules that use the score (`segments`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.value import AddressablePolicy, ExpansionPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, TOP, Part, mean_of, on_scale, points, score_column, weigh
from segmentation_assets.scores.ranks import mid_rank
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

ALL = "all"


class ExpansionScores(Snapshot):
    """Room and readiness of each live account to expand. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    captured_seats: Integer = column("Licensed seats in force.", unit="seats", nullable=True, ge=0)
    addressable_seats: float = column(
        "Employees x addressable share of the industry, at least the captured seats; null: employees unknown.",
        unit="seats",
        nullable=True,
        ge=0,
    )
    expansion_potential: float = column(
        "1 - captured ÷ addressable seats.", unit="share", nullable=True, in_range={"min_value": 0, "max_value": 1}
    )
    peer_group: str = column("Accounts it is compared with: industry and size class, size class, or all.")
    peers: Integer = column("Other live accounts in the peer group.", ge=0)
    arr_per_employee_p75: float = column(
        "The policy's percentile (75th) of ARR per employee in the peer group, the account itself included.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    whitespace: float = column(
        "That ARR per employee x employees - ARR, at least 0.", unit="currency", nullable=True, ge=0
    )
    lookalike: float = column(
        "Share of the other accounts of the peer group that expanded in the last 12 months; null without others.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    arr_score: float = score_column("Mid-rank of ARR among live accounts x 100.")
    trajectory_score: float = score_column("Trend of users and events net of the company's, on the policy's scale.")
    whitespace_score: float = score_column("Share of the ARR within reach that is not sold yet x 100.")
    lookalike_score: float = score_column("Lookalike x 100.")
    expansion_score: float = score_column("Weighted mean of the four scores, of those that are known.")
    arr_points: float = points("ARR rank")
    trajectory_points: float = points("Usage trajectory")
    whitespace_points: float = points("Whitespace")
    lookalike_points: float = points("Lookalike")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def expansion_scores(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[FirmographicScores],
    policy: ExpansionPolicy,
    addressable: AddressablePolicy,
) -> Table[ExpansionScores]:
    """How much more could each live account buy, and how ready is it to?

    One row per as_of and live account. Captured = licensed seats; addressable = employees x share of the industry.
    Whitespace = what the account would pay beyond its ARR if it paid per employee like the top quarter (policy) of
    similar accounts: its industry and size class, or only its size class, or all, whichever first has enough others.
    Lookalike = share of the other similar accounts that expanded in the last 12 months. Score = weighted mean of the
    rank of ARR, the usage trend net of the company's, the share of the ARR within reach that is not sold yet, and
    lookalike; weights renormalise over what is known.
    """
    rows = _with_groups(_accounts(spine, account_profiles, firmographic_scores), policy)
    groups = _groups(rows, policy)
    rows = rows.inner_join(groups, ["as_of", "peer_group"])
    seats = addressable_seats(rows, addressable)
    reachable = rows.arr_per_employee_p75 * rows.employees - rows.arr
    others = rows.group_accounts - 1
    found = rows.mutate(
        captured_seats=rows.seats,
        addressable_seats=seats,
        expansion_potential=1 - captured_share(rows, addressable),
        peers=others,
        whitespace=ibis.ifelse(reachable < 0, 0.0, reachable),
        lookalike=(rows.group_expanded - rows.expanded) / others.nullif(0),
        arr_score=mid_rank(rows.arr, [rows.as_of]) * TOP,
        trajectory_score=on_scale(mean_of([rows.users_trend_net, rows.events_trend_net]), policy.net_trend),
    )
    found = found.mutate(
        whitespace_score=found.whitespace / (found.whitespace + found.arr) * TOP,
        lookalike_score=found.lookalike * TOP,
    )
    return weigh(found, "expansion_score", parts(policy)).select(
        *(name for name in ibis_schema(ExpansionScores) if name != POLICY_HASH)
    )


def contributions(expansion_scores: ir.Table, account_profiles: ir.Table, policy: ExpansionPolicy) -> ir.Table:
    """The parts of expansion_score as rows of `score_contributions`."""
    inputs = expansion_scores.select(
        *KEY, "arr_score", "trajectory_score", "whitespace", "whitespace_score", "lookalike", "lookalike_score"
    ).inner_join(account_profiles.select(*KEY, "arr"), list(KEY))
    return score_parts.contributions(expansion_scores, inputs, "expansion_score", parts(policy))


def parts(policy: ExpansionPolicy) -> tuple[Part, ...]:
    """What makes the score, valued on the columns of `expansion_scores` and the ARR."""
    weights = policy.weights
    return (
        Part("arr", weights.arr, lambda t: t.arr, lambda t: t.arr_score),
        Part("trajectory", weights.trajectory, lambda t: t.trajectory_score, lambda t: t.trajectory_score),
        Part("whitespace", weights.whitespace, lambda t: t.whitespace, lambda t: t.whitespace_score),
        Part("lookalike", weights.lookalike, lambda t: t.lookalike, lambda t: t.lookalike_score),
    )


def addressable_seats(accounts: ir.Table, policy: AddressablePolicy) -> ir.FloatingValue:
    """Employees who could use the product: employees x share of the industry, at least the licensed seats.

    Null where the employees are unknown. Industries compare without regard to case.
    """
    industry = accounts.industry.strip().lower()
    shares = [(industry == name.strip().lower(), share) for name, share in policy.share_by_industry.items()]
    share = ibis.cases(*shares, else_=policy.default_share) if shares else ibis.literal(policy.default_share)
    reachable = accounts.employees * share
    captured = accounts.seats.cast("float64").fill_null(0.0)
    at_least = ibis.ifelse(reachable > captured, reachable, captured)
    return ibis.ifelse(accounts.employees.notnull(), at_least, ibis.null("float64"))


def captured_share(accounts: ir.Table, policy: AddressablePolicy) -> ir.FloatingValue:
    """Licensed ÷ addressable seats (0-1); null where seats or employees are unknown, or nothing is addressable."""
    return accounts.seats / addressable_seats(accounts, policy).nullif(0.0)


def _accounts(spine: ir.Table, account_profiles: ir.Table, firmographic_scores: ir.Table) -> ir.Table:
    """Live accounts with what the score reads, `expanded` (1 or 0 in the last 12 months) and ARR per employee."""
    live = live_accounts(account_profiles, spine)
    sizes = firmographic_scores.select("as_of", "account_id", "size_class")
    rows = live.left_join(sizes, ["as_of", "account_id"]).inner_join(spine.select("as_of", "day_12m_ago"), "as_of")
    has_expanded = (rows.last_expansion_on > rows.day_12m_ago).fill_null(False)
    return rows.select(
        "as_of",
        "account_id",
        "arr",
        "seats",
        "employees",
        "industry",
        "size_class",
        "users_trend_net",
        "events_trend_net",
        expanded=has_expanded.cast("int64"),
        arr_per_employee=rows.arr / rows.employees.nullif(0),
    )


def _with_groups(rows: ir.Table, policy: ExpansionPolicy) -> ir.Table:
    """Each account's narrow, wider and chosen peer group; an unknown industry or size has no group of its own."""
    rows = rows.mutate(narrow_group=rows.industry + ", " + rows.size_class)
    in_narrow = rows.count().over(ibis.window(group_by=["as_of", "narrow_group"]))
    in_size = rows.count().over(ibis.window(group_by=["as_of", "size_class"]))
    chosen = ibis.cases(
        (rows.narrow_group.notnull() & (in_narrow > policy.min_peers), rows.narrow_group),
        (rows.size_class.notnull() & (in_size > policy.min_peers), rows.size_class),
        else_=ALL,
    )
    return rows.mutate(peer_group=chosen)


def _groups(rows: ir.Table, policy: ExpansionPolicy) -> ir.Table:
    """Per as_of and peer group: accounts, those that expanded, and the percentile of ARR per employee.

    A wider group holds all its accounts, also those that are compared within a narrower one. The percentile is the
    smallest ARR per employee that at least so many of 100 accounts do not exceed.
    """
    members = ibis.union(
        *(
            rows.select("as_of", "expanded", "arr_per_employee", peer_group=group)
            for group in (rows.narrow_group, rows.size_class, ibis.literal(ALL))
        )
    )
    members = members.filter(members.peer_group.notnull())
    is_known = members.arr_per_employee.notnull()
    group = [members.as_of, members.peer_group, is_known]
    place = ibis.row_number().over(ibis.window(group_by=group, order_by=members.arr_per_employee)) + 1
    known = members.arr_per_employee.count().over(ibis.window(group_by=group))
    ranked = members.mutate(is_reached=is_known & (place * TOP >= known * policy.whitespace_percentile))
    return ranked.group_by("as_of", "peer_group").agg(
        group_accounts=ranked.count(),
        group_expanded=ranked.expanded.sum(),
        arr_per_employee_p75=ranked.arr_per_employee.min(where=ranked.is_reached),
    )
