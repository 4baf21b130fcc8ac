"""The benchmark's parts and verdicts: every part can be measured, a missed target or a failure fails the whole."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks.figures import Figure, Findings, Scale
from benchmarks.parts import PARTS, measured_apart


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_a_measure_and_says_what_it_is(name: str) -> None:
    module = import_module(PARTS[name])
    assert callable(module.measure)
    assert module.__doc__


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (Figure("a", 1.5, at_most=1.5), True),
        (Figure("a", 1.51, at_most=1.5), False),
        (Figure("a", 3, at_least=3), True),
        (Figure("a", 2, at_least=3), False),
        (Figure("a", 4, at_least=3, at_most=3.5), False),
        (Figure("a", float("nan"), at_most=1), False),
        (Figure("a", 7), None),
    ],
)
def test_a_target_is_met_at_the_bound_and_missed_by_what_is_no_number(figure: Figure, expected: bool | None) -> None:
    assert figure.is_met is expected


def test_targets_of_size_are_not_judged_in_a_quick_check() -> None:
    assert Scale(quick=True).at_full(1.5) is None
    assert Scale().at_full(1.5) == 1.5


@pytest.mark.parametrize(
    ("rows", "code", "word"),
    [
        (Findings([Figure("seconds", 2.0, "s", at_most=3)], ["a detail"]), 0, "met"),
        (Findings([Figure("seconds", 4.0, "s", at_most=3)]), 1, "MISSED"),
        (Findings([Figure("seconds", 4.0, "s")]), 0, "4.00 s"),
        ("RuntimeError: it broke", 1, "it broke"),
    ],
)
def test_the_exit_code_says_whether_all_targets_are_met(
    rows: Findings | str, code: int, word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured: list[str] = []

    def measure(name: str, scale: Scale, folder: Path) -> Findings | str:
        measured.append(name)
        return rows

    monkeypatch.setattr(command, "measured_apart", measure)
    output = tmp_path / "figures.json"
    result = CliRunner().invoke(command.main, ["dagster", "location", "--quick", "--output", str(output)])
    assert result.exit_code == code
    assert word in result.output
    assert measured == ["location", "dagster"]
    written = json.loads(output.read_text())
    assert written["scale"]["accounts"] == 400
    assert set(written["parts"]) == {"location", "dagster"}


def test_a_part_that_fails_is_told_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PARTS, "broken", "benchmarks.no_such_module")  # type: ignore[arg-type]
    rows = measured_apart("broken", Scale(), tmp_path / "broken")
    assert isinstance(rows, str)
    assert "KeyError" in rows or "no_such_module" in rows


def test_a_part_nobody_knows_is_wrong_use() -> None:
    assert CliRunner().invoke(command.main, ["nonsense"]).exit_code == 2
