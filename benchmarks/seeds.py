"""Whether segments hold up on companies other than the demo: four seeds, their moves, their NRR, their churn.

Here: the figures behind the exit bands and `stability.min_stay_weeks` (docs/policy.md). Not here: how fast it all is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.demo import command_output
from benchmarks.figures import Figure, Findings, Scale
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.policy.segments import AT_RISK, SEGMENTS
from segmentation_assets.segments.encoding import InputDays, accounts_of
from segmentation_assets.segments.grid import _rules, _walk
from segmentation_assets.segments.stability import State
from segmentation_assets.tables.registry import AS_OF
from segmentation_assets.warehouse.packs import whole_sql

COMPANIES = {7: (400, 25), 11: (200, 12), 23: (200, 12), 42: (200, 12)}
"""By seed: live accounts, and users of an account on the mean. Seed 7 is the demo's company."""
DAYS = 730
END, EARLIER = date(2026, 11, 27), date(2026, 5, 31)
STARTS = (date(2025, 6, 2), date(2025, 9, 1), date(2025, 11, 24))
"""Three Mondays; NRR is that of the 52 weeks after each, by the segment on that day."""
ORDER = ("Strategic", "Growth", "Efficient", "Long-Tail")
MOST_CHANGES, MOST_MOVES = 0.06, 3
"""Aims: share of accounts that change segment in four weeks, without At-Risk; changes of one account in a year."""
_YEAR, _MONTH = 52, 4
_RISK = SEGMENTS.index(AT_RISK)


@dataclass(frozen=True)
class Walk:
    """Segments of every account after each Monday: arrays of weeks x accounts."""

    mondays: Sequence[date]
    segment: np.ndarray
    is_live: np.ndarray
    arr: np.ndarray

    @property
    def changes(self) -> np.ndarray:
        """Weeks x accounts of the last year: the segment is another than the week before, neither being At-Risk."""
        before, after = self.segment[:-1], self.segment[1:]
        both = self.is_live[:-1] & self.is_live[1:]
        return (both & (before != after) & (before != _RISK) & (after != _RISK))[-_YEAR:]

    def changes_in_four_weeks(self) -> list[float]:
        """Share of the live accounts that change segment, for each four weeks of the last year."""
        changes, live = self.changes, self.is_live[-_YEAR:]
        months = [slice(i, i + _MONTH) for i in range(0, len(changes), _MONTH)]
        return [float(changes[m].any(0).sum() / max(live[m].any(0).sum(), 1)) for m in months]

    def retained(self, start: date) -> Mapping[str, tuple[float, float, int]]:
        """By segment on `start`: its ARR, what these accounts pay 52 weeks later, and how many they are."""
        first, last = self.mondays.index(start), self.mondays.index(start + timedelta(weeks=_YEAR))
        arr, later = self.arr[first], self.arr[last] * self.is_live[last]
        groups = {
            name: self.is_live[first] & (self.segment[first] == code) & (arr > 0)
            for code, name in enumerate(SEGMENTS)
        }
        return {n: (float(arr[g].sum()), float(later[g].sum()), int(g.sum())) for n, g in groups.items()}


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """Four companies (of 60 accounts in a quick check), two runs each; NRR and churn by seed in the details."""
    figures, details = [], []
    for seed, (accounts, users) in COMPANIES.items():
        tell(f"seed {seed}")
        home = company(folder / f"seed{seed}", seed, 60 if scale.quick else accounts, users)
        seen, lines = result(home, load_policy())
        figures += [Figure(f"seed {seed}: {name}", value, at_most=at_most) for name, value, at_most in seen]
        details += [f"seed {seed}: {line}" for line in lines]
    return Findings(figures, details)


def company(folder: Path, seed: int, accounts: int, users: int) -> Path:
    """A home with two runs on a company of this seed: on its last day, and half a year before."""
    home, sample = folder / "home", folder / "sample"
    command_output(
        home, "generate", str(sample), "--accounts", str(accounts), "--days", str(DAYS),
        "--users-per-account", str(users), "--seed", str(seed), "--end", str(END),
    )  # fmt: skip
    tables = "+segment_moves or +segment_kpis or +risk_calibration_summary or +expansion_scores"
    for day, select in ((END, tables), (EARLIER, "+segments")):
        command_output(
            home, "run", "--sources", str(sample / "sources.yaml"), "--as-of", str(day), "--select", select
        )
    return home


