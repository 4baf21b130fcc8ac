"""Which traits go with expansion, and which with churn.

Here: `icp_insights`, one trait at a time. Not here: points for traits (`scores.firmographic`,
`scores.technographic`), or how well scores predict.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.identities import agrees
from segmentation_assets.kpis.intervals import wilson
from segmentation_assets.kpis.periods import AccountPeriods, has_expanded
from segmentation_assets.policy.insights import TraitPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.technographic import TechnographicScores
from segmentation_assets.tables.amounts import ratio
from segmentation_assets.tables.as_of import Spine, months_ago
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

FIRMOGRAPHIC = (
    "size_class", "industry", "business_model", "funding_stage", "country", "region", "primary_use_case", "maturity",
    "decision_process", "integration_need",
)  # fmt: skip
TECHNOGRAPHIC = ("consolidation", "displacing", "sophistication", "competitor_tools", "legacy_tools")
OUTCOMES = ("expansion", "churn")
DIRECTIONS = ("more", "less", "no_difference", "unknown")

_KEY = SNAPSHOT_KEY
_MONTHS = 12
_GROUP = ("as_of", "trait", "value")


class IcpInsights(Snapshot):
    """How often accounts with a trait expanded or left within a year. Key: as_of, trait, value, outcome."""

    trait: str = column("Name of the trait.", isin=[*FIRMOGRAPHIC, *TECHNOGRAPHIC])
    value: str = column("Value of the trait twelve months before as_of.")
    outcome: str = column(
        "What the account did in the twelve months: expansion (not by price alone) or churn.", isin=OUTCOMES
    )
    kind: str = column("Kind of trait.", isin=["firmographic", "technographic"])
    accounts: Integer = column("n: accounts with this value and ARR twelve months before as_of.", ge=1)
    accounts_with_outcome: Integer = column("Accounts with this value that had the outcome.", ge=0)
    rate: float = column("accounts_with_outcome / accounts.", unit="share", ge=0, le=1)
    rate_low: float = column("Lower end of the rate's interval (Wilson score).", unit="share", ge=0, le=1)
    rate_high: float = column("Upper end of the rate's interval.", unit="share", ge=0, le=1)
    all_accounts: Integer = column(
        "Accounts with ARR twelve months before as_of whose value of the trait is known.", ge=1
    )
    all_rate: float = column("Share of all_accounts that had the outcome.", unit="share", ge=0, le=1)
    lift: float = column("rate / all_rate; null: no account had the outcome.", unit="times", nullable=True, ge=0)
    lift_low: float = column("rate_low / all_rate.", unit="times", nullable=True, ge=0)
    lift_high: float = column("rate_high / all_rate.", unit="times", nullable=True, ge=0)
    direction: str = column(
        "The outcome is more or less frequent than among all_accounts: the lift's interval excludes 1.",
        isin=DIRECTIONS,
    )
    low_n: Flag = column("Fewer accounts than `retention.low_n`.")
    backcast_share: float = column(
        "Share of accounts whose traits at the start come from a later drop of the CRM.",
        unit="share",
        ge=0,
        le=1,
    )

    @row_rule
    def rate_in_its_interval(cls, t: ir.Table) -> ir.BooleanValue:
        """The rate lies within its interval, and lift = rate / all_rate."""
        around = (t.rate_low <= t.rate + 1e-9) & (t.rate <= t.rate_high + 1e-9)
        return around & (t.lift.isnull() | agrees(t.lift * t.all_rate, t.rate))

    class Config:
        unique = ["as_of", "trait", "value", "outcome"]


@table(
    group="kpis",
    reads={
        "account_profiles": months_ago(_MONTHS),
        "firmographic_scores": months_ago(_MONTHS),
        "technographic_scores": months_ago(_MONTHS),
    },
)
def icp_insights(
    spine: Table[Spine],
    account_periods: Table[AccountPeriods],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[FirmographicScores],
    technographic_scores: Table[TechnographicScores],
    policy: TraitPolicy,
    retention: RetentionPolicy,
) -> Table[IcpInsights]:
    """Which firmographic and technographic traits go with expansion, and which with churn?

    One row per as_of, trait, value and outcome. The accounts are those with ARR twelve months before as_of, with the
    traits they had then. The outcome is what they did since, so a trait cannot contain its outcome. A price uplift
    alone is no expansion. Lift compares with all accounts whose trait is known. Its interval is the Wilson interval
    of the rate, divided by all_rate, which counts as exact. Traits are looked at one at a time. They correlate with
    each other, and none is proven to be a cause. There are no rows where billing starts later than twelve months
    before as_of.
    """
    periods = account_periods.filter(account_periods.window_months == _MONTHS)
    cohort = periods.filter(periods.start_arr > 0).semi_join(spine, "as_of")
    by_price = (cohort.movement == "expansion") & ~has_expanded(cohort).fill_null(False)
    cohort = cohort.select(*_KEY, "starts_on", movement=ibis.ifelse(by_price, "price", cohort.movement))
    rows = _traits(cohort, account_profiles, firmographic_scores, technographic_scores, policy)
    sums = rows.group_by(*_GROUP).aggregate(
        accounts=rows.count(),
        backcast=rows.is_backcast.sum(),
        **{outcome: (rows.movement == outcome).sum() for outcome in OUTCOMES},
    )
    return _columns(_by_outcome(sums), policy, retention.low_n)


def _traits(
    cohort: ir.Table, profiles: ir.Table, firmographic: ir.Table, technographic: ir.Table, policy: TraitPolicy
) -> ir.Table:
    """One row per account and trait known at the start, with `trait`, `value`, `movement`, `is_backcast`."""
    sources = (
        (profiles, (*FIRMOGRAPHIC[1:], "competitor_tools", "legacy_tools", "is_backcast")),
        (firmographic, ("size_class",)),
        (technographic, ("consolidation", "displacing", "sophistication")),
    )
    rows = cohort
    for source, names in sources:
        then = source.select(*names, then="as_of", who="account_id")
        joined = rows.left_join(then, [rows.starts_on == then.then, rows.account_id == then.who])
        rows = joined.select(*rows.columns, *names)
    rows = each(rows, "trait", (*FIRMOGRAPHIC, *TECHNOGRAPHIC))
    traits = {name: rows[name] for name in (*FIRMOGRAPHIC, *TECHNOGRAPHIC)}
    is_sophisticated = rows.sophistication >= policy.sophisticated_from
    traits["sophistication"] = ibis.cases((is_sophisticated, "sophisticated"), (~is_sophisticated, "basic"))
    for name in ("competitor_tools", "legacy_tools"):
        traits[name] = ibis.cases((rows[name] > 0, "some"), (rows[name] == 0, "none"))
    value = ibis.cases(*((rows.trait == name, text) for name, text in traits.items()))
    rows = rows.select("as_of", "trait", "movement", value=value, is_backcast=rows.is_backcast.fill_null(False))
    return rows.filter(rows.value.notnull())


def _by_outcome(sums: ir.Table) -> ir.Table:
    """One row per trait, value and outcome, with the sums over all values of the trait."""
    rows = each(sums, "outcome", OUTCOMES)
    hits = ibis.cases(*((rows.outcome == outcome, rows[outcome]) for outcome in OUTCOMES))
    rows = rows.mutate(accounts_with_outcome=hits)
    trait = ibis.window(group_by=["as_of", "trait", "outcome"])
    rows = rows.mutate(
        all_accounts=rows.accounts.sum().over(trait), all_hits=rows.accounts_with_outcome.sum().over(trait)
    )
    return rows.mutate(all_rate=ratio(rows.all_hits, rows.all_accounts)).drop("all_hits", *OUTCOMES)


def _columns(rows: ir.Table, policy: TraitPolicy, low_n: int) -> ir.Table:
    low, high = wilson(rows.accounts_with_outcome, rows.accounts, policy.confidence)
    rows = rows.mutate(rate=ratio(rows.accounts_with_outcome, rows.accounts), rate_low=low, rate_high=high)
    base = rows.all_rate.nullif(0.0)
    direction = ibis.cases(
        (rows.all_rate == 0, "unknown"),
        (rows.rate_low > rows.all_rate, "more"),
        (rows.rate_high < rows.all_rate, "less"),
        else_="no_difference",
    )
    return rows.mutate(
        kind=ibis.ifelse(rows.trait.isin(FIRMOGRAPHIC), "firmographic", "technographic"),
        lift=rows.rate / base,
        lift_low=rows.rate_low / base,
        lift_high=rows.rate_high / base,
        direction=direction,
        low_n=rows.accounts < low_n,
        backcast_share=ratio(rows.backcast, rows.accounts),
    ).drop("backcast")
