"""Reading published tables: for notebooks (`load`) and the terminal (`open_table`).

Here: finding a table's files of a day and querying them, without Dagster, Ibis or the chain. Not here: computing or
formatting anything. It writes nothing except second names of the files that it reads (`Store.pinned`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from segmentation_assets.reasons import Refusal, WrongUse
from segmentation_assets.settings import find_home
from segmentation_assets.warehouse.packs import PACKED_BY, packs_of, source_sql
from segmentation_assets.warehouse.sql_text import identifier, identifiers, literals
from segmentation_assets.warehouse.store import FILE, Store, footer

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
RANGE = ".."
Days = date | str | tuple[date, ...] | None
"""A day, a date or text; a range with both ends, `2026-01-01..2026-03-31`; several; "all"; None: the latest."""
_FAILURES = "run_failures"  # exists only after a failure
_LAST_COLUMNS = ("known_from", "known_to", "dropped_on", "policy_hash")  # rarely of interest: shown last
_ORDER_BY = 4


class NotPublished(Refusal, LookupError):
    """There is no such table, or it has not been made for that day. The message lists what is published."""


class WrongDay(NotPublished, WrongUse):
    """The text is not a day."""


class WrongFilter(WrongUse, ValueError):
    """The filter is not an SQL condition over the table's columns."""


class DamagedFile(Refusal):
    """A published file cannot be read. The message names it."""


@dataclass(frozen=True)
class Published:
    """A published table: its files by day, or, without days (`partition` None), all its files."""

    table: str
    partition: str | None
    files: dict[date | None, list[Path]]

    @property
    def days(self) -> list[date]:
        """The days published, ascending."""
        return sorted(day for day in self.files if day is not None)

    def of(self, as_of: Days) -> list[Path]:
        """The files of the `chosen` days, each once. A pack among them has other days, too. Raises NotPublished."""
        days: Sequence[date | None] = (None,) if self.partition is None else self.chosen(as_of)
        if self.partition is None and as_of not in (None, ALL):
            raise NotPublished(f"{self.table} has no days: leave as_of out")
        return list(dict.fromkeys(path for day in days for path in self.files[day]))

    def chosen(self, as_of: Days) -> list[date]:
        """One day, several, those in a range, the latest one (None) or all. Raises NotPublished."""
        if self.partition is None:
            return []
        if as_of == ALL:
            return self.days
        if isinstance(as_of, str) and RANGE in as_of:
            first, _, last = as_of.partition(RANGE)
            return self._between(first.strip(), last.strip())
        if isinstance(as_of, tuple):
            return [self.day_of(day) for day in as_of]
        return [self.day_of(as_of)]

    def _between(self, first: str, last: str) -> list[date]:
        low, high = _day(first), _day(last)
        if high < low:
            raise NotPublished(f"{first}{RANGE}{last}: the last day is before the first")
        days = [day for day in self.days if low <= day <= high]
        if not days:
            raise NotPublished(
                f"{self.table} has no day from {low} to {high}; it has {len(self.days)} days "
                f"from {self.days[0]} to {self.days[-1]}"
            )
        return days

    def day_of(self, as_of: date | str | None) -> date:
        """The day of `as_of`; None means the latest. Raises NotPublished if the table was not made for it."""
        if self.partition is None:
            raise NotPublished(f"{self.table} has no days")
        day = self.days[-1] if as_of is None else as_of if isinstance(as_of, date) else _day(str(as_of))
        if day not in self.files:
            raise NotPublished(
                f"{self.table} has not been made for {day}; it has {len(self.days)} days "
                f"from {self.days[0]} to {self.days[-1]}"
            )
        return day


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongDay(f"{text!r} is not a date such as 2026-03-31") from None


def find_table(table: str, home: Path | str | None = None) -> Published:
    """The files of a published table. Raises NotPublished, with similar names."""
    store = Store(find_home(home))
    folder = store.published / table
    column = _partition_of(store, table) if table.isidentifier() else None
    if column:
        days: dict[date | None, list[Path]] = {day: [file] for day, file in store.files(table, column).items()}
        return Published(table, column, days)
    whole = sorted(folder.glob("*.parquet")) if table.isidentifier() else []
    if whole:
        return Published(table, None, {None: whole})
    raise NotPublished(_no_table(table, store))


def _partition_of(store: Store, table: str) -> str | None:
    """The column by whose days a table is published; None: it has no days, or is not published."""
    if packs_of(store.home, table):
        return PACKED_BY
    first = next((store.published / table).glob(f"*=*/{FILE}"), None)
    return None if first is None else first.parent.name.partition("=")[0]


def newest_whole_day(table: str, beside: Sequence[str], home: Path | str | None = None) -> date:
    """The newest day of `table` on which the tables `beside` it are published, too.

    Tables that were never published do not count. If there is no such day, it is the newest day of `table`. So a run
    of a few tables, such as after new billing data, does not hide the last day that was run in full. Raises
    NotPublished without `table`.
    """
    days = find_table(table, home).days
    shared = set(days)
    for name in beside:
        try:
            published = find_table(name, home)
        except NotPublished:
            continue
        if published.partition is not None:
            shared &= set(published.days)
    return max(shared, default=days[-1])


