"""Whether predicted churn came true: past probabilities against the accounts that left.

Here: `risk_calibration`, by past day and decile of risk, and its sum over all of them, which is judged. Not here: the
probability (`churn`), or fitting it to the past (`churn_bases`).
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
from segmentation_assets.tables.amounts import money, total
from segmentation_assets.tables.as_of import FromPolicy, Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, row_warning
from segmentation_assets.tables.registry import Table, table

DECILES = 10
FEW_LEAVERS, NO_PAST = "few_leavers", "no_past_day"


def _accounts() -> Any:
    return column("Accounts live on the past day, with a churn risk and still there at its window's end.", ge=0)


def _predicted() -> Any:
    return column("Sum of their churn risks then.", unit="accounts", ge=0)


def _leavers() -> Any:
    return column("Of them, accounts that left within the horizon and had not come back.", ge=0)


def _ratio(of: str) -> Any:
    return column(f"{of}: predicted ÷ observed; null where none left.", unit="ratio", nullable=True, ge=0)


def _money(what: str) -> Any:
    return column(what, unit="currency per year", ge=0)


_ARR, _PREDICTED_ARR = "Their ARR on the past day.", "Sum of ARR x churn risk."
_ARR_LOST = "ARR, on the past day, of those that left."


class RiskCalibration(Snapshot):
    """Predicted against observed churn. Key: as_of, past_day, decile; one row per past day and decile of risk."""

    past_day: Day = column("Day on which the risk was computed; its window ended by as_of.")
    decile: Integer = column("Tenth of the accounts by churn risk on the past day; 10 = the highest.", ge=1, le=10)
    accounts: Integer = _accounts()
    predicted_leavers: float = _predicted()
    leavers: Integer = _leavers()
    ratio: float = _ratio("Accounts")
    arr: float = _money(_ARR)
    predicted_arr_lost: float = _money(_PREDICTED_ARR)
    arr_lost: float = _money(_ARR_LOST)
    arr_ratio: float = _ratio("ARR")

    class Config:
        unique = ["as_of", "past_day", "decile"]


class RiskCalibrationSummary(Snapshot):
    """Predicted against observed churn over all past days. Key: as_of; one row per day."""

    past_days: Integer = column("Past days that were compared.", ge=0)
    accounts: Integer = _accounts()
    predicted_leavers: float = _predicted()
    leavers: Integer = _leavers()
    ratio: float = _ratio("Accounts")
    arr: float = _money(_ARR)
    predicted_arr_lost: float = _money(_PREDICTED_ARR)
    arr_lost: float = _money(_ARR_LOST)
    arr_ratio: float = _ratio("ARR")
    lowest_ratio: float = column("A ratio below this is off (policy).", unit="ratio", gt=0)
    highest_ratio: float = column("A ratio above this is off (policy).", unit="ratio", gt=0)
    is_off: Flag = column("A ratio is off; null where it is not judged (see reason).", nullable=True)
    reason: str = column(
        "Why it is not judged: no_past_day (nothing to compare yet), few_leavers (fewer left, and fewer were "
        "predicted to, than the policy wants); null where it is.",
        nullable=True,
        isin=(NO_PAST, FEW_LEAVERS),
    )

    @row_warning
    def predicted_and_observed_churn_agree(cls, t: ir.Table) -> ir.BooleanValue:
        """Predicted and observed churn of past days are near each other, in accounts and in ARR."""
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
    """Did as many accounts leave as the churn risk of past days said, at every height of the risk?

    One row per as_of, past day and decile of the risk. Each past day has its risks as they were computed for that
    day, from what was known then, and the accounts that left within the horizon. Accounts without a risk then, and
    accounts merged into another since, count on neither side.
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
    )
    return sums.mutate(**_ratios(sums))


@table(group="scores")
def risk_calibration_summary(
    spine: Table[Spine], risk_calibration: Table[RiskCalibration], policy: ChurnPolicy
) -> Table[RiskCalibrationSummary]:
    """Can the churn risk be believed: over past days, predicted ÷ observed leavers, in accounts and in ARR?

    One row per as_of, with and without past days to compare. It is judged, against the policy's bounds, where enough
    accounts left or were predicted to; a ratio outside the bounds is a warning, in accounts or in ARR.
    """
    rows = risk_calibration
    sums = rows.group_by("as_of").aggregate(
        past_days=rows.past_day.nunique(),
        **{name: rows[name].sum() for name in ("accounts", "leavers")},
        predicted_leavers=total(rows.predicted_leavers),
        **{name: money(rows[name]) for name in ("arr", "predicted_arr_lost", "arr_lost")},
    )
    joined = spine.select("as_of").left_join(sums, "as_of")
    known = joined.select("as_of", **{name: joined[name].fill_null(0) for name in sums.columns if name != "as_of"})
    return _judged(known.mutate(**_ratios(known)), policy)


def _judged(sums: ir.Table, policy: ChurnPolicy) -> ir.Table:
    bounds = policy.calibration
    reason = ibis.cases(
        (sums.past_days == 0, NO_PAST),
        ((sums.leavers < bounds.min_leavers) & (sums.predicted_leavers < bounds.min_leavers), FEW_LEAVERS),
        else_=ibis.null("string"),
    )
    # As products: where nobody left, there is no ratio, but far too many may have been predicted to.
    is_off = ibis.or_(
        *(
            (sums[predicted] < sums[observed] * bounds.lowest_ratio)
            | (sums[predicted] > sums[observed] * bounds.highest_ratio)
            for predicted, observed in (("predicted_leavers", "leavers"), ("predicted_arr_lost", "arr_lost"))
        )
    )
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
