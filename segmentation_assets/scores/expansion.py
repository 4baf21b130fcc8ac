"""How much more an account could buy, and how likely it is to do so.

Here: captured and addressable seats, whitespace, the lookalike share and the expansion score. Not here: what the
account is worth today (`value`), or the rules that use the score (`segments`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.value import AddressablePolicy, ExpansionPolicy
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, TOP, Part, mean_of, on_scale, points, score_column, weigh
from segmentation_assets.scores.ranks import mid_rank
from segmentation_assets.tables.amounts import cents
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

ALL = "all"


class ExpansionScores(Snapshot):
    """Room and readiness of each live account to expand. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    captured_seats: Integer = column("Licensed seats at as_of.", unit="seats", nullable=True, ge=0)
    addressable_seats: float = column(
        "Employees x addressable share of the industry, at least the captured seats; null if employees unknown.",
        unit="seats",
        nullable=True,
        ge=0,
    )
    expansion_potential: float = column(
        "1 - captured ÷ addressable seats.", unit="share", nullable=True, in_range={"min_value": 0, "max_value": 1}
    )
    peer_group: str = column("The group of similar accounts: industry and size class, else size class, else all.")
    peers: Integer = column("Other live accounts of the peer group.", ge=0)
    peers_with_employees: Integer = column(
        "Those of them whose employees are known; whitespace compares with these.", ge=0
    )
    arr_per_employee_p75: float = column(
        "The policy's percentile (75th) of ARR per employee among peers_with_employees; null without any.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    whitespace: float = column(
        "arr_per_employee_p75 x employees - ARR, at least 0; null if employees are not known.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    lookalike: float = column(
        "Share of the peers that expanded in the last 12 months (more seats, a larger plan or more products; a "
        "higher price alone does not count); null without peers.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    lookalike_base_rate: float = column(
        "The same share among all other live accounts.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    lookalike_lift: float = column(
        "lookalike ÷ lookalike_base_rate. Above 1: the peers expand more often than others. Null if nobody did.",
        unit="times",
        nullable=True,
        ge=0,
    )
    arr_score: float = score_column("Mid-rank of ARR among live accounts x 100.")
    trajectory_score: float = score_column("Trend of users and events net of the company's, on the policy's scale.")
    whitespace_score: float = score_column("whitespace ÷ (whitespace + ARR) x 100.")
    lookalike_score: float = score_column("lookalike x 100.")
    expansion_score: float = score_column("Weighted mean of those of the four scores that are known.")
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
    """How much more could each live account buy, and how likely is it to do so?

    One row per as_of and live account. Captured = licensed seats; addressable = employees x share of the industry.
    Peers are the other accounts of the same industry and size class. If too few of them (policy) have known
    employees: of the size class; else all others. Whitespace = what the account would pay beyond its ARR at the
    peers' 75th percentile (policy) of ARR per employee. Lookalike = share of the peers that expanded in the last 12
    months. Score = weighted mean of the rank of ARR, the usage trend net of the company's, whitespace as a share of
    whitespace and ARR, and lookalike. The weight of a part that is not known goes to the others.
    """
    rows = _with_groups(_accounts(spine, account_profiles, firmographic_scores), policy)
    groups = _groups(rows, policy)
    everybody = groups.filter(groups.peer_group == ALL).select("as_of", all_accounts="accounts", all_grown="grown")
    rows = rows.inner_join(groups, ["as_of", "peer_group"]).inner_join(everybody, "as_of")
    others, all_others = rows.accounts - 1, rows.all_accounts - 1
    others_known = rows.with_employees - rows.is_known
    # The percentile of the others: where the account itself is among those up to it, the next one takes its place.
    among_first = (rows.arr_per_employee <= rows.others_at).fill_null(False)
    of_known = ibis.ifelse(among_first, rows.others_after, rows.others_at)
    percentile = ibis.ifelse(rows.is_known == 1, of_known, rows.all_at)
    measured = rows.mutate(
        captured_seats=rows.seats,
        addressable_seats=addressable_seats(rows, addressable),
        expansion_potential=1 - captured_share(rows, addressable),
        peers=others,
        peers_with_employees=others_known,
        arr_per_employee_p75=only_if(others_known > 0, percentile),
        lookalike=(rows.grown - rows.has_grown) / others.nullif(0),
        lookalike_base_rate=(rows.all_grown - rows.has_grown) / all_others.nullif(0),
        arr_score=mid_rank(rows.arr, [rows.as_of]) * TOP,
        trajectory_score=on_scale(mean_of([rows.users_trend_net, rows.events_trend_net]), policy.net_trend),
    )
    reachable = cents(measured.arr_per_employee_p75 * measured.employees - measured.arr)
    measured = measured.mutate(
        whitespace=ibis.ifelse(reachable < 0, 0.0, reachable),
        lookalike_lift=measured.lookalike / measured.lookalike_base_rate.nullif(0.0),
    )
    measured = measured.mutate(
        whitespace_score=measured.whitespace / (measured.whitespace + measured.arr).nullif(0.0) * TOP,
        lookalike_score=measured.lookalike * TOP,
    )
    return weigh(measured, "expansion_score", parts(policy)).select(
        *(name for name in ibis_schema(ExpansionScores) if name != POLICY_HASH)
    )