def _no_table(table: str, store: Store) -> str:
    tables = store.tables()
    if not tables:
        return f"nothing is published in {store.home}: run `segmentation demo` or `segmentation run` first"
    if table == _FAILURES:
        return f"{table}: no run of {store.home} has failed while `segmentation ui` or `watch` was running"
    close = difflib.get_close_matches(table, tables, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"no table {table!r} in {store.published}{hint}. `segmentation dictionary` lists all"


@contextmanager
def open_table(table: str, as_of: Days = None, home: Path | str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one view, named like the table. It can read the files of the view and nothing else."""
    with open_tables({table: as_of}, home) as connection:
        yield connection


@contextmanager
def open_tables(tables: Mapping[str, Days], home: Path | str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one view per table, of its day or days. It can read their files and nothing else.

    Raises NotPublished.
    """
    published_tables = {name: find_table(name, home) for name in tables}
    paths = {name: published_tables[name].of(as_of) for name, as_of in tables.items()}
    files = [path for each in paths.values() for path in each]
    with Store(find_home(home)).pinned(files) as pinned, duckdb.connect(":memory:") as connection:
        second_names = dict(zip(files, pinned, strict=True))
        for name, published in published_tables.items():
            try:
                files_of = [second_names[path] for path in paths[name]]
                source = _select(connection, published, files_of, published.chosen(tables[name]))
                connection.execute(f"CREATE VIEW {identifier(name)} AS {source}")
            except duckdb.Error as error:
                raise DamagedFile(_named_as_published(error, second_names)) from None
        lock(connection, pinned)
        yield connection


def _named_as_published(error: Exception, second_names: Mapping[Path, Path]) -> str:
    """The engine's message with the published file in place of its second name."""
    text = str(error).partition("\n")[0]
    for file, second in second_names.items():
        text = text.replace(str(second), str(file))
    return f"{text}; `segmentation run` makes it again, `segmentation verify` checks all files"


def lock(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """Let a connection read these files and nothing else, for good, because it runs SQL that people type."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_paths = [{literals(paths)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _select(
    connection: duckdb.DuckDBPyConnection, published: Published, paths: Sequence[Path], days: Sequence[date]
) -> str:
    source = f"({source_sql(published.partition, paths, days)})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    first = [published.partition] if published.partition else []
    last = [name for name, *_ in described if name in _LAST_COLUMNS]
    middle = [name for name, *_ in described if name not in (*first, *last)]
    return f"SELECT {identifiers((*first, *middle, *last))} FROM {source}"


def query(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    where: str | None = None,
    limit: int | None = None,
    columns: Sequence[str] = (),
) -> str:
    """SQL over a view of `open_table`, in a stable order. `where` is an SQL condition.

    Raises WrongFilter if `where` is anything else: only one SELECT ever runs.
    """
    names = [row[0] for row in connection.execute(f"DESCRIBE {identifier(table)}").fetchall()]
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise WrongFilter(f"{table} has no column {', '.join(unknown)}; it has {', '.join(names)}")
    shown = identifiers(columns or names)
    order = identifiers(names[:_ORDER_BY])
    sql = f"SELECT {shown} FROM {identifier(table)}"
    sql += f" WHERE ({where}\n)" if where else ""
    sql += f" ORDER BY {order}" + ("" if limit is None else f" LIMIT {int(limit)}")
    if where:
        _check(connection, sql)
    return sql


def fetched(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a `query`. Raises WrongFilter for a condition that fails on a row."""
    try:
        result = connection.execute(sql)
        return [column[0] for column in result.description or ()], result.fetchall()
    except duckdb.Error as error:
        raise WrongFilter(f"the condition cannot be evaluated: {error}") from None


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            raise WrongFilter("a filter is one condition, such as arr > 1000")
        connection.execute(f"EXPLAIN {sql}")
    except duckdb.Error as error:
        raise WrongFilter(f"not a condition over the table's columns: {error}") from None


def last_day_covered(home: Path | str | None = None, today: date | None = None) -> date | None:
    """The last day of landed product usage, else of the newest dated drop, else None.

    Never `today` or later: `as_of` is the end of a day, and today's usage is not complete.
    """
    store = Store(find_home(home))
    until = today - timedelta(days=1) if today else date.max
    usage = [day for day in store.days("product_usage", "usage_date") if day <= until]
    if usage:
        return usage[-1]
    drops = [drop for table in store.tables() for drop in footer(store.file(table)).get("drops", ()) if drop]
    days = [day for day in map(date.fromisoformat, drops) if day <= until]
    return max(days) if days else None


def load(
    table: str,
    as_of: Days = None,
    home: Path | str | None = None,
    *,
    columns: Sequence[str] | None = None,
    where: str | None = None,
) -> pd.DataFrame:
    """A published table as a pandas frame: the latest day, one day, a range, or every day with `as_of="all"`.

    A range is `"2026-01-01..2026-03-31"` with both ends included; it gives the published days in it. `columns` (in
    this order) and `where` (SQL, such as `"arr > 50000"`) limit what is read. Integers and flags are pandas' nullable
    types, days are dates without a time. `home` is the folder of the runs, by default SEGMENTATION_HOME or `data/`.
    Raises NotPublished, WrongFilter.
    """
    with open_table(table, as_of, home) as connection:
        sql = query(connection, table, where, columns=columns or ())
        try:
            arrow = connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise WrongFilter(f"the condition cannot be evaluated: {error}") from None
    return arrow.to_pandas(types_mapper=_pandas_types().get, date_as_object=False)


def _pandas_types() -> dict[Any, Any]:
    import pandas as pd  # noqa: PLC0415 - the terminal reads without pandas
    import pyarrow as pa  # noqa: PLC0415

    return {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
