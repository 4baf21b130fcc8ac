"""The search for cut-offs under which the tiers tell best what happens next. It proposes, and applies nothing.

Here: the search, its limits, and the test on later days. Not here: computing a policy's tiers (`beside`), or the
curves of one number (`sweeping`).

Tiers predict an outcome by the mean of their accounts in the earlier windows of the backtest. The figure is the share
of squared error that this saves against one mean for all. The search sees the earlier windows alone; the last window
judges what it chose. A proposal is made only if the whole interval of its gain there lies above zero, with accounts
drawn anew (B. Efron 1979). So a search among outcomes that are chance proposes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.policy.insights import BacktestPolicy
from segmentation_assets.policy.model import Change, Policy, PolicyError, load_policy
from segmentation_assets.reading.access import find_table
from segmentation_assets.reasons import Refusal
from segmentation_assets.tables.as_of import anchor, last_monday, weeks
from segmentation_assets.trials.beside import Beside, beside, touched
from segmentation_assets.trials.comparing import TIER, stability
from segmentation_assets.trials.policies import changed_sections, number_named
from segmentation_assets.trials.sweeping import Range, WrongSweep
from segmentation_assets.trials.what_if import check_policy

Floats = npt.NDArray[np.float64]
Values = Mapping[str, float]
NRR, CHURN = OUTCOMES = ("nrr", "churn")
_ACCOUNTS, _STATES, _DEMAND, _GRID = "backtest_accounts", "segment_states", "account_demand", "segment_grid"
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    _ACCOUNTS: ("window_months", "starts_on", "account_id", "start_arr", "end_arr", "has_left"),
    _STATES: ("as_of", "account_id", TIER),
    _DEMAND: ("account_id", TIER, "required_fte"),
    _GRID: ("as_of", "anchor", "account_id", "segment", TIER),
}
_HIGHEST_NRR = 2.0
_ROUNDS = 2
_LEAST_GAIN = 1e-9


class TooLittleHistory(Refusal):
    """There are not two windows of the backtest, one to search in and a later one to judge by."""


@dataclass(frozen=True)
class Limits:
    """What a proposal may not exceed; by default what production has today."""

    people: float
    monthly_moves: float


@dataclass(frozen=True)
class Tuning:
    """The best values of the search, and whether they hold on later days."""

    as_of: date
    outcome: str
    limits: Limits
    before: Values
    best: Values
    tried: int
    fit_until: date
    """The search saw outcomes up to this day."""
    judged_from: date
    fit: tuple[float, float]
    """Share of squared error saved in the earlier windows: production's tiers, the best ones."""
    later: tuple[float, float]
    """The same in the last window, by the means of the earlier ones."""
    gain: float
    gain_low: float
    gain_high: float
    accounts: int
    confidence: float
    people: float
    monthly_moves: float

    @property
    def is_proposed(self) -> bool:
        """Other values won, and the gain on later days is more than chance."""
        return dict(self.best) != dict(self.before) and self.gain_low > 0


