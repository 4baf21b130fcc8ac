"""Predicted against observed churn: past probabilities beside the accounts that left.

Here: `risk_calibration`, by past day and decile of risk, and its summary, which is judged. Not here: the probability
(`churn`), or fitting it to the past (`churn_bases`).
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.churn import ChurnRisk
from segmentation_assets.scores.churn_bases import has_left_in_time
from segmentation_assets.scores.ranks import mid_rank
from segmentation_assets.scores.windows import bounds, starts, windows
from segmentation_assets.tables.amounts import cents, money, total
from segmentation_assets.tables.as_of import FromPolicy, Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, row_warning
from segmentation_assets.tables.registry import Table, table

DECILES = 10
FEW_LEAVERS, NO_PAST = "few_leavers", "no_past_day"


def _accounts() -> Any:
    return column(
        "Accounts that were live on the past day, had a churn risk, and were not merged before the window ended.",
        ge=0,
    )


def _predicted() -> Any:
    return column("Sum of these accounts' churn risks on the past day.", unit="accounts", ge=0)


def _leavers() -> Any:
    return column("Those of them that left within the horizon and had not come back by the window's end.", ge=0)


def _ratio(of: str) -> Any:
    return column(f"{of}: predicted ÷ observed; null if none left.", unit="ratio", nullable=True, ge=0)


def _money(what: str) -> Any:
    return column(what, unit="currency per year", ge=0)


_ARR, _PREDICTED_ARR = "ARR of these accounts on the past day.", "Sum of their ARR x churn risk on the past day."
_ARR_LOST = "ARR on the past day of the accounts that left."
_DEVIATION = (
    "How far arr_lost may be from the prediction by chance: the standard deviation if each account leaves with its "
    "own risk, independently. A few large accounts make it large."
)


class RiskCalibration(Snapshot):
    """Predicted against observed churn. Key: as_of, past_day, decile; one row per past day and decile of risk."""

    past_day: Day = column("Day of the risk: the first day of a window that ended by as_of.")
    decile: Integer = column("Tenth of the accounts by churn risk on the past day; 10 = highest risk.", ge=1, le=10)
    accounts: Integer = _accounts()
    predicted_leavers: float = _predicted()
    leavers: Integer = _leavers()
    ratio: float = _ratio("Accounts")
    arr: float = _money(_ARR)
    predicted_arr_lost: float = _money(_PREDICTED_ARR)
    arr_lost: float = _money(_ARR_LOST)
    arr_lost_deviation: float = _money(_DEVIATION)
    arr_ratio: float = _ratio("ARR")

    class Config:
        unique = ["as_of", "past_day", "decile"]


class RiskCalibrationSummary(Snapshot):
    """Predicted against observed churn over all past days. Key: as_of; one row per day."""

    past_days: Integer = column("Number of past days compared.", ge=0)
    accounts: Integer = _accounts()
    predicted_leavers: float = _predicted()
    leavers: Integer = _leavers()
    ratio: float = _ratio("Accounts")
    arr: float = _money(_ARR)
    predicted_arr_lost: float = _money(_PREDICTED_ARR)
    arr_lost: float = _money(_ARR_LOST)
    arr_lost_deviation: float = _money(_DEVIATION)
    arr_ratio: float = _ratio("ARR")
    lowest_ratio: float = column("Lower bound of a sound ratio (policy).", unit="ratio", gt=0)
    highest_ratio: float = column("Upper bound of a sound ratio (policy).", unit="ratio", gt=0)
    is_off: Flag = column(
        "One of the ratios is out of bounds, in ARR by more than chance; null if not judged (see reason).",
        nullable=True,
    )
    reason: str = column(
        "Why the ratios are not judged: no_past_day (there is no past day yet), few_leavers (both the predicted and "
        "the observed number are below the policy's minimum); null if they are judged.",
        nullable=True,
        isin=(NO_PAST, FEW_LEAVERS),
    )

    @row_warning
    def predicted_and_observed_churn_agree(cls, t: ir.Table) -> ir.BooleanValue:
        """Predicted ÷ observed churn is within the policy's bounds, in accounts and in ARR."""
        return t.is_off.isnull() | ~t.is_off

    class Config:
        unique = ["as_of"]


_STARTS = FromPolicy(ChurnPolicy, lambda p: starts(p.window_weeks, p.calibration.past_days))
_BOUNDS = FromPolicy(ChurnPolicy, lambda p: bounds(p.window_weeks, p.calibration.past_days))


