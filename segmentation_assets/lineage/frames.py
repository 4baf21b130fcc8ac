"""Which input columns change which output columns of a function of frames, as observed and kept in `frames.json`.

Here: reading and writing that file. Not here: observing. `python -m tests.lineage.observing` does that: it changes
one input column after another of a small company, and notes which output columns change. Nor deriving lineage from
the file (`tracing`). A function that was not observed yet has lists written by hand, and no `code`.
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
    """One table: the input columns (`input.column`) that change each column, and those that change which rows there
    are.

    `code` is the hash of the observed function. It is "" if the function was not observed yet and the lists were
    written by hand. `unseen` are input columns that the code names but that changed nothing. A ledger's own entries
    are its input `booked`.
    """

    code: str
    rows: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    unseen: Sequence[str] = ()


def code_of(spec: TableSpec) -> str:
    """Hash of a function and of all definitions it names, including the contracts of its inputs."""
    assert spec.function is not None
    return code_version(spec.function)


def observed(spec: TableSpec) -> Observed | None:
    """The file's entry for a table; None if there is none.

    The code may have changed since (`is_changed`). A test then checks whether the entry still holds.
    """
    return read(FILE).get(spec.name)


def is_changed(spec: TableSpec) -> bool:
    """Whether the function changed since it was observed, or was never observed."""
    one = observed(spec)
    return one is None or one.code != code_of(spec)


@cache
def read(file: Path) -> Mapping[str, Observed]:
    """All entries of the file, by table."""
    return {name: Observed(**value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}


def write(file: Path, tables: Mapping[str, Observed]) -> None:
    """Write the whole file: tables in alphabetical order, one column per line."""
    texts = [f"{json.dumps(name)}: {_text(one)}" for name, one in sorted(tables.items())]
    file.write_text("{\n" + ",\n".join(texts) + "\n}\n", encoding="utf-8")
    read.cache_clear()


def _text(one: Observed) -> str:
    columns = ",\n".join(f"    {json.dumps(name)}: {json.dumps(sources)}" for name, sources in one.columns.items())
    return (
        f'{{\n  "code": {json.dumps(one.code)},\n  "rows": {json.dumps(one.rows)},\n'
        f'  "unseen": {json.dumps(one.unseen)},\n  "columns": {{\n{columns}\n  }}\n}}'
    )
