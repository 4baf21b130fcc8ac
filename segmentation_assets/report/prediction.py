"""The page "Does it predict": what segments and scores said on past days, and what happened afterwards.

Here: the page's view model, and the sentence on the executive page. Not here: any figure (`kpis.backtest`,
`scores.churn_model`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.reading.figures import NONE, counted, day, label, money, number, points, share
from segmentation_assets.report.evidence import Evidence, Row

TABLES = ("segment_backtest", "score_backtest", "risk_backtest", "churn_model", "churn_model_quality", "play_effect")
_VALUE_TIERS = ("Platinum", "Gold", "Silver", "Bronze")
_ORDER = {"coverage_tier": TIERS, "segment": SEGMENTS, "value_tier": _VALUE_TIERS, "behavioral_cohort": ()}
"""The groupings in the order of the page, each with the order of its members; others follow by name."""
_WHY = {
    "no_accounts": "no account has the score",
    "few_events": "too few accounts left or stayed",
    "few_leavers": "too few accounts left in the past windows",
    "no_past": "no past window has ended",
    "nobody_stayed": "all accounts of the past windows left",
    "no_test": "too few accounts had left before any window that could be predicted",
}
_METHODS = {"experiment": "experiment: held back at random", "matched": "matched, not proven"}
_EFFECTS = {"stayed": "stayed", "expanded": "expanded", "arr_kept": "ARR kept"}
_VERDICTS = {"raises": "higher with the play", "lowers": "lower with the play", "unclear": "may be none"}
_OUTCOMES = {"left": "left", "expanded": "expanded"}


@dataclass(frozen=True)
class GroupRow:
    """One member of a grouping: what became of its accounts."""

    member: str
    accounts: str
    churn: str
    nrr: str
    expansion: str
    is_low_n: bool


@dataclass(frozen=True)
class ScoreRow:
    """One score: how well it placed those first who left, or expanded."""

    score: str
    outcome: str
    accounts: str
    auc: str
    gini: str
    lift: str


@dataclass(frozen=True)
class QuarterRow:
    """One past quarter: leavers and lost ARR as said, and as they came."""

    window: str
    accounts: str
    said: str
    left: str
    said_arr: str
    lost_arr: str


@dataclass(frozen=True)
class TermRow:
    """One feature of the churn model."""

    term: str
    now: str
    later: str
    known_share: str
    status: str


@dataclass(frozen=True)
class EffectRow:
    """One play and outcome: accounts with the play against those without it."""

    play: str
    outcome: str
    method: str
    treated: str
    others: str
    effect: str
    verdict: str


@dataclass(frozen=True)
class PredictionPage:
    """Everything on the page."""

    sentences: tuple[str, ...]
    quarters: tuple[QuarterRow, ...]
    groups: tuple[tuple[str, tuple[tuple[str, tuple[GroupRow, ...]], ...]], ...]
    scores: tuple[tuple[str, tuple[ScoreRow, ...]], ...]
    model: tuple[str, ...]
    terms: tuple[TermRow, ...]
    effects: tuple[EffectRow, ...] = ()
    effects_lead: str = ""
    gaps: tuple[str, ...] = ()


def prediction_page(evidence: Evidence) -> PredictionPage:
    """Make the page."""
    groups = evidence.of_day("segment_backtest", "window_months DESC, grouping, member")
    scores = evidence.of_day("score_backtest", "window_months DESC, score, outcome DESC")
    lengths = sorted({int(row["window_months"]) for row in [*groups, *scores]}, reverse=True)
    said = last_quarter(evidence)
    tiers = [sentence for months in lengths if (sentence := _tiers_in_order(groups, months))]
    return PredictionPage(
        sentences=(*([said] if said else []), *tiers[:1]),
        quarters=tuple(_quarter(row) for row in evidence.of_day("risk_backtest", "starts_on DESC")),
        groups=tuple((_period(months), of) for months in lengths if (of := _groups(groups, months))),
        scores=tuple(
            (_period(months), tuple(_score(row) for row in scores if row["window_months"] == months))
            for months in lengths
        ),
        model=_model(evidence.first_of_day("churn_model_quality")),
        terms=tuple(_term(row) for row in evidence.of_day("churn_model", "abs(coefficient) DESC, term")),
        effects=tuple(_effect(row) for row in evidence.of_day("play_effect") if row["effect"] is not None),
        effects_lead=_effects_lead(evidence.of_day("play_effect")),
        gaps=evidence.gaps(*TABLES),
    )


def _effects_lead(rows: list[Row]) -> str:
    """For how many plays there is a figure, and how many are too small to conclude; empty: no play at all."""
    plays = {row["play_id"] for row in rows}
    if not plays:
        return ""
    small = len({row["play_id"] for row in rows if row["effect"] is None})
    proven = len({row["play_id"] for row in rows if row["effect"] is not None and row["method"] == "experiment"})
    experiments = f"{counted(proven, 'play')} with an experiment" if proven else "no play has an experiment"
    return (
        f"Of {counted(len(plays), 'play')} on past lists, {small} had too few accounts to conclude; {experiments}. "
        f"Intervals of {share(rows[0]['confidence'], 0)} hold however often one looks."
    )


def _effect(row: Row) -> EffectRow:
    return EffectRow(
        label(row["play_id"]),
        _EFFECTS[row["outcome"]],
        _METHODS[row["method"]],
        f"{share(row['treated_mean'])} of {number(row['treated_accounts'])}",
        f"{share(row['compared_mean'])} of {number(row['compared_accounts'])}",
        f"{points(row['effect'])} ({points(row['effect_low'])} to {points(row['effect_high'])})",
        _VERDICTS[row["verdict"]],
    )


def last_quarter(evidence: Evidence) -> str:
    """What the churn risk said for the quarter that ends on this day, and what happened; empty: not known."""
    row = next(iter(evidence.of_day("risk_backtest", "starts_on DESC")), None)
    if row is None:
        return ""
    return (
        f"On {day(row['starts_on'])} the churn risk said that {number(row['predicted_leavers'], 1)} "
        f"(± {number(row['predicted_deviation'], 1)}) of {counted(row['accounts'], 'account')} and "
        f"{money(row['predicted_arr_lost'])} (± {money(row['predicted_arr_deviation'])}) of ARR would leave. By "
        f"{day(row['ends_on'])}, {number(row['left_accounts'])} had left, with {money(row['arr_lost'])}."
    )


def _tiers_in_order(rows: list[Row], months: int) -> str:
    """Whether higher coverage tiers kept more: NRR of the highest and the lowest tier with enough accounts."""
    tiers = [
        row
        for row in _in_order(rows, "coverage_tier", months)
        if row["member"] in TIERS and not row["low_n"] and row["nrr_low"] is not None
    ]
    if len(tiers) < 2:
        return ""
    high, low = tiers[0], tiers[-1]
    apart = high["nrr_low"] > low["nrr_high"]
    verdict = (
        "The intervals do not overlap: the difference is more than chance."
        if apart
        else "The intervals overlap, so chance may explain the difference."
    )
    return (
        f"Do higher tiers keep more? NRR of {_period(months)}: {high['member']} {_range(high, 'nrr')}, "
        f"{low['member']} {_range(low, 'nrr')}, by the tier at the start. {verdict}"
    )


def _in_order(rows: list[Row], grouping: str, months: int) -> list[Row]:
    chosen = [row for row in rows if row["grouping"] == grouping and row["window_months"] == months]
    order = list(_ORDER.get(grouping, ()))
    return sorted(
        chosen, key=lambda row: (order.index(row["member"]) if row["member"] in order else len(order), row["member"])
    )


def _groups(rows: list[Row], months: int) -> tuple[tuple[str, tuple[GroupRow, ...]], ...]:
    return tuple(
        (label(grouping), tuple(_group(row) for row in _in_order(rows, grouping, months)))
        for grouping in (*_ORDER, "company")
        if _in_order(rows, grouping, months)
    )


def _group(row: Row) -> GroupRow:
    return GroupRow(
        label(row["member"]),
        _accounts(row),
        f"{_range(row, 'churn_rate')}, {number(row['left_accounts'])} left",
        _range(row, "nrr"),
        share(row["expansion_rate"]),
        bool(row["low_n"]),
    )


def _accounts(row: Row) -> str:
    """How many accounts; over several windows one account counts in each, so how many different ones, too."""
    different = (
        "" if row["accounts"] == row["different_accounts"] else f" ({number(row['different_accounts'])} different)"
    )
    return f"{number(row['accounts'])}{different}"


def _range(row: Row, name: str) -> str:
    """A share with its interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    between = "interval not known" if low is None else f"{share(low)} to {share(high)}"
    return f"{share(row[name])} ({between})"


