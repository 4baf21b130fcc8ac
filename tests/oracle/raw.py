"""A company's extracts as they lie in files. Not here: any figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tests.oracle.revenue import Revenue, survivors

POLICY = yaml.safe_load(
    (Path(__file__).parents[2] / "segmentation_assets" / "policy" / "default.yaml").read_text(encoding="utf-8")
)
"""The shipped policy, as plain numbers: every sample is run with it."""

NATURAL_KEYS = {"crm_accounts": ["account_id"], "csm_roster": ["csm_id"], "product_features": ["feature"]}
"""The key of each extract that comes as dated drops: the newest row of a key counts."""

_KEYS = {
    "billing_subscriptions": ["subscription_id", "start_date"],
    "billing_invoices": ["invoice_id"],
    "product_users": ["user_id"],
    "support_tickets": ["ticket_id"],
    "self_service_sessions": ["account_id", "used_on", "channel"],
    "marketing_engagement": ["account_id", "engaged_on", "channel"],
    "interactions": ["interaction_id"],
    "surveys": ["response_id"],
    "technology_installs": ["account_id", "tool", "first_seen"],
    "external_signals": ["signal_id"],
    "success_goals": ["account_id", "goal"],
    "opportunities": ["opportunity_id"],
    "csm_time_entries": ["entry_id"],
    "custom_development": ["account_id", "worked_on", "ticket"],
    "product_usage": ["user_id", "usage_date", "feature"],
}
_LEAST = {
    "employees": 0, "seats": 0, "handling_hours": 0, "sessions": 0, "touches": 0, "weight": -1, "hours": 0
}  # fmt: skip
_WORDS = {
    "crm_accounts": ("business_model", ["b2b", "b2c", "b2b2c", "marketplace", "linear"]),
    "support_tickets": ("priority", ["low", "normal", "high", "urgent"]),
    "interactions": ("kind", ["meeting", "call", "email", "business_review"]),
    "surveys": ("kind", ["nps", "csat", "ces"]),
    "technology_installs": ("relation", ["complementary", "competitor", "legacy", "neutral"]),
    "opportunities": ("stage", ["open", "won", "lost"]),
}
_ORDER = {
    "billing_subscriptions": ("start_date", "end_date"),
    "billing_invoices": ("issued_on", "due_on"),
    "product_users": ("created_on", "deactivated_on"),
    "success_goals": ("set_on", "due_on"),
}


def sound(extract: str, rows: pd.DataFrame, accounts: set[str], currencies: set[str]) -> pd.DataFrame:
    """The rows that keep to what the extract promises: the sample soils a few of each."""
    good = pd.Series(True, rows.index)
    if "account_id" in rows and extract != "crm_accounts":
        good &= rows["account_id"].isin(accounts) | rows["account_id"].isna()
    if "currency" in rows and extract != "fx_rates":
        good &= rows["currency"].isin(currencies)
    for name, least in _LEAST.items():
        if name in rows:
            good &= rows[name].isna() | (rows[name] >= least)
    if extract in _WORDS:
        name, words = _WORDS[extract]
        good &= rows[name].isna() | rows[name].isin(words)
    if extract in _ORDER:
        first, then = _ORDER[extract]
        good &= rows[then].isna() | (rows[then] >= rows[first])
    rows = rows[good]
    return rows.drop_duplicates(_KEYS[extract]) if extract in _KEYS else rows


@dataclass(frozen=True)
class Company:
    """A folder of extracts, the home it was run in, and the day that is looked at."""

    sample: Path
    home: Path
    as_of: date
    memory: dict[tuple[str, str, date], Any] = field(default_factory=dict, compare=False, repr=False)

    def raw(self, extract: str, as_of: date | None = None) -> pd.DataFrame:
        """The sound rows of an extract known on a day; before the first drop, those of the first.

        Days are timestamps. Treat the frame as read only: it is kept.
        """
        day = as_of or self.as_of
        return self._kept(("raw", extract, day), lambda: self._sound(extract, day))

    def _sound(self, extract: str, day: date) -> pd.DataFrame:
        rows = with_dates(self.files(extract, day))
        if extract in NATURAL_KEYS:
            rows = rows.drop_duplicates(NATURAL_KEYS[extract], keep="last")
        return self.sound_rows(extract, rows).reset_index(drop=True)

    def sound_rows(self, extract: str, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that keep to what the extract promises."""
        if extract in ("crm_accounts", "fx_rates"):
            return sound(extract, rows, set(), set())
        accounts = set(self.raw("crm_accounts")["account_id"])
        return sound(extract, rows, accounts, set(self.raw("fx_rates")["currency"]))

    def files(self, extract: str, as_of: date | None = None) -> pd.DataFrame:
        """All rows of an extract's file, or of its drops up to a day; before the first drop, of the first."""
        file = self.sample / f"{extract}.parquet"
        if file.exists():
            return pd.read_parquet(file)
        drops = self._drops(extract)
        facts = [path for path in drops if date.fromisoformat(path.stem) <= (as_of or self.as_of)] or drops[:1]
        return pd.concat([pd.read_parquet(path) for path in facts], ignore_index=True)

    def first_drop(self, extract: str) -> pd.Timestamp:
        """The day of the first drop."""
        return pd.Timestamp(self._drops(extract)[0].stem)

    def drop_days(self, extract: str) -> pd.Series:
        """The day of the drop of each row of `files`."""
        drops = self._drops(extract)
        facts = [path for path in drops if date.fromisoformat(path.stem) <= self.as_of] or drops[:1]
        return pd.concat(
            [pd.Series(pd.Timestamp(path.stem), pd.read_parquet(path).index) for path in facts]
        ).reset_index(drop=True)

    def _drops(self, extract: str) -> list[Path]:
        return sorted((self.sample / extract).glob("*.parquet"), key=lambda path: path.stem)

    def counted(self, extract: str, as_of: date | None = None) -> pd.DataFrame:
        """`raw`, each row with the account that it counts for: merged ones with the one they were merged into."""
        rows = self.raw(extract, as_of)
        into = self.survivors(as_of)
        return rows.assign(account_id=rows["account_id"].map(into))

    def survivors(self, as_of: date | None = None) -> dict[str, str]:
        """The account that each account known on a day counts for."""
        day = as_of or self.as_of
        return self._kept(("survivors", "", day), lambda: survivors(self.raw("crm_accounts", day)))

    def published(self, table: str, as_of: date | None = None) -> pd.DataFrame:
        """A published table on a day; of tables without days, all of it. Treat it as read only: it is kept."""
        day = as_of or self.as_of
        return self._kept(("published", table, day), lambda: self._published(table, day))

    def _published(self, table: str, day: date) -> pd.DataFrame:
        folder = self.home / "published" / table
        packs = sorted((self.home / "packed" / table).glob("*.parquet"))
        if not packs and not sorted(folder.glob("as_of=*")):
            return with_dates(_of_all_days(folder))
        files = sorted((folder / f"as_of={day}").glob("*.parquet"))
        rows = [pd.read_parquet(path, partitioning=None) for path in files] or [
            pd.read_parquet(path, filters=[("as_of", "==", day)]) for path in packs
        ]
        return with_dates(pd.concat(rows).drop(columns="as_of", errors="ignore"))

    def days(self, table: str) -> list[date]:
        """The days on which a table is published."""
        own = {
            date.fromisoformat(path.name.removeprefix("as_of="))
            for path in (self.home / "published" / table).glob("as_of=*")
        }
        packed = (
            pd.read_parquet(path, columns=["as_of"]) for path in (self.home / "packed" / table).glob("*.parquet")
        )
        return sorted(own.union(*(with_dates(rows)["as_of"].dt.date for rows in packed)))

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` makes, made once for the company."""
        return self._kept(("made", name, self.as_of), make)

    def _kept(self, key: tuple[str, str, date], make: Callable[[], Any]) -> Any:
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]

    @cached_property
    def revenue(self) -> Revenue:
        """What every account paid on any day, as known on the day that is looked at."""
        return Revenue(
            self.raw("billing_subscriptions"),
            self.raw("fx_rates"),
            self.raw("crm_accounts"),
            pd.Timestamp(self.as_of),
        )


def _of_all_days(folder: Path) -> pd.DataFrame:
    """The rows of all files, with the day that a file's folder names, as in `usage_date=2026-11-27`."""
    rows = pd.read_parquet(folder)
    for name in rows.select_dtypes("category"):
        rows[name] = rows[name].astype(str).map(date.fromisoformat)
    return rows


def with_dates(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of dates as timestamps, so that they subtract and compare."""
    for name in rows.columns:
        filled = rows[name].dropna()
        if len(filled) and isinstance(filled.iloc[0], date):
            rows[name] = pd.to_datetime(rows[name])
    return rows.reset_index(drop=True)
