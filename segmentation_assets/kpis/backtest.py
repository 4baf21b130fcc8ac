"""Did segments and scores of past days tell what happened afterwards?

Here: `segment_backtest` by group, `score_backtest` by score, `risk_backtest` by window. Not here: what happened to
which account (`outcomes`), or the decile calibration of the churn risk (`scores.calibration`).

Every figure is of past windows only, with the number of accounts it stands on. An interval comes from drawing
accounts anew with all their windows (B. Efron 1979), because the windows of one account are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.kpis.outcomes import GROUPS, SCORES, BacktestAccounts
from segmentation_assets.policy.insights import BacktestPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.tables.amounts import cents, money, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, ibis_schema, row_rule
from segmentation_assets.tables.registry import Frame, Table, table

Floats = npt.NDArray[np.float64]
COMPANY = "company"
LEFT, EXPANDED = "left", "expanded"
RISK = "churn_risk"
"""The only score of which a high value is bad."""
NO_ACCOUNTS, FEW_EVENTS = "no_accounts", "few_events"
_ARR = "currency per year"
_DIGITS = 9
_TOP_TIES = 12


class SegmentBacktest(Snapshot):
    """What became of the accounts of each group. Key: as_of, window_months, grouping, member."""

    window_months: Integer = column(
        "Length of the windows; all windows of this length together.", unit="months", ge=1
    )
    grouping: str = column("What the accounts are grouped by.", isin=[*GROUPS, COMPANY])
    member: str = column("Member of the grouping on the first day of the window; company: all.")
    windows: Integer = column("Windows with accounts of the member.", ge=1)
    accounts: Integer = column("Accounts with ARR on the first day, summed over the windows.", ge=1)
    different_accounts: Integer = column("Different accounts among them.", ge=1)
    low_n: Flag = column("Fewer different accounts than `retention.low_n`.")
    left_accounts: Integer = column("Accounts that left in the window.", ge=0)
    churn_rate: float = column("left_accounts / accounts.", unit="share", ge=0, le=1)
    churn_rate_low: float = column("Lower end of its interval.", unit="share", nullable=True, ge=0, le=1)
    churn_rate_high: float = column("Upper end of its interval.", unit="share", nullable=True, ge=0, le=1)
    start_arr: float = column("ARR on the first day, summed over the windows.", unit=_ARR, ge=0)
    end_arr: float = column("What it had become on the last day.", unit=_ARR, ge=0)
    nrr: float = column("Net revenue retention in the window: end_arr / start_arr.", unit="ratio", ge=0)
    nrr_low: float = column("Lower end of its interval.", unit="ratio", nullable=True, ge=0)
    nrr_high: float = column("Upper end of its interval.", unit="ratio", nullable=True, ge=0)
    grr: float = column("Gross revenue retention in the window.", unit="ratio", ge=0)
    expansion_rate: float = column("Share of the accounts that expanded.", unit="share", ge=0, le=1)
    confidence: float = column("Confidence of the intervals (policy).", unit="share", gt=0, lt=1)

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= 1."""
        return t.grr <= 1 + 1e-9

    class Config:
        unique = ["as_of", "window_months", "grouping", "member"]


class ScoreBacktest(Snapshot):
    """How well a score told who would leave, or expand. Key: as_of, window_months, score, outcome."""

    window_months: Integer = column(
        "Length of the windows; all windows of this length together.", unit="months", ge=1
    )
    score: str = column("The score on the first day.", isin=SCORES)
    outcome: str = column("left: the account left in the window; expanded: it expanded.", isin=(LEFT, EXPANDED))
    accounts: Integer = column("Accounts with ARR and the score on the first day, summed over the windows.", ge=0)
    different_accounts: Integer = column("Different accounts among them.", ge=0)
    events: Integer = column("Those that left, or expanded.", ge=0)
    auc: float = column(
        "Chance that the score places an account with the outcome before one without; 0.5 is no better than a coin. "
        "For `left` a high churn risk is placed first, and a low value of every other score; for `expanded` the "
        "other way round.",
        nullable=True,
        ge=0,
        le=1,
    )
    auc_low: float = column("Lower end of its interval.", nullable=True, ge=0, le=1)
    auc_high: float = column("Upper end of its interval.", nullable=True, ge=0, le=1)
    gini: float = column("2 x auc - 1: 0 is no better than a coin, 1 perfect.", nullable=True, ge=-1, le=1)
    top_accounts: Integer = column("Accounts that the score places first: the policy's share.", nullable=True, ge=1)
    top_events: float = column(
        "Those of them with the outcome; accounts of the same score share a place.", nullable=True, ge=0
    )
    lift: float = column(
        "Share with the outcome among top_accounts / among all; 1 is no better than chance.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    reason: str = column(
        "Why there is no figure: no_accounts (nobody has the score), few_events (fewer than the policy's minimum "
        "with the outcome, or without it); null: there is.",
        nullable=True,
        isin=(NO_ACCOUNTS, FEW_EVENTS),
    )
    confidence: float = column("Confidence of the interval (policy).", unit="share", gt=0, lt=1)

    @row_rule
    def figure_or_reason(cls, t: ir.Table) -> ir.BooleanValue:
        """A row has either figures or a reason why there are none."""
        return t.reason.isnull() == t.auc.notnull()

    class Config:
        unique = ["as_of", "window_months", "score", "outcome"]


