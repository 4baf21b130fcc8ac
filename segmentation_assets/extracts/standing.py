"""What the last landing left, for whoever shows a home: rows read and refused, files that wait to be landed.

Here: answers from the files that landing keeps for itself, whose form nobody else knows. Not here: landing.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import NamedTuple

from segmentation_assets.extracts.delivery import FileHashes
from segmentation_assets.extracts.reading import SourceError, drops_of
from segmentation_assets.extracts.sources import Sources
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.store import Store, footer


class Counts(NamedTuple):
    """Rows of an extract when it last landed."""

    read: int
    quarantined: int


def landed_counts(store: Store, spec: TableSpec) -> Counts | None:
    """Rows read and refused when an extract last landed; None where nothing is on record."""
    if spec.partition is None:
        counts = footer(store.file(spec.name)).get("counts")
        return Counts(counts[0], counts[2]) if counts else None
    try:
        days = json.loads((store.home / "landing" / f"{spec.name}.json").read_text())["days"].values()
    except (FileNotFoundError, ValueError):  # a damaged record: the next landing writes it anew
        return None
    return Counts(sum(d["read"] for d in days), sum(d["quarantined"] for d in days))


def waiting_files(sources: Sources, store: Store, today: date) -> dict[str, int]:
    """By extract, its files that are new or changed since it last landed; of a database server nothing is known."""
    hashes = FileHashes(store.home / "landing" / "files.json")
    waiting: Counter[str] = Counter()
    for name, source in sources.extracts.items():
        if source.postgres:
            continue
        try:
            drops = drops_of(sources, name)
        except SourceError:  # landing says what is wrong with it
            continue
        there = [d for d in drops if d.day is None or d.day <= today]
        waiting[name] = sum(not hashes.knows(file) for drop in there for file in drop.with_logs())
    return waiting
