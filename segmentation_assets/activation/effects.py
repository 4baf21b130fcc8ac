"""Does a play do any good?

Here: `play_effect`. Not here: whether plays are done in time (`adherence`), or what happened to which account
(`kpis.outcomes`).

Where accounts are held back at random, the accounts that were due the play are compared with those held back, whether
or not the play was done: an experiment. Everywhere else, accounts with the play done are compared with those of the
same tier, segment and band of churn risk where it was due and not done (coarsened exact matching; S. Iacus, G. King,
G. Porro, Political Analysis 20, 2012). That is no proof: whoever chose the accounts may have known more.

The intervals hold however often one looks, so a weekly look does not find effects that are not there: an asymptotic
confidence sequence (I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy, A. Ramdas, Annals of Statistics 52, 2024,
theorem 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date
from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.activation.plays import PlaysDue
from segmentation_assets.extracts.contracts import Interactions
from segmentation_assets.kpis.outcomes import BacktestAccounts, window_days
from segmentation_assets.policy.insights import BacktestPolicy
from segmentation_assets.policy.plays import PlayEffectPolicy
from segmentation_assets.profiles.facts import facts
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.tables.amounts import fine, ratio, total
from segmentation_assets.tables.as_of import FromPolicy, Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

METHODS = EXPERIMENT, MATCHED = ("experiment", "matched")
OUTCOMES = STAYED, EXPANDED, ARR_KEPT = ("stayed", "expanded", "arr_kept")
VERDICTS = RAISES, LOWERS, UNCLEAR, TOO_SMALL = ("raises", "lowers", "unclear", "too_small")
_MOST_KEPT = 2.0
_WHOLE = "all"
_UNIT = ("as_of", "method", "play_id", "outcome")
_KEY = ("as_of", "play_id", "outcome")


class PlayEffect(Snapshot):
    """What became of accounts with and without a play. Key: as_of, play_id, outcome."""

    play_id: str = column("Play of the policy's catalogue.")
    outcome: str = column(
        "What is compared at the end of the window: stayed (share of accounts that did not leave), expanded (share "
        "that pays more for more seats, plan or products), arr_kept (mean of ARR at the end / at the start, at most "
        "2).",
        isin=OUTCOMES,
    )
    method: str = column(
        "experiment: held back at random, so a difference is due to the play. matched: compared with similar "
        "accounts, which proves nothing.",
        isin=METHODS,
    )
    treated_accounts: Integer = column(
        "Accounts due the play (experiment), or with the play done (matched). Each counts once, on its first list.",
        ge=0,
    )
    compared_accounts: Integer = column(
        "Accounts held back (experiment), or similar ones without it (matched).", ge=0
    )
    treated_mean: float = column("Outcome of the accounts with the play.", unit="ratio", nullable=True, ge=0)
    compared_mean: float = column(
        "Outcome of those without; matched: weighted like the groups of those with it.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    effect: float = column("treated_mean - compared_mean; null: too small to conclude.", unit="ratio", nullable=True)
    effect_low: float = column(
        "Lower end of the effect's interval, which holds at every look.", unit="ratio", nullable=True
    )
    effect_high: float = column("Upper end.", unit="ratio", nullable=True)
    confidence: float = column("Confidence of the interval (policy).", unit="share", gt=0, lt=1)
    verdict: str = column(
        "raises or lowers: the interval is above or below 0. unclear: it holds 0. too_small: fewer accounts with or "
        "without the play than the policy's minimum.",
        isin=VERDICTS,
    )

    @row_rule
    def small_says_nothing(cls, t: ir.Table) -> ir.BooleanValue:
        """Without enough accounts there is no effect, else there is one."""
        return t.effect.isnull() == (t.verdict == TOO_SMALL)

    class Config:
        unique = [*_KEY]


def _starts(policy: BacktestPolicy) -> Callable[[date], Iterable[date]]:
    return lambda day: [start for months, start, _ in window_days(policy)(day) if months == policy.months]


@table(group="activation", reads={"plays_due": FromPolicy(BacktestPolicy, _starts)})
def play_effect(
    spine: Table[Spine],
    plays_due: Table[PlaysDue],
    backtest_accounts: Table[BacktestAccounts],
    interactions: Table[Interactions],
    account_hierarchy: Table[AccountHierarchy],
    policy: PlayEffectPolicy,
    backtest: BacktestPolicy,
) -> Table[PlayEffect]:
    """Did accounts stay, expand and keep their ARR more often with a play than without it?

    One row per as_of, play and outcome. Accounts are those with the play on the list of the first day of one of the
    past windows (policy `backtest`). A play counts as done if an interaction with its word follows the list within
    `play_effects.done_within_days`. An account that left before that could not get it, which favors the play:
    one more reason why `matched` proves nothing. Lists before `play_effects.held_back_since` are no experiment.
    """
    windows = backtest_accounts.filter(backtest_accounts.window_months == backtest.months)
    done = facts(interactions, "occurred_on", survivors(account_hierarchy), spine)
    rows = _units(plays_due, windows, done, policy)
    return _columns(compared(_outcomes(rows), policy), policy)


def _units(plays: ir.Table, windows: ir.Table, done: ir.Table, policy: PlayEffectPolicy) -> ir.Table:
    """An account and a play of a past list, with method, group and whether it had the play. Each counts once."""
    listed = plays.select(
        "account_id", "play_id", "play", "is_held_out", "opened_on", tier="coverage_tier", starts_on="as_of"
    )
    then = windows.select(
        "as_of", "account_id", "starts_on", "has_left", "has_expanded", "start_arr", "end_arr", "churn_risk",
        "segment",
    )  # fmt: skip
    rows = then.join(listed, ["account_id", "starts_on"]).select(*then.columns, *listed.columns[1:-1])
    rows = rows.mutate(open_by=days_after(rows.starts_on, policy.done_within_days))
    rows = rows.filter(rows.opened_on <= rows.open_by)
    rows = _with_done(rows, done)
    since = policy.held_back_since
    is_random = ibis.literal(False) if since is None else rows.starts_on >= ibis.date(since)
    plays_held = ibis.window(group_by=["as_of", "play_id"])
    has_both = (rows.is_held_out & is_random).cast("int64").max().over(plays_held) == 1
    rows = rows.mutate(method=ibis.ifelse(has_both & is_random, EXPERIMENT, MATCHED), has_experiment=has_both)
    rows = rows.filter((rows.method == EXPERIMENT) | ~rows.has_experiment)
    rows = rows.filter((rows.method == EXPERIMENT) | ~rows.is_held_out)
    is_experiment = rows.method == EXPERIMENT
    band = reduce(lambda a, b: a + b, ((rows.churn_risk >= cut).cast("int64") for cut in policy.risk_cuts))
    group = rows.tier + "|" + rows.segment.fill_null("") + "|" + band.cast("string").fill_null("")
    rows = rows.mutate(
        group=ibis.ifelse(is_experiment, _WHOLE, group),
        is_treated=ibis.ifelse(is_experiment, ~rows.is_held_out, rows.is_done),
        nth=ibis.row_number().over(
            ibis.window(group_by=["as_of", "play_id", "account_id"], order_by=[rows.starts_on])
        ),
    )
    return rows.filter(rows.nth == 0)


def _with_done(rows: ir.Table, done: ir.Table) -> ir.Table:
    """`rows` with is_done: an interaction with the play's word in the days after the list."""
    done = done.filter(done.play.notnull()).select("as_of", "account_id", "play", "occurred_on")
    joined = rows.left_join(done, ["as_of", "account_id", "play"]).select(*rows.columns, "occurred_on")
    counts = (joined.occurred_on > joined.starts_on) & (joined.occurred_on <= joined.open_by)
    return joined.group_by(*rows.columns).aggregate(
        is_done=counts.fill_null(False).cast("int64").max() == 1
    )  # fmt: skip