def result(home: Path, policy: Policy) -> tuple[list[tuple[str, float, float | None]], list[str]]:
    """Figures (name, value, at most) of a home, and lines on NRR, calibration and lookalike."""
    walk = walked(home, policy)
    months = walk.changes_in_four_weeks()
    each = walk.changes.sum(0)
    figures = [
        ("change segment in four weeks, mean of a year", float(np.mean(months)), MOST_CHANGES),
        ("changes of one account in a year, most", float(each.max()), MOST_MOVES),
    ]
    return figures, [*_nrr_lines(walk), *_table_lines(home)]


def walked(home: Path, policy: Policy) -> Walk:
    """The weekly grid walked over all Mondays that the home has in a row, under a policy."""
    query = whole_sql(home, "segment_inputs", AS_OF)
    with duckdb.connect() as connection:
        inputs = connection.execute(query).df()
    inputs["as_of"] = pd.to_datetime(inputs["as_of"]).astype("datetime64[s]")
    rules = _rules(policy.segment_rules, policy.behavioral, policy.tier, policy.stability)
    accounts = accounts_of(inputs["account_id"])
    days = InputDays(inputs, accounts, rules.book)
    mondays = _in_a_row(sorted({moment.date() for moment in inputs["as_of"].unique()}))
    states: list[State] = [state for _, state in _walk(days, mondays, None, rules)]
    arr = [np.nan_to_num(days.at(np.datetime64(monday)).arr) for monday in mondays]
    return Walk(
        mondays, np.array([s.segment.state for s in states]), np.array([s.is_live for s in states]), np.array(arr)
    )


def _in_a_row(days: Sequence[date]) -> list[date]:
    """The last Mondays without a gap."""
    mondays = [day for day in days if day.weekday() == 0]
    row = [mondays[-1]]
    while row[0] - timedelta(weeks=1) in mondays:
        row.insert(0, row[0] - timedelta(weeks=1))
    return row


def _nrr_lines(walk: Walk) -> list[str]:
    """NRR by segment from each start date, and over all three, with the number of accounts behind each."""
    sums = {name: np.zeros(3) for name in SEGMENTS}
    lines = []
    for start in STARTS:
        retained = walk.retained(start)
        lines.append(f"NRR of the year from {start}: {_by_segment(retained)}")
        for name, row in retained.items():
            sums[name] += row
    lines.append(f"NRR of the three years: {_by_segment(sums)}")
    return lines


def _by_segment(sums: Mapping[str, Any]) -> str:
    parts = []
    for name in (*ORDER, AT_RISK):
        start, end, accounts = sums[name]
        parts.append(f"{name} {end / start:.3f} (n {int(accounts)})" if start else f"{name} none")
    return ", ".join(parts)


def _table_lines(home: Path) -> list[str]:
    """Predicted against observed leavers; lookalike against the base rate; how much the expansion score wobbles."""

    def one(table: str, query: str) -> tuple[Any, ...]:
        files = f"({whole_sql(home, table, AS_OF)})"
        with duckdb.connect() as connection:
            return connection.execute(query.format(files=files)).fetchall()[0]

    churn = one(
        "risk_calibration",
        f"SELECT sum(predicted_leavers), sum(leavers), sum(predicted_arr_lost), sum(arr_lost), "
        f"sqrt(sum(arr_lost_deviation ** 2)) FROM {{files}} WHERE as_of = '{END}'",
    )
    alike = one(
        "expansion_scores",
        "SELECT avg(lookalike), avg(lookalike_base_rate), avg((lookalike >= 0.5)::INT), "
        f"avg((lookalike_lift > 1)::INT) FROM {{files}} WHERE as_of = '{END}' AND lookalike IS NOT NULL",
    )
    wobble = one(
        "segment_inputs",
        "SELECT quantile_cont(abs(now - before), [0.5, 0.9]) FROM (SELECT as_of, expansion_score AS now, "
        "lag(expansion_score) OVER w AS before, lag(as_of) OVER w AS last FROM {files} WHERE isodow(as_of) = 1 "
        "WINDOW w AS (PARTITION BY account_id ORDER BY as_of)) WHERE as_of - last = 7",
    )
    return [
        f"leavers predicted {churn[0]:.1f}, observed {churn[1]}: {churn[0] / churn[1]:.2f}; ARR lost predicted "
        f"{churn[2]:,.0f}, observed {churn[3]:,.0f}: {churn[2] / churn[3]:.2f}, "
        f"{(churn[2] - churn[3]) / churn[4]:.1f} standard deviations",
        f"lookalike {alike[0]:.3f} on the mean, base rate {alike[1]:.3f}; at least 0.5: {alike[2]:.0%}, "
        f"above the base rate: {alike[3]:.0%}",
        f"expansion score from Monday to Monday: half change by {wobble[0][0]:.1f} or less, nine of ten by "
        f"{wobble[0][1]:.1f}",
    ]
