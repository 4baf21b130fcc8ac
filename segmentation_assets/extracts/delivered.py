"""The types that `detective` and `clues` share: a delivery, and a suspicion about it.

Not here: what is suspicious (`detective`, `clues`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from segmentation_assets.extracts.casting import Cast, newest_of, select_sql
from segmentation_assets.extracts.contracts import natural_key
from segmentation_assets.extracts.reading import Raw
from segmentation_assets.extracts.sources import ExtractSource
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.sql_text import identifier


@dataclass(frozen=True)
class Suspicion:
    """A suspicion about valid data. `seen` says how many rows of how many, and the money; `line` corrects it."""

    extract: str
    column: str | None
    seen: str
    line: str


@dataclass(frozen=True)
class Delivery:
    """The newest drop of an extract. It can be read as mapped."""

    spec: TableSpec
    source: ExtractSource
    raw: Raw
    columns: list[Cast]
    is_dated: bool
    file: str
    table: str = ""
    """The temporary table that holds its typed rows; empty: they are read from the source each time."""

    @property
    def filled(self) -> list[str]:
        """The contract's columns that the mapping fills."""
        return [cast.column for cast in self.columns if cast.raw != "NULL"]

    def typed(self, extra: Sequence[Cast] = ()) -> str:
        """Its rows as landing would read them."""
        if self.table and not extra:
            return f"SELECT * FROM {identifier(self.table)}"
        key = natural_key(self.spec.contract)
        newest = newest_of(self.source, self.raw, key, per_file=self.is_dated, file=self.file)
        distinct = ("per file" if self.is_dated else "all") if self.source.distinct else "no"
        return select_sql(self.raw, [*self.columns, *extra], distinct=distinct, newest=newest)

    def loaded(self, connection: duckdb.DuckDBPyConnection) -> Delivery:
        """The same delivery with its rows in a temporary table: many questions are asked about them."""
        table = f"delivered_{self.spec.name}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(table)} AS {self.typed()}")
        return replace(self, table=table)

    def of(self, raw: Raw) -> Delivery:
        """The same extract with the rows of other drops."""
        return replace(self, raw=raw, table="")