def _outcomes(rows: ir.Table) -> ir.Table:
    """A row per unit and outcome, with its value."""
    values = {
        STAYED: (~rows.has_left).cast("float64"),
        EXPANDED: rows.has_expanded.cast("float64"),
        ARR_KEPT: fine(ibis.least(ratio(rows.end_arr, rows.start_arr), _MOST_KEPT)),
    }
    return reduce(
        ibis.union,
        (
            rows.select("as_of", "method", "play_id", "group", "is_treated", outcome=ibis.literal(name), value=value)
            for name, value in values.items()
        ),
    )


def compared(rows: ir.Table, policy: PlayEffectPolicy) -> ir.Table:
    """Sums, means, effect and half the width of its interval per method, play and outcome.

    `rows`: as_of, method, play_id, outcome, group, is_treated, value. The effect is the mean over groups of the
    difference within the group, weighted by the treated. A group without both has no part in it.
    """
    groups = rows.group_by(*_UNIT, "group").aggregate(
        n1=rows.count(where=rows.is_treated), n0=rows.count(where=~rows.is_treated),
        s1=total(rows.value, rows.is_treated), s0=total(rows.value, ~rows.is_treated),
        q1=total(rows.value**2, rows.is_treated), q0=total(rows.value**2, ~rows.is_treated),
    )  # fmt: skip
    groups = groups.filter((groups.n1 > 0) & (groups.n0 > 0))
    first, second = ratio(groups.s1, groups.n1), ratio(groups.s0, groups.n0)
    spread = ratio(_spread(groups.n1, groups.s1, groups.q1), groups.n1)
    spread += ratio(_spread(groups.n0, groups.s0, groups.q0), groups.n0)
    groups = groups.mutate(w1=groups.n1 * first, w0=groups.n1 * second, w2=groups.n1**2 * spread)
    sums = groups.group_by(*_UNIT).aggregate(
        treated=groups.n1.sum(), others=groups.n0.sum(), w1=total(groups.w1), w0=total(groups.w0), w2=total(groups.w2)
    )
    n = (sums.treated + sums.others).cast("float64")
    return sums.mutate(
        treated_mean=fine(ratio(sums.w1, sums.treated)),
        compared_mean=fine(ratio(sums.w0, sums.treated)),
        half=ratio(sums.w2.sqrt(), sums.treated) * _at_every_look(n, policy),
    )


