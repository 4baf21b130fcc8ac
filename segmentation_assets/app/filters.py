"""Which accounts the explorer lists: filters over `segments` joined with what it shows beside.

Here: choosing rows of a frame. Not here: the widgets (`explorer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Filters:
    """What to keep; an empty choice, or None, keeps everything. Bounds are inclusive."""

    search: str = ""
    """Part of an account's id or name, whatever the case."""
    segments: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    micro_segments: tuple[str, ...] = ()
    csms: tuple[str, ...] = ()
    min_arr: float | None = None
    max_arr: float | None = None
    min_health: float | None = None
    max_health: float | None = None
    renews_within_days: int | None = None

    def of(self, accounts: pd.DataFrame) -> pd.DataFrame:
        """The accounts kept, the largest ARR first. A bound on what is not known of an account leaves it out."""
        keep: Any = pd.Series(True, index=accounts.index)
        if self.search.strip():
            wanted = self.search.strip().casefold()
            names: Any = accounts["account_id"] + "\n" + accounts["account_name"].fillna("")
            keep &= names.map(lambda text: wanted in text.casefold())
        for column, chosen in (
            ("segment", self.segments),
            ("coverage_tier", self.tiers),
            ("micro_segment", self.micro_segments),
            ("csm_id", self.csms),
        ):
            if chosen:
                keep &= accounts[column].isin(list(chosen))
        for column, low, high in (
            ("arr", self.min_arr, self.max_arr),
            ("health_score", self.min_health, self.max_health),
            ("days_to_renewal", None, self.renews_within_days),
        ):
            values: Any = accounts[column]
            if low is not None:
                keep &= (values >= low).fillna(False)
            if high is not None:
                keep &= (values <= high).fillna(False)
        kept: Any = accounts[keep.astype(bool)]
        return kept.sort_values(["arr", "account_id"], ascending=[False, True])
