"""Packs: one Parquet file with many days of a table. A run puts the days there that it only looks back to.

Here: where packs stand, which days they hold, and the SQL that reads days from packs and from files of one day. Not
here: writing a pack (`engine`, `building`), or packing old days (`compacting`).

Layout: `<home>/packed/<table>/<number>.parquet`, with the day as a column. The footer names the days, so that a day
without rows counts, too. A file of one day below `published` takes precedence over a pack. Of two packs with the same
day, the one with the higher number counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from segmentation_assets.warehouse.sql_text import identifier, literal, literals

PACKED_BY = "as_of"
"""The column of days. Tables by another column, such as landed usage, have no packs."""
_FINGERPRINTS = "fingerprints"
_BEGIN = b'{"' + _FINGERPRINTS.encode() + b'"'
_TAIL, _MAGIC = 8, b"PAR1"
_SUFFIX = ".parquet"


@dataclass(frozen=True)
class Pack:
    """One pack: its file and the fingerprint of each day in it. A damaged file has no days."""

    file: Path
    fingerprints: Mapping[date, str]

    @property
    def number(self) -> int:
        """Later packs of a table have higher numbers."""
        return int(self.file.stem)


def packs_of(home: Path, table: str) -> list[Pack]:
    """The packs of a table, oldest first."""
    folder = home / "packed" / table
    while True:
        try:
            return sorted(_listed(folder), key=lambda pack: pack.number)
        except FileNotFoundError:
            if not folder.is_dir():
                return []
            # A pack was replaced between listing and looking: list again.


def _listed(folder: Path) -> Iterator[Pack]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX):
                stat = entry.stat()
                yield _read(entry.path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def next_file(home: Path, table: str) -> Path:
    """The path of a table's next pack."""
    number = max((pack.number for pack in packs_of(home, table)), default=0) + 1
    return home / "packed" / table / f"{number:06d}{_SUFFIX}"


def by_day(packs: Collection[Pack]) -> dict[date, Pack]:
    """The pack that counts for each day."""
    return {day: pack for pack in packs for day in pack.fingerprints}


def is_pack(file: Path) -> bool:
    """Whether a file of a table with days is a pack, by its folder."""
    return "=" not in file.parent.name


@lru_cache(4096)
def _read(path: str, inode: int, size: int, changed: int) -> Pack:
    """Cached while the file stays the same."""
    del inode, changed
    days = _days_in(path, size)
    return Pack(Path(path), {date.fromisoformat(day): print_ for day, print_ in days.items()})


def _days_in(path: str, size: int) -> dict[str, str]:
    """The fingerprints in the footer. They stand in it as JSON text, so that no Parquet library is needed."""
    with open(path, "rb") as opened:  # noqa: PTH123 - a text path, as the cache has it
        opened.seek(max(0, size - _TAIL))
        end = opened.read(_TAIL)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != _MAGIC or not 0 < length <= size - _TAIL:
            return {}
        opened.seek(size - _TAIL - length)
        footer = opened.read(length)
    at = footer.find(_BEGIN)
    if at < 0:
        return {}
    try:
        facts, _ = json.JSONDecoder().raw_decode(footer[at:].decode(errors="replace"))
    except ValueError:
        return {}
    return facts[_FINGERPRINTS]


def whole_sql(home: Path, table: str, partition: str | None, columns: Collection[str] = ("*",)) -> str:
    """SQL over all days of a table, found by patterns: it stays right while days are added.

    A day that has a file of its own is not read from packs. The SQL fails if the table has no files.
    """
    folder, names, options = home / "published" / table, ", ".join(columns), "union_by_name = true, hive_partitioning"
    if partition is None:
        return f"SELECT {names} FROM read_parquet({literal(folder / '*.parquet')}, {options} = false)"
    own, parts = literal(folder / f"{partition}=*" / "*.parquet"), []
    if next(folder.glob(f"{partition}=*/*.parquet"), None):
        parts.append(
            f"SELECT {names} FROM read_parquet({own}, {options} = true, hive_types = {{'{partition}': DATE}})"
        )
    if packs_of(home, table):
        day = f"regexp_extract(file, '{partition}=([0-9-]+)', 1)::DATE"
        parts.append(
            f"SELECT {names} FROM read_parquet({literal(home / 'packed' / table / '*.parquet')}, {options} = false) "
            f"WHERE {identifier(partition)} NOT IN (SELECT {day} FROM glob({own}))"
        )
    return " UNION ALL BY NAME ".join(parts)


def source_sql(
    partition: str | None, files: Collection[Path], days: Collection[date] | None = None, *, uniform: bool = False
) -> str:
    """SQL over the files of a table, packs among them; of packs, only `days` (None: all of theirs).

    `uniform` promises that all files have the same columns. `files` must not be empty.
    """
    names = f"union_by_name = {'false' if uniform else 'true'}"
    single = [file for file in files if partition is None or not is_pack(file)]
    packed = [file for file in files if partition is not None and is_pack(file)]
    return " UNION ALL BY NAME ".join(_parts(partition, single, packed, days, names))


def _parts(
    partition: str | None, single: list[Path], packed: list[Path], days: Collection[date] | None, names: str
) -> Iterator[str]:
    if single:
        hive = f"true, hive_types = {{'{partition}': DATE}}" if partition else "false"
        yield f"SELECT * FROM read_parquet([{literals(single)}], {names}, hive_partitioning = {hive})"
    if packed:
        yield (
            f"SELECT * FROM read_parquet([{literals(packed)}], {names}, hive_partitioning = false)"
            f"{_where(str(partition), days)}"
        )


def _where(partition: str, days: Collection[date] | None) -> str:
    """The range prunes row groups; the list is exact."""
    if days is None:
        return ""
    if not days:
        return " WHERE false"
    name = identifier(partition)
    low, high = literals([min(days)]), literals([max(days)])
    return f" WHERE {name} BETWEEN DATE {low} AND DATE {high} AND {name} IN ({literals(sorted(days))})"
