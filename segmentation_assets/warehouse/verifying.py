"""Checking all published files: which are damaged, missing or in the wrong place?

Here: reading every file. Not here: rebuilding one (`building`, `extracts.landing`), or printing (`cli`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from segmentation_assets.tables.registry import AS_OF, Registry, TableSpec
from segmentation_assets.warehouse.packs import is_pack
from segmentation_assets.warehouse.sealing import Seal, seal_of
from segmentation_assets.warehouse.store import FILE, Store, footer, is_damaged

_DAMAGE = {
    Seal.CUT_OFF: "is empty or lacks its end",
    Seal.BROKEN: "is damaged: its bytes do not match its checksum",
}


@dataclass(frozen=True)
class Problem:
    """One file, or one table that lacks its file: what is wrong and what to do."""

    table: str
    file: Path
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.table}: {self.file} {self.what}; {self.advice}"


@dataclass(frozen=True)
class Verified:
    """The result: how many files have a correct checksum, how many have none (older versions), and the problems."""

    whole: int
    unsealed: int
    problems: tuple[Problem, ...]


def verify(
    store: Store,
    registry: Registry,
    progress: Callable[[str], None] | None = None,
    without_days: Collection[str] = (),
) -> Verified:
    """Read every published file. `progress` is called with each table.

    `without_days`: tables that follow the days of an extract and have none, so that nothing of them is missing.
    Raises OSError if a file cannot be opened.
    """
    counts = {Seal.WHOLE: 0, Seal.NONE: 0}
    problems: list[Problem] = []
    for table in store.tables():
        if progress:
            progress(table)
        spec = next((each for each in registry if each.name == table), None)
        for file in sorted(store.all_files(table)):
            state = seal_of(file)
            if state is Seal.NONE and is_damaged(file):
                state = Seal.BROKEN
            what = _DAMAGE.get(state) or (_misplaced(spec, file) if spec else None)
            if what:
                problems.append(Problem(table, file, what, _advice(spec)))
            else:
                counts[state] += 1
    problems += _missing(store, registry, without_days)
    return Verified(counts[Seal.WHOLE], counts[Seal.NONE], tuple(problems))


def _misplaced(spec: TableSpec, file: Path) -> str | None:
    """What is wrong with the place of an undamaged file: it has another day, or is an extra file; else None."""
    if spec.partition is None or is_pack(file):
        return None
    day = file.parent.name.partition("=")[2]
    if file.name != FILE:
        return f"is one file too many: a day of {spec.name} has {FILE} alone, and readers would count its rows twice"
    facts = footer(file)
    days = facts.get("fingerprints", facts.get("drops", {}))
    if days and day not in days:
        return f"says that it is of {', '.join(days)}"
    return None


def _missing(store: Store, registry: Registry, without_days: Collection[str]) -> Iterator[Problem]:
    """Tables without a file that a published table was made from."""
    published = set(store.tables())
    for spec in registry:
        if spec.name in published or spec.name in without_days:
            continue
        readers = [each.name for each in registry.downstream([spec.name]) if each.name in published]
        if readers:
            what = f"is missing, and {', '.join(readers[:3])} {'was' if len(readers) == 1 else 'were'} made from it"
            yield Problem(spec.name, store.published / spec.name, what, _advice(spec))


def _advice(spec: TableSpec | None) -> str:
    if spec is None:
        return "no table of this version has this name: delete the folder if nobody needs it"
    if spec.is_ledger:
        return "it holds booked entries and cannot be rebuilt: put a copy of the file back"
    if spec.is_extract:
        return "the next run that lands it reads its source again; if the source is gone, put a copy of the file back"
    if spec.partition == AS_OF:
        return "the next run that needs this day rebuilds it"
    return "the next run rebuilds it"
