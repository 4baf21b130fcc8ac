"""A home and a folder of sources for landing tests. Not here: assertions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.casting import casts, select_sql, try_expressions
from segmentation_assets.extracts.delivery import accept
from segmentation_assets.extracts.landing import Landed, land
from segmentation_assets.extracts.reading import ROW, Reader, drops_of
from segmentation_assets.extracts.sources import own_columns, read_sources
from segmentation_assets.policy.company import ExtractsPolicy
from segmentation_assets.policy.model import load_policy
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

ACCOUNTS = "account_id\nA1\nA2\nA3\n"
SUBSCRIPTIONS = "subscription_id,start_date,account_id,mrr,currency\nS1,2025-01-01,A1,100,USD\n"
MINIMAL = {"crm_accounts": {"path": "crm_accounts.csv"}, "billing_subscriptions": {"path": "subscriptions.csv"}}

policy = cache(load_policy)


@dataclass
class Home:
    """Sources below `folder`, the warehouse below `folder/home`. Bad rows are let through up to `share`."""

    folder: Path
    share: float = 1.0

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def extracts_policy(self) -> ExtractsPolicy:
        return policy().sections[ExtractsPolicy].model_copy(update={"max_quarantine_share": self.share})

    def minimal(self) -> None:
        self.write("crm_accounts.csv", ACCOUNTS)
        self.write("subscriptions.csv", SUBSCRIPTIONS)

    def sources(self, **extracts: Any) -> Path:
        text = yaml.safe_dump({"version": 1, "extracts": {**MINIMAL, **extracts}})
        return self.write("sources.yaml", text)

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        store = Store(self.folder / "home")
        with open_connection(store) as connection:
            yield Engine(connection, store)

    def land(self, names: Sequence[str] | None = None, *, whole: bool = False, **extracts: Any) -> dict[str, Landed]:
        """Map, land what is mapped (`whole`: all extracts there are), hold results to good + quarantined = read."""
        sources = read_sources(self.sources(**extracts))
        wanted = names or (None if whole else [*sources.extracts])
        sections = {**policy().sections, ExtractsPolicy: self.extracts_policy()}
        with self.engine() as engine:
            results = {r.extract: r for r in land(sources, engine, sections, wanted)}
        for r in results.values():
            assert r.good + r.quarantined == r.read, r
        return results

    def accept(self, name: str) -> None:
        """Say that the newest delivery of an extract is right."""
        accept(read_sources(self.folder / "sources.yaml"), self.folder / "home", [name])

    def typed_values(self, engine: Engine, extract: str, column: str, source: dict[str, Any]) -> list[Any]:
        """What a column's texts are read as, row by row, whatever the contract says of them."""
        sources = read_sources(self.sources(**{extract: source}))
        reader = Reader(engine.connection, sources, self.folder / "unloaded")
        raw = reader.raw(extract, drops_of(sources, extract))
        spec, mapping = CATALOGUE[extract], sources.extracts[extract]
        types = try_expressions(engine.connection, extract, mapping, raw, "")
        sql = select_sql(raw, casts(spec.contract, mapping, raw, own_columns(extract), "UTC", types))
        rows = engine.connection.execute(f'SELECT "{column}" FROM ({sql}) ORDER BY {ROW}').fetchall()
        return [value for (value,) in rows]

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Published rows, sorted; dates as text."""
        with self.engine() as engine:
            read = engine.read(CATALOGUE[table])
            chosen = read.select(*[read[c].cast("string").name(c) for c in columns])
            result = engine.backend.to_pyarrow(chosen).to_pylist()
        return sorted([tuple(row[c] for c in columns) for row in result], key=str)

    def fingerprint(self, table: str, day: Any) -> str:
        """What a table reading this extract at a day would see as its fingerprint."""
        with self.engine() as engine:
            return Builder(engine, CATALOGUE, policy()).expected(CATALOGUE[table], day)

    def files(self) -> dict[str, tuple[int, int]]:
        """Inode and time of every published file: equal if nothing was rewritten."""
        result = sorted((self.folder / "home" / "published").rglob("*.parquet"))
        return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in result}