def contributions(expansion_scores: ir.Table, account_profiles: ir.Table, policy: ExpansionPolicy) -> ir.Table:
    """The parts of expansion_score as rows of `score_contributions`."""
    inputs = expansion_scores.select(
        *KEY, "arr_score", "trajectory_score", "whitespace", "whitespace_score", "lookalike", "lookalike_score"
    ).inner_join(account_profiles.select(*KEY, "arr"), list(KEY))
    return score_parts.contributions(expansion_scores, inputs, "expansion_score", parts(policy))


def parts(policy: ExpansionPolicy) -> tuple[Part, ...]:
    """The parts of the score; their inputs are the columns of `expansion_scores` and ARR."""
    weights = policy.weights
    return (
        Part("arr", weights.arr, lambda t: t.arr, lambda t: t.arr_score),
        Part("trajectory", weights.trajectory, lambda t: t.trajectory_score, lambda t: t.trajectory_score),
        Part("whitespace", weights.whitespace, lambda t: t.whitespace, lambda t: t.whitespace_score),
        Part("lookalike", weights.lookalike, lambda t: t.lookalike, lambda t: t.lookalike_score),
    )


def addressable_seats(accounts: ir.Table, policy: AddressablePolicy) -> ir.FloatingValue:
    """Employees who could use the product: employees x share of the industry, at least the licensed seats.

    Null if employees are not known. The case of industries does not matter.
    """
    industry = accounts.industry.strip().lower()
    shares = [(industry == name.strip().lower(), share) for name, share in policy.share_by_industry.items()]
    share = ibis.cases(*shares, else_=policy.default_share) if shares else ibis.literal(policy.default_share)
    reachable = accounts.employees * share
    captured = accounts.seats.cast("float64").fill_null(0.0)
    at_least = ibis.ifelse(reachable > captured, reachable, captured)
    return ibis.ifelse(accounts.employees.notnull(), at_least, ibis.null("float64"))


def captured_share(accounts: ir.Table, policy: AddressablePolicy) -> ir.FloatingValue:
    """Licensed ÷ addressable seats (0-1); null if seats or employees are not known, or no seat is addressable."""
    return accounts.seats / addressable_seats(accounts, policy).nullif(0.0)


def _accounts(spine: ir.Table, account_profiles: ir.Table, firmographic_scores: ir.Table) -> ir.Table:
    """Live accounts with the inputs of the score.

    `has_grown`: 1 if the account expanded in the last 12 months, else 0. `is_known`: 1 if it has an ARR per employee.
    """
    live = live_accounts(account_profiles, spine)
    sizes = firmographic_scores.select("as_of", "account_id", "size_class")
    rows = live.left_join(sizes, ["as_of", "account_id"]).inner_join(spine.select("as_of", "day_12m_ago"), "as_of")
    has_grown = (rows.last_expansion_on > rows.day_12m_ago).fill_null(False)
    arr_per_employee = rows.arr / rows.employees.nullif(0)
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
        has_grown=has_grown.cast("int64"),
        arr_per_employee=arr_per_employee,
        is_known=arr_per_employee.notnull().cast("int64"),
    )


def _with_groups(rows: ir.Table, policy: ExpansionPolicy) -> ir.Table:
    """Each account with its peer group. An account without industry or size class is in no group of that kind."""
    rows = rows.mutate(narrow_group=rows.industry + ", " + rows.size_class)
    in_narrow = rows.is_known.sum().over(ibis.window(group_by=["as_of", "narrow_group"])) - rows.is_known
    in_size = rows.is_known.sum().over(ibis.window(group_by=["as_of", "size_class"])) - rows.is_known
    chosen = ibis.cases(
        (rows.narrow_group.notnull() & (in_narrow >= policy.min_peers), rows.narrow_group),
        (rows.size_class.notnull() & (in_size >= policy.min_peers), rows.size_class),
        else_=ALL,
    )
    return rows.mutate(peer_group=chosen)


def _groups(rows: ir.Table, policy: ExpansionPolicy) -> ir.Table:
    """Per as_of and peer group: its accounts, those that expanded, and its percentiles of ARR per employee.

    A wide group contains all its accounts, also those that have a narrow group. The p-th percentile is the smallest
    ARR per employee that at least p of 100 accounts do not exceed. `all_at` is the percentile of all n accounts. The
    percentile without one account is `others_at` (the percentile for n - 1 accounts) if that account ranks above it,
    else `others_after`, the value of the next account.
    """
    members = ibis.union(
        *(
            rows.select("as_of", "has_grown", "arr_per_employee", "is_known", peer_group=group)
            for group in (rows.narrow_group, rows.size_class, ibis.literal(ALL))
        )
    )
    members = members.filter(members.peer_group.notnull())
    group = [members.as_of, members.peer_group, members.is_known]
    ranked = members.mutate(
        place=ibis.row_number().over(ibis.window(group_by=group, order_by=members.arr_per_employee)) + 1,
        with_employees=members.is_known.sum().over(ibis.window(group_by=group)),
    )

    def smallest(place: ir.Value, of: ir.Value) -> ir.Value:
        reached = (ranked.is_known == 1) & (place * TOP >= of * policy.whitespace_percentile)
        return ranked.arr_per_employee.min(where=reached)

    others = ranked.with_employees - 1
    return ranked.group_by("as_of", "peer_group").agg(
        accounts=ranked.count(),
        grown=ranked.has_grown.sum(),
        with_employees=ranked.is_known.sum(),
        all_at=smallest(ranked.place, ranked.with_employees),
        others_at=smallest(ranked.place, others),
        others_after=smallest(ranked.place - 1, others),
    )
