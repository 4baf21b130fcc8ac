"""A company's extracts as they lie in files. Not here: any figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd

from tests.oracle.revenue import Revenue

NATURAL_KEYS = {"crm_accounts": ["account_id"], "csm_roster": ["csm_id"], "product_features": ["feature"]}
"""The key of each extract that comes as dated drops: the newest row of a key counts."""


@dataclass(frozen=True)
class Company:
    """A folder of extracts, the home it was run in, and the day that is looked at."""

    sample: Path
    home: Path
    as_of: date

    def raw(self, extract: str, as_of: date | None = None) -> pd.DataFrame:
        """The rows of an extract known on a day; before the first drop, those of the first. Dates are timestamps."""
        day = as_of or self.as_of
        file = self.sample / f"{extract}.parquet"
        if file.exists():
            return _with_dates(pd.read_parquet(file))
        drops = sorted((self.sample / extract).glob("*.parquet"), key=lambda path: path.stem)
        if extract not in NATURAL_KEYS:
            return _with_dates(pd.concat([pd.read_parquet(path) for path in drops]))
        known = [path for path in drops if date.fromisoformat(path.stem) <= day] or drops[:1]
        rows = pd.concat([pd.read_parquet(path) for path in known])
        return _with_dates(rows.drop_duplicates(NATURAL_KEYS[extract], keep="last").reset_index(drop=True))

    def published(self, table: str, as_of: date | None = None) -> pd.DataFrame:
        """A published table on a day; of tables without days, all of it."""
        folder = self.home / "published" / table
        days = sorted(folder.glob("as_of=*"))
        if not days:
            return _with_dates(pd.concat([pd.read_parquet(path) for path in sorted(folder.rglob("*.parquet"))]))
        files = sorted((folder / f"as_of={as_of or self.as_of}").glob("*.parquet"))
        rows = pd.concat([pd.read_parquet(path, partitioning=None) for path in files])
        return _with_dates(rows.drop(columns="as_of", errors="ignore"))

    @cached_property
    def revenue(self) -> Revenue:
        """What every account paid on any day, as known on the day that is looked at."""
        return Revenue(
            self.raw("billing_subscriptions"),
            self.raw("fx_rates"),
            self.raw("crm_accounts"),
            pd.Timestamp(self.as_of),
        )


def _with_dates(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of dates as timestamps, so that they subtract and compare."""
    for name in rows.columns:
        filled = rows[name].dropna()
        if len(filled) and isinstance(filled.iloc[0], date):
            rows[name] = pd.to_datetime(rows[name])
    return rows.reset_index(drop=True)
