"""How many rows each extract had when it landed last, and how many of them were refused.

Here: reading the counts that landing keeps in the home. Not here: landing, or why a row was refused (`quarantine`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from segmentation_assets.warehouse.store import Store, footer


@dataclass(frozen=True)
class LandingCounts:
    """Rows of an extract that were read, and those of them that broke the contract."""

    read: int
    quarantined: int


def landing_counts(store: Store) -> Mapping[str, LandingCounts]:
    """By extract. Of an extract that lands by day, over all its days."""
    by_day = {file.stem: file for file in (store.home / "landing").glob("*.json")}
    counts: dict[str, LandingCounts] = {}
    for name in store.tables():
        whole = counts_of(store, name, is_by_day=name in by_day)
        if whole:
            counts[name] = whole
    return counts


def counts_of(store: Store, extract: str, *, is_by_day: bool) -> LandingCounts | None:
    """The counts of one extract; None where nothing is kept of it."""
    if not is_by_day:
        file = store.file(extract)
        kept = footer(file).get("counts") if file.exists() else None
        return LandingCounts(kept[0], kept[2]) if kept else None
    try:
        days = json.loads((store.home / "landing" / f"{extract}.json").read_text(encoding="utf-8"))["days"].values()
    except (FileNotFoundError, KeyError):
        return None
    return LandingCounts(sum(day["read"] for day in days), sum(day["quarantined"] for day in days))
