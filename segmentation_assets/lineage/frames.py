"""Which input columns change which columns of a function of frames: what `frames.json` says of today's code.

Here: the file. Not here: finding out what stands in it: `python -m tests.lineage.observing` changes one input column
after another, on a small company, and sees what else changes. Nor what lineage makes of it (`tracing`).
Functions that nobody has observed yet have lists from before, written by hand, and no `code`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.code_hashes import code_version

FILE = Path(__file__).with_name("frames.json")


@dataclass(frozen=True)
class Observed:
    """Of one table: the input columns, as `input.column`, that change each column, or which rows there are.

    `code` is the hash of the function that was observed; "" where the sources were written by hand and nobody has
    observed the function yet. `unseen` are input columns that the code names and that
    changed nothing. A ledger's own entries are its input `booked`.
    """

    code: str
    rows: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    unseen: Sequence[str] = ()


def code_of(spec: TableSpec) -> str:
    """Hash of a function and of all that it names, the contracts of its inputs among them."""
    assert spec.function is not None
    return code_version(spec.function)


def observed(spec: TableSpec) -> Observed | None:
    """What was seen of a table; None where nobody observed it yet.

    It may be of code that was changed since (`is_changed`). A test then tries whether it still holds.
    """
    return read(FILE).get(spec.name)


def is_changed(spec: TableSpec) -> bool:
    """Whether the function is another than the one that was observed."""
    one = observed(spec)
    return one is None or one.code != code_of(spec)


@cache
def read(file: Path) -> Mapping[str, Observed]:
    """All that the file says, by table."""
    return {name: Observed(**value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}


def write(file: Path, tables: Mapping[str, Observed]) -> None:
    """Write the file anew, tables in order, one column to a line."""
    texts = [f"{json.dumps(name)}: {_text(one)}" for name, one in sorted(tables.items())]
    file.write_text("{\n" + ",\n".join(texts) + "\n}\n", encoding="utf-8")
    read.cache_clear()


def _text(one: Observed) -> str:
    columns = ",\n".join(f"    {json.dumps(name)}: {json.dumps(sources)}" for name, sources in one.columns.items())
    return (
        f'{{\n  "code": {json.dumps(one.code)},\n  "rows": {json.dumps(one.rows)},\n'
        f'  "unseen": {json.dumps(one.unseen)},\n  "columns": {{\n{columns}\n  }}\n}}'
    )
