"""The state of a home's extracts: rows read and refused at the last landing, and files that are not landed yet.

Here: reading the files that landing keeps for itself. No other module reads them. Not here: landing.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import NamedTuple

from segmentation_assets.extracts.delivery import FileHashes, is_due
from segmentation_assets.extracts.reading import SourceError, drops_of
from segmentation_assets.extracts.sources import Sources
from segmentation_assets.tables.registry import Registry, TableSpec
from segmentation_assets.warehouse.store import Store, footer


class Counts(NamedTuple):
    """Numbers of rows of an extract at its last landing."""

    read: int
    quarantined: int


def landed_counts(store: Store, spec: TableSpec) -> Counts | None:
    """Rows read and refused at an extract's last landing; None if there is no record."""
    if spec.partition is None:
        counts = footer(store.file(spec.name)).get("counts")
        return Counts(counts[0], counts[2]) if counts else None
    try:
        days = json.loads((store.home / "landing" / f"{spec.name}.json").read_text())["days"].values()
    except (FileNotFoundError, ValueError):  # a damaged record: the next landing writes it again
        return None
    return Counts(sum(d["read"] for d in days), sum(d["quarantined"] for d in days))


def tables_without_days(store: Store, registry: Registry) -> frozenset[str]:
    """Extracts by day that have landed no day, as where usage is not mapped, and the tables that follow them."""
    empty = [spec for spec in registry if spec.is_extract and spec.partition and landed_counts(store, spec) is None]
    return frozenset(
        each.name for spec in empty for each in registry.downstream([spec.name]) if each.partition == spec.partition
    )


def waiting_files(sources: Sources, store: Store, today: date) -> dict[str, int]:
    """The number of new or changed files since the last landing, by extract. Database servers are not checked."""
    hashes = FileHashes(store.home / "landing" / "files.json")
    waiting: Counter[str] = Counter()
    for name, source in sources.extracts.items():
        if source.postgres:
            continue
        try:
            drops = drops_of(sources, name)
        except SourceError:  # landing says what is wrong with it
            continue
        there = [d for d in drops if is_due(d, today, hashes)]
        waiting[name] = sum(not hashes.knows(file) for drop in there for file in drop.with_logs())
    return waiting
