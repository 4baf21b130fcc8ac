"""Explainable scores: a score is the sum of its parts, and its table stores the points of each part.

Here: the scales that turn a raw input into 0-100, the ways to combine parts into a score (`weigh`, `add_up`,
`adjust`), and `contributions`, which turns stored points into rows. Not here: the parts of any score (each score's
module) or any number (policy).

The convention between the score tables and `score_contributions`
- A score's module has `parts(policy)`: name, weight, raw input and value of each part. The score and its explanation
  both use it.
- The score's table has one nullable float column `<part>_points` per part: the points that the part adds to the
  score, after the weights of absent parts went to the others. Null = the part is absent. Part names are unique within
  a table.
- The points of a row sum to its score to 1e-9. A null score has null points only.
- A cap or a multiplier is a part, too (`adjust`): the difference it makes.
- The module's `contributions(scores, <the inputs of the table's function>, policy)` returns rows of
  `score_contributions` (columns `CONTRIBUTION_COLUMNS`). That table is their union and computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add, or_
from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import Scale, WordPoints
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, column

KEY = SNAPSHOT_KEY
CONTRIBUTION_COLUMNS = (*KEY, "score", "part", "raw_number", "raw_text", "weight", "points")
TOP = 100.0


@dataclass(frozen=True)
class Part:
    """One part of a score.

    `raw` is the input as people know it (a figure or a word of the account). `value` is its worth: 0-100 in a
    weighted score, points in a sum. Both are computed from a row of the score's inputs. `weight` is the policy's. A
    part of `adjust` has neither weight nor value.
    """

    name: str
    weight: float | None
    raw: Callable[[ir.Table], ir.Value]
    value: Callable[[ir.Table], ir.Value] | None = None

    @property
    def column(self) -> str:
        """The column of the part's points in the score's table."""
        return f"{self.name}_points"


def points(part: str) -> Any:
    """The contract column of a part's points; `part` begins the description."""
    return column(f"{part}: points that it adds to the score; null if absent.", unit="points", nullable=True)


def score_column(description: str) -> Any:
    """The contract column of a 0-100 score; null if no part of it is known."""
    return column(description, unit="score", nullable=True, in_range={"min_value": 0, "max_value": 100})


def on_scale(value: ir.Value, scale: Scale) -> ir.Value:
    """Points of a number: linear between the scale's knots, constant beyond them; null stays null."""
    value = value.cast("float64")
    lines = [(value < x1, y0 + (value - x0) * ((y1 - y0) / (x1 - x0))) for (x0, y0), (x1, y1) in pairwise(scale)]
    (lowest, at_lowest), (_, at_highest) = scale[0], scale[-1]
    points = ibis.cases((value <= lowest, at_lowest), *lines, else_=at_highest)
    return ibis.ifelse(value.notnull(), points, ibis.null("float64"))


def of_word(value: ir.Value, words: WordPoints) -> ir.Value:
    """Points of a word, whatever its case. A word that the policy does not list gets `other`; null stays null."""
    word = value.strip().lower()
    named = [(word == name.strip().lower(), points) for name, points in words.points.items()]
    points = ibis.cases(*named, else_=words.other) if named else ibis.literal(words.other)
    return ibis.ifelse(value.notnull(), points, ibis.null("float64"))


def mean_of(values: Sequence[ir.Value]) -> ir.Value:
    """Mean of the known values; null if none is known."""
    count = reduce(add, [value.notnull().cast("int64") for value in values])
    return _sum_of_known(values) / count.nullif(0)


def weigh(rows: ir.Table, score: str, parts: Sequence[Part], keep: Sequence[str] | None = None) -> ir.Table:
    """`rows` with the points of each part and the score: the weighted mean of the known values (0-100).

    The weights of absent parts go to the present ones in proportion. Without any part the score is null. `keep` lists
    the columns of `rows` to keep beside the key, because wide tables are slow. None keeps all.
    """
    return weigh_each(rows, {score: parts}, keep)


def weigh_each(rows: ir.Table, scores: Mapping[str, Sequence[Part]], keep: Sequence[str] | None = None) -> ir.Table:
    """`weigh` for several scores in one step. No score may be an input of another."""
    columns = rows.columns if keep is None else (*KEY, *keep)
    all_parts = [part for parts in scores.values() for part in parts]
    valued = rows.select(*columns, **{part.column: _value(part, rows) for part in all_parts})
    results: dict[str, ir.Value] = {}
    for score, parts in scores.items():
        weights = _present_weight([(valued[part.column], part.weight) for part in parts])
        for part in parts:
            results[part.column] = valued[part.column] * _weight(part) / weights
        results[score] = _weighted_mean(valued, parts, weights)
    return valued.mutate(**results)