def tune(
    home: Path,
    file: Path | None,
    spans: Sequence[Range],
    outcome: str = NRR,
    as_of: date | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Tuning:
    """Search the ranges, one number after the other, on a published day, by default the newest.

    Raises WrongName, WrongSweep without ranges, TooLittleHistory, and what `what_if` raises.
    """
    production = load_policy(file)
    if not spans:
        raise WrongSweep("name at least one range, such as tier.growth_min_arr=10000:40000:5000")
    before = {span.name: number_named(production, span.name) for span in spans}
    day = find_table("segments", home).day_of(as_of)
    find_table(_ACCOUNTS, home).day_of(day)
    with beside(home) as trial:
        check_policy(home, production, trial, day)
        company = _Company(trial, file, production, day, outcome)
        today = company.strain(before)
        most = Limits(*(own if limit is None else limit for limit, own in zip(limits, today, strict=True)))
        best, tried = search(
            before,
            {span.name: span.values for span in spans},
            company.fit,
            lambda values: all(
                is_at <= bound for is_at, bound in zip(company.strain(values), vars(most).values(), strict=True)
            ),
        )
        return company.judged(before, best, most, tried)


def search(
    start: Values,
    grids: Mapping[str, Sequence[float]],
    score: Callable[[Values], float | None],
    is_allowed: Callable[[Values], bool],
) -> tuple[Values, int]:
    """The best allowed values that changing one number at a time reaches, and how many were scored.

    Two rounds over the numbers. `score` is None for values that the policy refuses. Limits are asked only of values
    that score better.
    """
    scores: dict[tuple[float, ...], float | None] = {}

    def scored(values: Values) -> float | None:
        key = tuple(values.values())
        if key not in scores:
            scores[key] = score(values)
        return scores[key]

    best = dict(start)
    for _ in range(_ROUNDS):
        at_start = dict(best)
        for name, values in grids.items():
            now = scored(best) or 0.0
            others = [{**best, name: value} for value in values if value != best[name]]
            better = [(one, each) for each in others if (one := scored(each)) is not None and one > now + _LEAST_GAIN]
            ranked = sorted(better, key=lambda pair: -pair[0])
            best = next((each for _, each in ranked if is_allowed(each)), best)
        if best == at_start:
            break
    return best, len(scores)


def saved_error(groups: Any, values: Floats, weights: Floats, means: Mapping[Any, float], mean: float) -> float:
    """Share of the squared error around `mean` that predicting each group by its own mean saves; 0 without error."""
    predicted = np.array([means.get(group, mean) for group in groups])
    whole = float((weights * (values - mean) ** 2).sum())
    return 1 - float((weights * (values - predicted) ** 2).sum()) / whole if whole else 0.0


def means_of(groups: Any, values: Floats, weights: Floats) -> tuple[dict[Any, float], float]:
    """The weighted mean of each group, and of all."""
    frame = pd.DataFrame({"group": groups, "sum": values * weights, "weight": weights})
    sums: Any = frame.groupby("group")[["sum", "weight"]].sum()
    return (sums["sum"] / sums["weight"]).to_dict(), float((values * weights).sum() / weights.sum())


def gain_of(
    before: Any, after: Any, later: pd.DataFrame, learned: tuple[Any, Any], policy: BacktestPolicy
) -> tuple[float, float, float]:
    """Saved error after - before on later rows, with an interval from drawing accounts anew.

    `before` and `after` are the groups of the rows, `learned` their (means, mean) of earlier windows.
    """
    values, weights = later["value"].to_numpy("float64"), later["weight"].to_numpy("float64")
    mean = learned[0][1]
    base = weights * (values - mean) ** 2

    def errors(groups: Any, means: Mapping[Any, float]) -> Floats:
        return weights * (values - np.array([means.get(group, mean) for group in groups])) ** 2

    difference = errors(before, learned[0][0]) - errors(after, learned[1][0])
    codes, names = pd.factorize(later["account_id"], sort=True)
    rng = np.random.default_rng(policy.seed)
    times = rng.multinomial(len(names), [1 / len(names)] * len(names), size=policy.draws)
    by_account = np.zeros((len(names), 2))
    np.add.at(by_account, codes, np.column_stack([difference, base]))
    drawn = times @ by_account
    gains = drawn[:, 0] / np.where(drawn[:, 1] > 0, drawn[:, 1], np.nan)
    tail = (1 - policy.confidence) / 2
    finite = gains[np.isfinite(gains)]
    low, high = np.quantile(finite, [tail, 1 - tail]) if len(finite) else (0.0, 0.0)
    whole = float(base.sum())
    return float(difference.sum()) / whole if whole else 0.0, float(low), float(high)


class _Company:
    """The windows of a home's backtest, and the tiers that any values give in them."""

    def __init__(self, trial: Beside, file: Path | None, production: Policy, day: date, outcome: str) -> None:
        self.trial, self.file, self.production, self.day, self.outcome = trial, file, production, day, outcome
        self.rows = _windows(trial.published(_ACCOUNTS, [day], _COLUMNS[_ACCOUNTS]), outcome, day)
        self.starts = sorted(set(self.rows["starts_on"]))
        self.mondays = weeks(anchor(day), last_monday(day))
        self._tiers: dict[tuple[float, ...], Any] = {}
        self._strains: dict[tuple[float, ...], tuple[float, float]] = {}

    def fit(self, values: Values) -> float | None:
        """Saved error in the earlier windows, by their own means; None: the policy refuses the values."""
        try:
            tiers = self.tiers(values)
        except PolicyError:
            return None
        early = (self.rows["starts_on"] < self.starts[-1]).to_numpy()
        return _saved(tiers[early], self.rows.loc[early])

    def tiers(self, values: Values) -> Any:
        """The tier of each row at the start of its window; "" where it had none."""
        key = tuple(values.values())
        if key not in self._tiers:
            states = self._tables(values, {_STATES: self.starts})[_STATES]
            states["starts_on"] = [moment.date() for moment in pd.to_datetime(states["as_of"])]
            merged = self.rows[["starts_on", "account_id"]].merge(states, on=["starts_on", "account_id"], how="left")
            self._tiers[key] = merged[TIER].fillna("").to_numpy()
        return self._tiers[key]

    def strain(self, values: Values) -> tuple[float, float]:
        """People needed today, and moves between tiers per account and month."""
        key = tuple(values.values())
        if key not in self._strains:
            tables = self._tables(values, {_DEMAND: [self.day], _GRID: self.mondays})
            [tiers, _] = stability(tables[_GRID], tables[_GRID], self.mondays)
            people = round(float(tables[_DEMAND]["required_fte"].sum()), 6)
            self._strains[key] = people, tiers.monthly_share.before or 0.0
        return self._strains[key]

    def _tables(self, values: Values, needs: Mapping[str, Sequence[date]]) -> dict[str, pd.DataFrame]:
        policy = load_policy(self.file, changes=[Change(name, value) for name, value in values.items()])
        reached = touched(changed_sections(self.production, policy))
        tables = {
            name: self.trial.published(name, days, _COLUMNS[name])
            for name, days in needs.items()
            if name not in reached
        }
        wanted = {name: days for name, days in needs.items() if name in reached}
        return {**tables, **self.trial.computed(policy, reached, wanted, _COLUMNS)} if wanted else tables

    def judged(self, before: Values, best: Values, limits: Limits, tried: int) -> Tuning:
        """The best values against production's on the last window."""
        early = (self.rows["starts_on"] < self.starts[-1]).to_numpy()
        tiers = [self.tiers(values) for values in (before, best)]
        learned = [means_of(each[early], *_outcome(self.rows.loc[early])) for each in tiers]
        later = self.rows.loc[~early]
        saved = [
            saved_error(each[~early], *_outcome(later), *means) for each, means in zip(tiers, learned, strict=True)
        ]
        gain, low, high = gain_of(
            tiers[0][~early], tiers[1][~early], later, (learned[0], learned[1]), self.production.backtest
        )
        people, moves = self.strain(best)
        return Tuning(
            self.day, self.outcome, limits, before, best, tried, self.starts[-1], self.starts[-1],
            (self.fit(before) or 0.0, self.fit(best) or 0.0), (saved[0], saved[1]), gain, low, high,
            len(later), self.production.backtest.confidence, people, moves,
        )  # fmt: skip


def _windows(accounts: pd.DataFrame, outcome: str, day: date) -> pd.DataFrame:
    """The rows of the short windows with `value`, what a tier should tell, and `weight`."""
    rows: Any = accounts.loc[(accounts["window_months"] == accounts["window_months"].min()).to_numpy()]
    starts = pd.to_datetime(rows["starts_on"]).dt.date
    if starts.nunique() < 2:
        raise TooLittleHistory(
            f"the backtest of {day} has fewer than two short windows: nothing would judge a search"
        )
    change = (rows["end_arr"] / rows["start_arr"]).clip(upper=_HIGHEST_NRR)
    value = change if outcome == NRR else rows["has_left"].astype("float64")
    weight = rows["start_arr"] if outcome == NRR else 1.0
    rows = rows.assign(starts_on=starts, value=value, weight=weight)
    return rows.sort_values(["starts_on", "account_id"], ignore_index=True)


def _outcome(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    return rows["value"].to_numpy("float64"), rows["weight"].to_numpy("float64")


def _saved(tiers: Any, rows: pd.DataFrame) -> float:
    return saved_error(tiers, *_outcome(rows), *means_of(tiers, *_outcome(rows)))


def fragment(values: Values) -> str:
    """The values as YAML, to put into a policy file."""
    import yaml  # noqa: PLC0415 - only a proposal needs it

    nested: dict[str, Any] = {}
    for name, value in values.items():
        *above, last = name.split(".")
        place = nested
        for key in above:
            place = place.setdefault(key, {})
        place[last] = int(value) if float(value).is_integer() else value
    return yaml.safe_dump(nested, sort_keys=False)
