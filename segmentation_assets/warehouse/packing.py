"""Changing packs: taking days out of them, and packing days that have files of their own.

Here: rewriting and adding packs of one table. Not here: reading them (`packs`), or which days are built (`building`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation_assets.tables.registry import AS_OF
from segmentation_assets.warehouse.packs import next_file, packs_of, source_sql
from segmentation_assets.warehouse.planning import facts_of_days
from segmentation_assets.warehouse.store import footer

if TYPE_CHECKING:
    from segmentation_assets.warehouse.engine import Engine

_WORTH_PACKING = 2


def take_out(engine: Engine, table: str, days: Collection[date]) -> None:
    """Remove days from the packs of a table. A pack that has no other days is deleted, and so is a damaged one.

    A damaged pack holds nothing that can be read. Its days are built again when a run needs them.
    """
    store = engine.store
    for pack in packs_of(store.home, table):
        kept = {day: print_ for day, print_ in pack.fingerprints.items() if day not in days}
        if not kept:
            pack.file.unlink(missing_ok=True)
        elif len(kept) < len(pack.fingerprints):
            with store.stage() as folder:
                store.publish(_copied(engine, [pack.file], kept, folder), pack.file)


def pack_old_days(engine: Engine, table: str, before: date) -> int:
    """Pack the days before a day that have files of their own. Returns their number.

    A damaged file stays: the next run that needs its day builds it again. One day alone gains nothing and stays, too.
    """
    days = [day for day in engine.store.days_alone(table, AS_OF) if day < before]
    prints = {day: footer(engine.store.file(table, AS_OF, day)).get("fingerprints", {}).get(str(day)) for day in days}
    whole = {day: print_ for day, print_ in prints.items() if print_}
    if len(whole) < _WORTH_PACKING:
        return 0
    pack_up(engine, table, whole)
    return len(whole)


def pack_up(engine: Engine, table: str, fingerprints: Mapping[date, str]) -> None:
    """Move days that have files of their own into one new pack. `fingerprints` are those of the days.

    The files go when the pack stands. Until then they take precedence, so no reader counts a day twice.
    """
    store = engine.store
    take_out(engine, table, fingerprints.keys())
    files = [store.file(table, AS_OF, day) for day in fingerprints]
    with store.stage() as folder:
        store.publish(_copied(engine, files, fingerprints, folder), next_file(store.home, table))
    for file in files:
        file.unlink()
        file.parent.rmdir()


def _copied(engine: Engine, files: Collection[Path], fingerprints: Mapping[date, str], folder: Path) -> Path:
    """The rows of some days as a staged pack."""
    target = folder / "pack.parquet"
    sql = f"SELECT * FROM ({source_sql(AS_OF, files, fingerprints)}) ORDER BY {AS_OF}"
    engine.write_pack(sql, target, facts_of_days(fingerprints))
    return target