def _score(row: Row) -> ScoreRow:
    accounts = f"{number(row['accounts'])}, {number(row['events'])} {_OUTCOMES[row['outcome']]}"
    if row["reason"] is not None:
        return ScoreRow(
            label(row["score"]), row["outcome"], accounts, f"not known: {_why(row['reason'])}", NONE, NONE
        )
    auc = f"{number(row['auc'], 2)} ({number(row['auc_low'], 2)} to {number(row['auc_high'], 2)})"
    lift = f"{number(row['lift'], 1)} ({number(row['top_events'], 1)} of {number(row['top_accounts'])})"
    return ScoreRow(label(row["score"]), row["outcome"], accounts, auc, number(row["gini"], 2), lift)


def _quarter(row: Row) -> QuarterRow:
    return QuarterRow(
        f"{day(row['starts_on'])} to {day(row['ends_on'])}",
        number(row["accounts"]),
        f"{number(row['predicted_leavers'], 1)} ± {number(row['predicted_deviation'], 1)}",
        number(row["left_accounts"]),
        f"{money(row['predicted_arr_lost'])} ± {money(row['predicted_arr_deviation'])}",
        money(row["arr_lost"]),
    )


def _model(row: Row | None) -> tuple[str, ...]:
    """What the churn model was trained on, and how it did on windows that it had not seen."""
    if row is None:
        return ()
    past = (
        f"{counted(row['account_windows'], 'account')} at the start of each past window ({number(row['accounts'])} "
        f"different), of which {number(row['leavers'])} left"
    )
    first = (
        f"The churn model is trained on {past}."
        if row["is_trained"]
        else f"The points rule is in force, not a trained model: {_why(row['reason'])} ({past})."
    )
    if row["auc"] is None:
        return first, f"How well it predicts windows that it has not seen is not known: {_why(row['test_reason'])}."
    return first, (
        f"Each of {counted(row['test_windows'], 'window')} was predicted from what was known before it: AUC "
        f"{number(row['auc'], 2)} ({number(row['auc_low'], 2)} to {number(row['auc_high'], 2)}, "
        f"{share(row['confidence'], 0)} interval); the points rule alone has {number(row['points_auc'], 2)}. "
        f"{number(row['predicted_leavers'], 1)} leavers were predicted, {number(row['test_leavers'])} left, of "
        f"{counted(row['test_accounts'], 'account')}."
    )


def _why(reason: str | None) -> str:
    return _WHY.get(reason or "", "the reason is not recorded")


def _term(row: Row) -> TermRow:
    known_share: Any = row["known_share"]
    return TermRow(
        label(row["term"]),
        number(row["coefficient"], 2),
        number(row["later_coefficient"], 2),
        NONE if known_share is None else share(known_share, 0),
        label(row["status"]),
    )


def _period(months: int) -> str:
    return f"{counted(months, 'month')}"
