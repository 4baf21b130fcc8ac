"""What is observed of functions whose sources are plain to see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from segmentation_assets.tables.contracts import Flag, Snapshot, column
from segmentation_assets.tables.registry import Frame, _spec_of
from tests.lineage.observing import observe


class Sizes(Snapshot):
    """Sizes."""

    account_id: str = column("Who.")
    amount: float = column("How much.")
    country: str = column("Where.")
    is_live: Flag = column("Whether live.")
    never: str = column("Read where an amount is over a million.")

    class Config:
        unique = ["as_of", "account_id"]


class Results(Snapshot):
    """Results."""

    account_id: str = column("Who.")
    twice: float = column("Twice the amount.")
    place: float = column("Place by amount.")
    country: str = column("Where.")

    class Config:
        unique = ["as_of", "account_id"]


def results(sizes: Frame[Sizes]) -> Frame[Results]:
    """Live accounts."""
    live: Any = sizes[sizes["is_live"]]
    is_large = live["amount"] > 1e6
    country = live["country"].where(~is_large, live["never"])
    place = live["amount"].rank()
    return live[["as_of", "account_id"]].assign(twice=live["amount"] * 2, place=place, country=country)


def test_sources_are_what_changes_a_column_and_what_changed_nothing_counts_for_all():
    day = date(2026, 4, 1)
    frame = pd.DataFrame(
        {
            "as_of": [day] * 4,
            "account_id": list("abcd"),
            "amount": [5.0, 3.0, 9.0, 1.0],
            "country": ["US", "DE", "FR", "UK"],
            "is_live": pd.array([True, True, False, True], dtype="boolean"),
            "never": ["x", "y", "z", "x"],
        }
    )

    def inputs_of(_spec: Any, _days: Sequence[date]) -> dict[str, Any]:
        return {"sizes": frame}

    store: Any = SimpleNamespace(days=lambda *_: [day], home=Path("home"))
    builder: Any = SimpleNamespace(store=store, inputs_of=inputs_of)
    seen = observe(_spec_of(results, "test", {}, "as_of"), builder)
    assert seen.unseen == ["sizes.never"]
    assert set(seen.rows) == {"sizes.as_of", "sizes.account_id", "sizes.is_live"}
    assert set(seen.columns["account_id"]) == {"sizes.account_id", "sizes.is_live"}
    assert "sizes.amount" in seen.columns["twice"]
    assert "sizes.country" not in seen.columns["twice"]
    assert "sizes.amount" in seen.columns["place"]
    assert "sizes.country" in seen.columns["country"]
    assert "sizes.amount" not in seen.columns["country"]
