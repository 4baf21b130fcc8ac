"""A cache of the footers of tables that grow by a day, so that one more day does not mean opening all files.

Here: the cache in `<home>/footers/<table>.json`. Not here: what a footer means (`planning`), or single files
(`store.footer`).

A cached footer counts only while the file has the same inode, size and time of change. So the cache may be lost, old,
or copied from another home: it saves time and never decides anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from segmentation_assets.settings import write_whole
from segmentation_assets.warehouse.store import FILE, Store, footer, rows_in

_FINGERPRINTS = "fingerprints"


@dataclass(frozen=True)
class Footer:
    """The footer of one published day, and its number of rows. Both are empty if the file is damaged."""

    facts: Mapping[str, Any]
    rows: int


def read_footers(store: Store, table: str, partition: str, *, remember: bool = True) -> dict[date, Footer]:
    """All published days of a table, ascending. With `remember=False` nothing is written, for readers."""
    memory = store.home / "footers" / f"{table}.json"
    remembered, current = _remembered(memory), {}
    for day, file in _days(store.published / table, f"{partition}="):
        entry = remembered.get(day)
        if entry is None or entry[:3] != file:
            path = store.file(table, partition, date.fromisoformat(day))
            facts = footer(path)
            entry = [*file, _of_day(facts, day), rows_in([path]) if facts else 0]
        current[day] = entry
    if remember and current != remembered:
        write_whole(memory, json.dumps(current))
    return {date.fromisoformat(day): Footer(entry[3], entry[4]) for day, entry in sorted(current.items())}


def _remembered(memory: Path) -> dict[str, list[Any]]:
    try:
        return json.loads(memory.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):  # only a cache: rebuild it
        return {}


def _days(folder: Path, prefix: str) -> list[tuple[str, list[int]]]:
    """Days, each with the inode, size and time of its file. There are thousands, so no Path objects."""
    days = []
    if folder.is_dir():
        with os.scandir(folder) as entries:
            names = [(entry.name, entry.path) for entry in entries if entry.name.startswith(prefix)]
        for name, place in names:
            try:
                stat = os.stat(f"{place}/{FILE}")  # noqa: PTH116 - as above
            except FileNotFoundError:
                continue
            days.append((name.removeprefix(prefix), [stat.st_ino, stat.st_size, stat.st_mtime_ns]))
    return days


def _of_day(facts: Mapping[str, Any], day: str) -> dict[str, Any]:
    """A footer without its entries for other days."""
    own = dict(facts)
    if _FINGERPRINTS in own:
        own[_FINGERPRINTS] = {d: print_ for d, print_ in own[_FINGERPRINTS].items() if d == day}
    return own