def _spread(n: ir.NumericValue, values: ir.NumericValue, squares: ir.NumericValue) -> ir.NumericValue:
    """Variance of the values, with one 0 and one 1 more, so that a few equal values do not look certain."""
    mean = ratio(values + 1, n + 2)
    return ratio(squares + 1, n + 2) - mean**2


def _at_every_look(n: ir.NumericValue, policy: PlayEffectPolicy) -> ir.NumericValue:
    """Standard errors around the mean of n values that hold at every n: theorem 2.2, tightest near `typical`."""
    miss = 1 - policy.confidence
    bits = -2 * math.log(miss)
    rho2 = (bits + math.log(bits) + 1) / policy.typical_accounts
    return (2 * ratio(n * rho2 + 1, n * rho2) * ((n * rho2 + 1).sqrt() / miss).ln()).sqrt()


def _columns(rows: ir.Table, policy: PlayEffectPolicy) -> ir.Table:
    is_small = (rows.treated < policy.min_accounts) | (rows.others < policy.min_accounts)
    effect = fine(rows.treated_mean - rows.compared_mean)
    low, high = fine(effect - rows.half), fine(effect + rows.half)

    def if_enough(value: ir.Value) -> ir.Value:
        return ibis.ifelse(is_small, ibis.null("float64"), value)

    return rows.select(
        *_KEY, "method", "treated_mean", "compared_mean",
        treated_accounts="treated", compared_accounts="others",
        effect=if_enough(effect), effect_low=if_enough(low), effect_high=if_enough(high),
        confidence=ibis.literal(policy.confidence),
        verdict=ibis.cases((is_small, TOO_SMALL), (low > 0, RAISES), (high < 0, LOWERS), else_=UNCLEAR),
    )  # fmt: skip
