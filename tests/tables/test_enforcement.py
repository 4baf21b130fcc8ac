"""The compiled verdict against pandera's own, on frames of every kind of mistake."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segmentation_assets.tables.contracts import (
    Contract,
    Day,
    Flag,
    Integer,
    Moment,
    column,
    ibis_schema,
    row_rule,
    schema_of,
)
from segmentation_assets.tables.enforcement import Verdict, enforce, rules

BACKEND = ibis.duckdb.connect()


class Everything(Contract):
    """One column per kind of rule."""

    key: str = column("k", str_length={"min_value": 1, "max_value": 3})
    part: Integer = column("p", nullable=True)
    at_least: float = column("a", ge=0)
    above: float = column("b", gt=0, nullable=True)
    at_most: float = column("c", le=1, nullable=True)
    below: float = column("d", lt=1, nullable=True)
    share: float = column("e", nullable=True, in_range={"min_value": 0, "max_value": 1})
    inside: float = column(
        "f",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1, "include_min": False, "include_max": False},
    )
    count: Integer = column("g", ge=0, le=10)
    unequal: Integer = column("h", nullable=True, ne=5)
    equal: Integer = column("i", nullable=True, eq=3)
    word: str = column("j", nullable=True, isin=["red", "green"])
    not_word: str = column("k", nullable=True, notin=["red", "green"])
    matched: str = column("l", nullable=True, str_matches=r"[a-c]+|x")
    contained: str = column("m", nullable=True, str_contains=r"b{2}")
    starts: str = column("n", nullable=True, str_startswith="a.")
    ends: str = column("o", nullable=True, str_endswith="z")
    flag: Flag = column("p")
    maybe: Flag = column("q", nullable=True, eq=True)
    day: Day = column("r", nullable=True)
    moment: Moment = column("s", nullable=True)
    low: float = column("t", nullable=True)
    high: float = column("u", nullable=True)

    @row_rule
    def low_not_above_high(cls, t: ir.Table) -> ir.BooleanValue:
        """A row rule."""
        return t.low.isnull() | t.high.isnull() | (t.low <= t.high)

    class Config:
        unique = ["key", "part"]


FLOATS = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, math.nan, math.inf, -math.inf]))
SMALL = st.one_of(st.none(), st.integers(-1, 11))
TEXT = st.one_of(st.none(), st.sampled_from(["red", "green"]), st.text("abxz.", max_size=4))
KINDS: dict[str, st.SearchStrategy] = {
    "float64": FLOATS,
    "int64": SMALL,
    "string": TEXT,
    "boolean": st.sampled_from([None, True, False]),
    "date": st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2026, 1, 1))),
    "timestamp('us')": st.none() | st.just(datetime.fromisoformat("2026-01-01T10:00:00")),
}
GOOD: dict[str, Any] = {
    **dict(key="a", part=1, at_least=0.0, above=0.5, at_most=1.0, below=0.5, share=1.0, inside=0.5, count=10),
    **dict(unequal=4, equal=3, word="red", not_word="x", matched="abc", contained="abb", starts="a.", ends="z"),
    **dict(flag=False, maybe=True, day=date(2026, 1, 1), moment=None, low=1.0, high=1.0),
}


def strategy(name: str) -> st.SearchStrategy:
    kind = str(ibis_schema(Everything)[name])
    return KINDS.get(kind, KINDS["timestamp('us')"])


# `part` numbers the rows. Mostly good rows with a few columns at random: pure noise breaks everything and tells
# nothing apart.
ROWS = st.lists(
    st.dictionaries(st.sampled_from(sorted(set(GOOD) - {"part"})), st.none(), max_size=2).flatmap(
        lambda names: st.fixed_dictionaries({name: strategy(name) for name in names})
    ),
    min_size=30,
    max_size=60,
)


def frame_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    full = [{**GOOD, "part": number, **row} for number, row in enumerate(rows)]
    arrow = pa.table(
        {name: [row[name] for row in full] for name in GOOD}, schema=ibis_schema(Everything).to_pyarrow()
    )
    frame = arrow.to_pandas(integer_object_nulls=True)
    kinds = {n: "Int64" for n, t in ibis_schema(Everything).items() if t.is_integer()}
    kinds |= {n: "boolean" for n, t in ibis_schema(Everything).items() if t.is_boolean()}
    return frame.astype(kinds)


def rows_pandera_refuses(frame: pd.DataFrame) -> set[int]:
    """Rows that pandera itself refuses, and those with a number that is not finite, which no pandera range says."""
    infinite = np.isinf(frame.select_dtypes("float64").to_numpy()).any(axis=1)
    refused = set(np.flatnonzero(infinite).tolist())
    try:
        schema_of(Everything).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        refused |= {int(i) for i in error.failure_cases["index"]}
    return refused


def rows_refused(frame: pd.DataFrame) -> set[int]:
    """Rows that break any compiled rule but the key's."""
    table = table_of(frame.assign(row=range(len(frame))), ibis.schema({**ibis_schema(Everything), "row": "int64"}))
    holds = ibis.and_(*(rule.holds for rule in rules(Everything, table)))
    return set(BACKEND.execute(table.filter(~holds).row).tolist())