@table(group="scores", reads={"churn_risk": _STARTS, "account_revenue": _BOUNDS})
def risk_calibration(
    spine: Table[Spine],
    churn_risk: Table[ChurnRisk],
    account_revenue: Table[AccountRevenue],
    policy: ChurnPolicy,
) -> Table[RiskCalibration]:
    """Did as many accounts leave as the churn risk of past days predicted, in every decile of risk?

    One row per as_of, past day and decile of risk. Predicted: the risks of the past day, from what was known on that
    day. Observed: the accounts that left within the horizon. Accounts without a risk on that day, and accounts that
    have been merged since, are left out.
    """
    past = windows(spine, policy.window_weeks, policy.calibration.past_days)
    then = churn_risk.filter(churn_risk.churn_risk.notnull())
    rank = mid_rank(then.churn_risk, [then.as_of])
    risks = then.select("account_id", "churn_risk", rank=rank, starts_on="as_of")
    paid = account_revenue.select("account_id", "arr", starts_on="as_of")
    later = account_revenue.select("account_id", "is_live", "churned_on", ends_on="as_of")
    rows = past.join(risks, "starts_on").join(paid.view(), ["starts_on", "account_id"])
    rows = rows.join(later.view(), ["ends_on", "account_id"])
    has_left = has_left_in_time(rows, policy).cast("int64")
    decile = ibis.least((rows["rank"] * DECILES).floor().cast("int64") + 1, DECILES)
    rows = rows.mutate(decile=decile, has_left=has_left)
    sums = rows.group_by("as_of", "decile", past_day="starts_on").aggregate(
        accounts=rows.count(),
        predicted_leavers=total(rows.churn_risk),
        leavers=rows.has_left.sum(),
        arr=money(rows.arr),
        predicted_arr_lost=money(rows.arr * rows.churn_risk),
        arr_lost=money(rows.arr * rows.has_left),
        arr_lost_deviation=cents(total(rows.arr**2 * rows.churn_risk * (1 - rows.churn_risk)).sqrt()),
    )
    return sums.mutate(**_ratios(sums))


@table(group="scores")
def risk_calibration_summary(
    spine: Table[Spine], risk_calibration: Table[RiskCalibration], policy: ChurnPolicy
) -> Table[RiskCalibrationSummary]:
    """Is the churn risk right: how many leavers did it predict on past days, and how many were observed?

    One row per as_of, also without past days. If enough accounts left or were predicted to leave, the ratios in
    accounts and in ARR are compared with the policy's bounds; one out of bounds is a warning. In ARR a few large
    accounts decide, so a difference that chance explains (policy: standard deviations) is none.
    """
    rows = risk_calibration
    sums = rows.group_by("as_of").aggregate(
        past_days=rows.past_day.nunique(),
        **{name: rows[name].sum() for name in ("accounts", "leavers")},
        predicted_leavers=total(rows.predicted_leavers),
        **{name: money(rows[name]) for name in ("arr", "predicted_arr_lost", "arr_lost")},
        arr_lost_deviation=cents(total(rows.arr_lost_deviation**2).sqrt()),
    )
    joined = spine.select("as_of").left_join(sums, "as_of")
    rows = joined.select("as_of", **{name: joined[name].fill_null(0) for name in sums.columns if name != "as_of"})
    return _judged(rows.mutate(**_ratios(rows)), policy)


def _judged(sums: ir.Table, policy: ChurnPolicy) -> ir.Table:
    bounds = policy.calibration
    reason = ibis.cases(
        (sums.past_days == 0, NO_PAST),
        ((sums.leavers < bounds.min_leavers) & (sums.predicted_leavers < bounds.min_leavers), FEW_LEAVERS),
        else_=ibis.null("string"),
    )
    # Products instead of ratios: if nobody left there is no ratio, but the prediction can still be far too high.
    out = {
        predicted: (sums[predicted] < sums[observed] * bounds.lowest_ratio)
        | (sums[predicted] > sums[observed] * bounds.highest_ratio)
        for predicted, observed in (("predicted_leavers", "leavers"), ("predicted_arr_lost", "arr_lost"))
    }
    by_chance = (sums.predicted_arr_lost - sums.arr_lost).abs() <= bounds.arr_deviations * sums.arr_lost_deviation
    is_off = out["predicted_leavers"] | (out["predicted_arr_lost"] & ~by_chance)
    return sums.mutate(
        lowest_ratio=ibis.literal(bounds.lowest_ratio),
        highest_ratio=ibis.literal(bounds.highest_ratio),
        reason=reason,
        is_off=ibis.ifelse(reason.isnull(), is_off, ibis.null("boolean")),
    )


def _ratios(sums: ir.Table) -> dict[str, ir.Value]:
    return {
        "ratio": sums.predicted_leavers / sums.leavers.nullif(0),
        "arr_ratio": sums.predicted_arr_lost / sums.arr_lost.nullif(0),
    }