class RiskBacktest(Snapshot):
    """What the churn risk said at the start of each short window, and what happened. Key: as_of, starts_on."""

    starts_on: Day = column("First day of the window: the risks are those of this day.")
    ends_on: Day = column("Last day of the window.")
    accounts: Integer = column("Accounts with ARR and a churn risk on the first day.", ge=1)
    predicted_leavers: float = column("Sum of their churn risks.", unit="accounts", ge=0)
    predicted_deviation: float = column(
        "Standard deviation of the number that leaves, if each leaves with its own risk.", unit="accounts", ge=0
    )
    left_accounts: Integer = column("Those of them that left.", ge=0)
    start_arr: float = column("Their ARR on the first day.", unit=_ARR, ge=0)
    predicted_arr_lost: float = column("Sum of ARR x churn risk.", unit=_ARR, ge=0)
    predicted_arr_deviation: float = column("Standard deviation of the ARR lost.", unit=_ARR, ge=0)
    arr_lost: float = column("ARR on the first day of those that left.", unit=_ARR, ge=0)

    class Config:
        unique = ["as_of", "starts_on"]


@table(group="kpis")
def segment_backtest(
    spine: Frame[Spine],
    backtest_accounts: Frame[BacktestAccounts],
    policy: BacktestPolicy,
    retention: RetentionPolicy,
) -> Frame[SegmentBacktest]:
    """Did tiers, segments, value tiers and cohorts of past days tell what became of their accounts?

    One row per as_of, length of window, grouping and member: churn, NRR, GRR and expansion in the windows, by the
    member on the first day. Windows of the same length are taken together.
    """
    rows: list[dict[str, Any]] = []
    for day, months, past in _pooled(spine, backtest_accounts):
        draws = _Draws.of(past, policy)
        shared = {"as_of": day, "window_months": months, "confidence": policy.confidence}
        for grouping in (COMPANY, *GROUPS):
            members = pd.Series(COMPANY, past.index) if grouping == COMPANY else past[grouping]
            for member in sorted(members.dropna().unique()):
                of_member = past.loc[(members == member).to_numpy()]
                figures = _figures(of_member, draws, policy, retention.low_n)
                rows.append(shared | {"grouping": grouping, "member": member} | figures)
    return cast("Frame[SegmentBacktest]", _framed(rows, SegmentBacktest))


@table(group="kpis")
def score_backtest(
    spine: Frame[Spine], backtest_accounts: Frame[BacktestAccounts], policy: BacktestPolicy
) -> Frame[ScoreBacktest]:
    """Did scores of past days place those first who left, or expanded, afterwards?

    One row per as_of, length of window, score and outcome. Windows of the same length are taken together. Accounts
    without the score are left out.
    """
    rows: list[dict[str, Any]] = []
    for day, months, past in _pooled(spine, backtest_accounts):
        draws = _Draws.of(past, policy)
        for score in SCORES:
            for outcome in (LEFT, EXPANDED):
                figures = _judged(past, score, outcome, draws, policy)
                rows.append({"as_of": day, "window_months": months, "score": score, "outcome": outcome} | figures)
    return cast("Frame[ScoreBacktest]", _framed(rows, ScoreBacktest))


