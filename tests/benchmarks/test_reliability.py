"""The parts behind `benchmarks/RELIABILITY.md`, small: what must never break does not, and the counts can count."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import doors, inputs, readers
from benchmarks.reliability import keep

READS = 25


def test_readers_see_whole_files_while_they_are_replaced(tmp_path: Path):
    results = {each.way: each for each in readers.read(tmp_path, READS)}
    assert {*readers.UNPROMISED} < {*results}
    must = [each for name, each in results.items() if name not in readers.UNPROMISED]
    assert len(must) == 6
    assert [(each.way, each.reads, each.failed, each.mixed, each.error) for each in must] == [
        (each.way, READS, 0, 0, "") for each in must
    ]


def test_broken_inputs_end_in_reasons(tmp_path: Path):
    results = inputs.try_many(tmp_path, 3, seed=2)
    assert [(each.what, each.traceback) for each in results if each.traceback] == []


def test_a_traceback_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(_: Path) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(inputs, "read_sources", broken)
    text, is_sound = inputs.section(tmp_path, 1, seed=1)
    assert ("1 tracebacks" in text, "a mistake of ours" in text, is_sound) == (True, True, False)


def test_no_request_without_every_right_comes_through():
    tried, opened, shut = doors.requests()
    assert tried > 7000
    assert (opened, shut) == (0, 0)


def test_a_section_takes_the_place_of_its_last_one(tmp_path: Path):
    file = tmp_path / "results.md"
    for text in ("## Readers: `x`\n\nfirst", "## Kills: `y`\n\nold", "## Kills: `y`\n\nnew"):
        keep(text, file)
    words = file.read_text()
    assert words.count("## ") == 2
    assert words.index("## Kills: `y`\n\nnew") < words.index("## Readers: `x`\n\nfirst")
    assert "old" not in words
