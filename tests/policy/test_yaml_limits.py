"""Files that are made to exhaust whoever reads them get a message, quickly; long honest ones are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmentation_assets.policy.lines import read_with_lines

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, ":6: not readable as YAML: more than 1,000,000 parts"),
        ("a: &a\n  b: *a\n", ":1: not readable as YAML: an alias of what it stands in"),
        ("a: " + "[" * 100_000, ":1: not readable as YAML: exceeded maximum nesting depth"),  # libyaml's own limit
        ("a: " + "{b: " * 50 + "1" + "}" * 50, ":1: not readable as YAML: more than 40 levels"),
    ],
)
def test_what_would_never_end_is_refused(tmp_path: Path, text: str, says: str):
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match="YAML") as refused:
        read_with_lines(file, "anything", ValueError)
    assert str(refused.value) == f"{file}{says}"


def test_aliases_and_twenty_thousand_words_are_read(tmp_path: Path):
    file = tmp_path / "x.yaml"
    words = "".join(f"  word{number}: value{number % 7}\n" for number in range(20_000))
    file.write_text(f"first: &words\n{words}second: *words\n")
    value, lines = read_with_lines(file, "words", ValueError)
    assert value["second"]["word19999"] == value["first"]["word19999"] == "value0"
    assert lines["first", "word19999"] == f"{file}:20001"