@table(group="kpis")
def risk_backtest(
    spine: Table[Spine], backtest_accounts: Table[BacktestAccounts], policy: BacktestPolicy
) -> Table[RiskBacktest]:
    """How many leavers, and how much lost ARR, did the churn risk say for each past quarter, and what happened?

    One row per as_of and short window. The deviations say how far the outcome may be from the prediction by chance.
    """
    del spine
    rows = backtest_accounts.filter(
        (backtest_accounts.window_months == policy.months) & backtest_accounts.churn_risk.notnull()
    )
    chance = rows.churn_risk * (1 - rows.churn_risk)
    return rows.group_by("as_of", "starts_on", "ends_on").aggregate(
        accounts=rows.count(),
        predicted_leavers=total(rows.churn_risk),
        predicted_deviation=total(chance).sqrt(),
        left_accounts=rows.has_left.cast("int64").sum(),
        start_arr=money(rows.start_arr),
        predicted_arr_lost=money(rows.start_arr * rows.churn_risk),
        predicted_arr_deviation=cents(total(rows.start_arr**2 * chance).sqrt()),
        arr_lost=money(rows.start_arr, rows.has_left).fill_null(0.0),
    )


def _pooled(spine: pd.DataFrame, accounts: pd.DataFrame) -> Iterator[tuple[pd.Timestamp, int, pd.DataFrame]]:
    """The rows of each day and length of window, in a fixed order."""
    dated = accounts.assign(as_of=pd.to_datetime(accounts["as_of"]), starts_on=pd.to_datetime(accounts["starts_on"]))
    dated = dated.sort_values(["as_of", "window_months", "starts_on", "account_id"])
    days = set(pd.to_datetime(spine["as_of"]))
    for day in sorted(days):
        of_day = dated.loc[(dated["as_of"] == day).to_numpy()]
        for months in sorted(set(of_day["window_months"])):
            yield day, int(months), of_day.loc[(of_day["window_months"] == months).to_numpy()].reset_index(drop=True)


