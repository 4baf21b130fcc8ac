"""Rows as text: exact where machines read them, safe where a spreadsheet does, short where people do."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.reading.rows import write_csv, write_json

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)


def as_csv(header, rows) -> str:
    target = io.StringIO(newline="")
    write_csv(header, rows, target)
    return target.getvalue()


def as_json(header, rows) -> str:
    target = io.StringIO()
    write_json(header, rows, target)
    return target.getvalue()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-5 %", "'-5 %"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("plain", "plain"),
        ("a,b", '"a,b"'),
        ('say "so"', '"say ""so"""'),
        (-5, "-5"),
        (-0.1, "-0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e22, "1e+22"),
        (True, "true"),
        (None, ""),
        (date(2026, 3, 31), "2026-03-31"),
        (datetime(2026, 3, 31, 6, 0, 5), "2026-03-31T06:00:05"),  # noqa: DTZ001 - as stored
    ],
)
def test_cells_of_csv(value, cell: str):
    assert as_csv(["x", "y"], [[value, 0]]) == f"x,y\n{cell},0\n"


@given(st.lists(st.tuples(TEXT, st.floats(allow_nan=False), st.none() | st.integers()), max_size=5))
def test_csv_reads_back_but_for_the_apostrophe(rows):
    back = list(csv.reader(io.StringIO(as_csv(["a", "b", "c"], rows), newline="")))
    assert back[0] == ["a", "b", "c"]
    for (text, number, count), (cell, figure, counted) in zip(rows, back[1:], strict=True):
        assert cell in (text, f"'{text}")
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert float(figure) == number
        assert counted == ("" if count is None else str(count))


@given(st.lists(st.tuples(TEXT, st.floats(), st.none() | st.booleans() | st.integers()), max_size=5))
def test_json_reads_back(rows):
    back = json.loads(as_json(["a", "b", "c"], rows))
    assert back == [
        {"a": text, "b": number if math.isfinite(number) else None, "c": other} for text, number, other in rows
    ]


def test_json_of_nothing_is_an_empty_list():
    assert json.loads(as_json(["a"], [])) == []


def test_json_has_a_row_per_line_and_dates_as_text():
    text = as_json(["day"], [[date(2026, 3, 31)], [None]])
    assert text == '[\n{"day": "2026-03-31"},\n{"day": null}\n]\n'


def printed(width: int, header, rows, **options) -> tuple[str, int]:
    console = Console(file=io.StringIO(), width=width)
    hidden = print_table(console, header, rows, **options)
    return console.file.getvalue(), hidden


def test_a_table_shows_the_columns_that_fit_whole():
    header = [f"column_{i}" for i in range(10)]
    rows = [[f"value {i} {j}" for i in range(10)] for j in range(3)]
    text, hidden = printed(40, header, rows)
    assert 0 < hidden < 10
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 40
    assert f"column_{9 - hidden}" in text
    assert f"column_{10 - hidden}" not in text
    wide, none = printed(400, header, rows)
    assert none == 0
    assert "value 9 2" in wide


def test_one_column_is_always_shown():
    text, hidden = printed(20, ["a", "b"], [["x" * 60, "y"]])
    assert hidden == 1
    assert "…" in text


def test_markup_in_data_is_only_text():
    text, _ = printed(80, ["a"], [["[red]not red[/]"]], title="x")
    assert "[red]not red[/]" in text