def table_of(frame: pd.DataFrame, schema: ibis.Schema) -> ir.Table:
    """Nulls as pandas tells them: a missing number is NaN there and null here."""
    return ibis.memtable(pa.Table.from_pandas(frame, schema=schema.to_pyarrow(), preserve_index=False))


def compiled(frame: pd.DataFrame) -> Verdict:
    return enforce(Everything, table_of(frame, ibis_schema(Everything)), BACKEND.execute)


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking: minutes
@given(ROWS)
def test_both_refuse_the_same_rows(rows: list[dict[str, Any]]):
    frame = frame_of(rows)
    assert rows_refused(frame) == rows_pandera_refuses(frame)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(0, 3)), max_size=4))
def test_both_refuse_the_same_repeated_keys(keys: list[tuple[str, int | None]]):
    frame = frame_of([{"key": key, "part": part} for key, part in keys])
    assert compiled(frame).passed == (not rows_pandera_refuses(frame)) == (len(set(keys)) == len(keys))


def test_good_rows_pass_both():
    frame = frame_of([{}, {"part": None}])
    assert not rows_pandera_refuses(frame)
    assert compiled(frame) == Verdict(2)


# What breaks, and the one rule it breaks.
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"key": None}, "key: not null"),
    ({"key": ""}, "key: str_length 1, 3"),
    ({"key": "abcd"}, "key: str_length 1, 3"),
    ({"at_least": None}, "at_least: not null"),
    ({"at_least": -0.001}, "at_least: greater_than_or_equal_to 0"),
    ({"above": 0.0}, "above: greater_than 0"),
    ({"at_most": 1.5}, "at_most: less_than_or_equal_to 1"),
    ({"below": 1.0}, "below: less_than 1"),
    ({"share": 1.0001}, "share: in_range 0, 1"),
    ({"inside": 0.0}, "inside: in_range 0, 1, False, False"),
    ({"low": -math.inf}, "low: finite"),
    ({"count": 11}, "count: less_than_or_equal_to 10"),
    ({"unequal": 5}, "unequal: not_equal_to 5"),
    ({"equal": 4}, "equal: equal_to 3"),
    ({"word": "blue"}, "word: isin ['red', 'green']"),
    ({"not_word": "red"}, "not_word: notin ['red', 'green']"),
    ({"matched": "dab"}, "matched: str_matches [a-c]+|x"),
    ({"contained": "ab"}, "contained: str_contains b{2}"),
    ({"starts": "ab"}, "starts: str_startswith a."),
    ({"ends": "zz."}, "ends: str_endswith z"),
    ({"flag": None}, "flag: not null"),
    ({"maybe": False}, "maybe: equal_to "),
    ({"low": 2.0}, "low_not_above_high"),
]


def test_each_broken_rule_is_named_and_counted():
    frame = frame_of([{}, *(change for change, _ in BROKEN), {}])
    verdict = compiled(frame)
    assert verdict.broken == Counter(rule for _, rule in BROKEN)
    assert verdict.rows == len(BROKEN) + 2
    assert len(rows_pandera_refuses(frame)) == len(BROKEN)


def test_the_sample_is_of_the_broken_rows():
    verdict = compiled(frame_of([{}, {"word": "blue"}, {}]))
    assert [(row["part"], row["word"]) for row in verdict.sample] == [(1, "blue")]
    assert verdict.describe().startswith("word: isin ['red', 'green']: 1 of 3 rows; e.g. {")


def test_nan_that_is_no_null_is_not_finite():
    table = ibis.memtable(pa.table({n: [GOOD[n]] for n in GOOD}, schema=ibis_schema(Everything).to_pyarrow()))
    nan = table.mutate(share=ibis.literal(math.nan))
    assert enforce(Everything, nan, BACKEND.execute).broken == {"share: finite": 1, "share: in_range 0, 1": 1}


def test_repeated_keys_are_counted_and_shown_nulls_alike():
    verdict = compiled(frame_of([{"part": None}, {"part": None}, {"part": 1}, {"part": 1}, {"part": 1}]))
    assert verdict.broken == {"key (key, part): unique": 3}
    assert {(row["key"], row["repeated"]) for row in verdict.sample} == {("a", 2), ("a", 3)}


def test_an_empty_table_keeps_every_rule():
    assert compiled(frame_of([])) == Verdict(0)


def test_a_check_without_a_compiled_form_is_refused():
    class Odd(Contract):
        """A check that the compiler does not know."""

        value: float = column("v", unique_values_eq=[1.0])

    table = ibis.memtable({"value": [1.0]})
    with pytest.raises(NotImplementedError, match=r"Odd\.value: check unique_values_eq cannot be compiled"):
        list(rules(Odd, table))


class OneWord(Contract):
    """A column that allows a single word."""

    word: str = column("w", isin=("red",))


def test_one_allowed_word_is_the_word_and_not_its_letters():
    broken = enforce(OneWord, ibis.memtable({"word": ["red", "r"]}), BACKEND.execute).broken
    assert broken == {"word: isin ['red']": 1}