@dataclass(frozen=True)
class _Draws:
    """The accounts of a window, drawn anew many times: how often each came, draws x accounts."""

    place: dict[str, int]
    times: Floats

    @staticmethod
    def of(past: pd.DataFrame, policy: BacktestPolicy) -> _Draws:
        names = sorted(set(past["account_id"]))
        rng = np.random.default_rng(policy.seed)
        times = rng.multinomial(len(names), [1 / len(names)] * len(names), size=policy.draws)
        return _Draws({name: i for i, name in enumerate(names)}, times.astype("float64"))

    def codes(self, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
        """The place of each row's account."""
        return np.array([self.place[name] for name in rows["account_id"]], "int64")


def _interval(values: Floats, confidence: float) -> tuple[float, float]:
    """Percentiles over the draws; NaN where no draw has a value."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    return round(float(np.quantile(finite, tail)), _DIGITS), round(float(np.quantile(finite, 1 - tail)), _DIGITS)


def _figures(rows: pd.DataFrame, draws: _Draws, policy: BacktestPolicy, low_n: int) -> dict[str, Any]:
    names = ("accounts", "left_accounts", "start_arr", "end_arr", "retained_arr", "expanded")
    ones = np.ones(len(rows))
    values = np.column_stack(
        [
            ones,
            _flags(rows, "has_left"),
            *(rows[n].to_numpy("float64") for n in names[2:5]),
            _flags(rows, "has_expanded"),
        ]
    )
    sums = dict(zip(names, values.sum(axis=0), strict=True))
    by_account = np.zeros((draws.times.shape[1], len(names)))
    np.add.at(by_account, draws.codes(rows), values)
    drawn = dict(zip(names, (draws.times @ by_account).T, strict=True))
    different = rows["account_id"].nunique()
    churn = nrr = (np.nan, np.nan)
    if different > 1:
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw without the member has no rate
            churn = _interval(drawn["left_accounts"] / drawn["accounts"], policy.confidence)
            nrr = _interval(drawn["end_arr"] / drawn["start_arr"], policy.confidence)
    start = round(float(sums["start_arr"]), 2)
    return {
        "windows": rows["starts_on"].nunique(),
        "accounts": len(rows),
        "different_accounts": different,
        "low_n": different < low_n,
        "left_accounts": int(sums["left_accounts"]),
        "churn_rate": round(float(sums["left_accounts"]) / len(rows), _DIGITS),
        "churn_rate_low": churn[0],
        "churn_rate_high": churn[1],
        "start_arr": start,
        "end_arr": round(float(sums["end_arr"]), 2),
        "nrr": round(float(sums["end_arr"] / sums["start_arr"]), _DIGITS),
        "nrr_low": nrr[0],
        "nrr_high": nrr[1],
        "grr": round(float(sums["retained_arr"] / sums["start_arr"]), _DIGITS),
        "expansion_rate": round(float(sums["expanded"]) / len(rows), _DIGITS),
    }


def _judged(past: pd.DataFrame, score: str, outcome: str, draws: _Draws, policy: BacktestPolicy) -> dict[str, Any]:
    rows = past.loc[past[score].notna().to_numpy()]
    happened = _flags(rows, "has_left" if outcome == LEFT else "has_expanded")
    figures: dict[str, Any] = {
        "accounts": len(rows),
        "different_accounts": rows["account_id"].nunique(),
        "events": int(happened.sum()),
        "confidence": policy.confidence,
    }
    few = min(happened.sum(), len(rows) - happened.sum()) < policy.min_events
    reason = NO_ACCOUNTS if rows.empty else FEW_EVENTS if few else None
    figures["reason"] = reason
    if reason is not None:
        return figures
    first = rows[score].to_numpy("float64") * _direction(score, outcome)
    areas = areas_under_curve(first, happened, draws.times, draws.codes(rows))
    auc = float(areas_under_curve(first, happened, np.ones((1, draws.times.shape[1])), draws.codes(rows))[0])
    low, high = _interval(areas, policy.confidence)
    top = max(1, round(len(rows) * policy.top_share))
    top_events = events_at_top(first, happened, top)
    return figures | {
        "auc": round(auc, _DIGITS),
        "auc_low": low,
        "auc_high": high,
        "gini": round(2 * auc - 1, _DIGITS),
        "top_accounts": top,
        "top_events": round(top_events, _DIGITS),
        "lift": round(top_events / top / (happened.sum() / len(rows)), _DIGITS),
    }


def _direction(score: str, outcome: str) -> float:
    """1: a high score is placed first for the outcome; -1: a low one. All scores but the risk are better if high."""
    return 1.0 if (score == RISK) == (outcome == LEFT) else -1.0


def areas_under_curve(first: Floats, happened: Floats, times: Floats, codes: npt.NDArray[np.int64]) -> Floats:
    """Per draw: the chance that one with the outcome is placed before one without, ties counted half.

    NaN for a draw without one of the two. A row counts as often as its account was drawn.
    """
    _, place = np.unique(np.round(first, _TOP_TIES), return_inverse=True)
    groups = int(place.max()) + 1
    areas = np.full(len(times), np.nan)
    for i, drawn in enumerate(times):
        weight = drawn[codes]
        gone = np.bincount(place, weight * happened, groups)
        stayed = np.bincount(place, weight * (1 - happened), groups)
        if gone.sum() and stayed.sum():
            below = np.cumsum(stayed) - stayed
            areas[i] = (gone * (below + stayed / 2)).sum() / (gone.sum() * stayed.sum())
    return areas


def events_at_top(first: Floats, happened: Floats, top: int) -> float:
    """Outcomes among the `top` rows placed first; those of one score share the places left to them."""
    frame = pd.DataFrame({"first": np.round(first, _TOP_TIES), "happened": happened})
    groups = frame.groupby("first")["happened"].agg(["size", "sum"]).sort_index(ascending=False)
    left_over, events = float(top), 0.0
    for size, happening in groups.to_numpy("float64"):
        taken = min(size, left_over)
        events += happening * taken / size
        left_over -= taken
        if left_over <= 0:
            break
    return events


def _flags(rows: pd.DataFrame, name: str) -> Floats:
    return np.asarray(rows[name].astype("boolean").fillna(False).to_numpy("float64"))


def _framed(rows: list[dict[str, Any]], contract: type[Snapshot]) -> pd.DataFrame:
    """The rows with all columns of the contract but the stamp; what a row does not say is null."""
    types = {name: kind for name, kind in ibis_schema(contract).items() if name != "policy_hash"}
    frame = pd.DataFrame(rows, columns=pd.Index(list(types)))
    return frame.astype({name: "float64" for name, kind in types.items() if kind.is_floating()})