def add_up(rows: ir.Table, score: str, parts: Sequence[Part]) -> ir.Table:
    """`rows` with the points of each part and their sum: log-odds. A value that is not known adds 0."""
    valued = rows.mutate(**{p.column: _value(p, rows).fill_null(0.0) for p in parts})
    return valued.mutate(**{score: reduce(add, [valued[p.column] for p in parts])})


def adjust(rows: ir.Table, score: str, part: str, to: ir.Value) -> ir.Table:
    """`rows` with the score set to `to` (after a cap or a multiplier) and `<part>_points` = the difference.

    The part is 0 if nothing changes and null if the score or `to` is null. A null `to` leaves the score unchanged.
    """
    moved = rows.mutate(**{f"{part}_points": (to - rows[score]).cast("float64")})
    return moved.mutate(**{score: moved[score] + moved[f"{part}_points"].fill_null(0.0)})


def contributions(
    scores: ir.Table, inputs: ir.Table, score: str, parts: Sequence[Part], *, shared_weights: bool = True
) -> ir.Table:
    """The stored parts of a score, one row per as_of, account, score and part; absent parts have no row.

    `inputs` is the table that the parts' inputs come from. `weight` is the share among the present parts (so points =
    weight x value), or with `shared_weights=False` the policy's weight; null for adjustments.
    """
    stored = scores.select(*KEY, *(part.column for part in parts))
    raw = inputs.select(*KEY, **{_raw(part): part.raw(inputs) for part in parts})
    rows = raw.view().inner_join(stored.view(), list(KEY))
    total = _present_weight([(rows[p.column], p.weight) for p in parts]) if shared_weights else None
    entries = ibis.array([_entry(rows, p, total) for p in parts])
    long = rows.select(*KEY, entry=entries.unnest())
    fields = {name: long.entry[name] for name in CONTRIBUTION_COLUMNS if name not in (*KEY, "score")}
    rows = long.select(*KEY, score=ibis.literal(score), **fields)
    return rows.filter(rows.points.notnull()).select(*CONTRIBUTION_COLUMNS)


def _entry(rows: ir.Table, part: Part, total: ir.Value | None) -> ir.Value:
    raw = rows[_raw(part)]
    is_number = raw.type().is_numeric()
    weight = ibis.null("float64") if part.weight is None else ibis.literal(float(part.weight))
    return ibis.struct(
        {
            "part": ibis.literal(part.name),
            "raw_number": raw.cast("float64") if is_number else ibis.null("float64"),
            "raw_text": ibis.null("string") if is_number else _text(raw),
            "weight": weight if total is None else weight / total,
            "points": rows[part.column],
        }
    )


def _raw(part: Part) -> str:
    return f"{part.name}_raw"


def _text(raw: ir.Value) -> ir.Value:
    if not raw.type().is_boolean():
        return raw.cast("string")
    word = ibis.ifelse(raw, "yes", "no")
    return ibis.ifelse(raw.notnull(), word, ibis.null("string"))


def _value(part: Part, rows: ir.Table) -> ir.Value:
    if part.value is None:
        raise ValueError(f"part {part.name} has no value: only adjustments have none")
    return part.value(rows).cast("float64")


def _weight(part: Part) -> float:
    if part.weight is None:
        raise ValueError(f"part {part.name} has no weight: only adjustments have none")
    return float(part.weight)


def _weighted_mean(valued: ir.Table, parts: Sequence[Part], weights: ir.Value) -> ir.Value:
    total = reduce(add, [valued[part.column].fill_null(0.0) * _weight(part) for part in parts])
    # Rounding noise can lift a mean of full marks above 100.
    return ibis.ifelse(weights.notnull(), ibis.least(total / weights, TOP), ibis.null("float64"))


def _present_weight(points: Iterable[tuple[ir.Value, float | None]]) -> ir.Value:
    # A product with a float and not ifelse: DuckDB 1 makes decimals of ifelse's literals, and their sums overflow.
    shares = [value.notnull().cast("float64") * float(weight or 0) for value, weight in points]
    return reduce(add, shares).nullif(0.0)


def _sum_of_known(values: Sequence[ir.Value]) -> ir.Value:
    is_known = reduce(or_, [value.notnull() for value in values])
    total = reduce(add, [value.cast("float64").fill_null(0.0) for value in values])
    return ibis.ifelse(is_known, total, ibis.null("float64"))
