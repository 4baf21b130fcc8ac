"""`sources.yaml`: where each extract is, and which source column fills which column of the contract.

Here: the model of the mapping, and reading it with errors that name the line. Not here: reading its sources
(`reading`), checking rows against the contract (`landing`), checking the mapping against its sources (`checking`).

Every scalar of the file is read as text. So `Yes`, `007` and `2025-01-31` stay unchanged until the contract gives
their column a type.
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from segmentation_assets.extracts.presets import PresetError, with_preset
from segmentation_assets.policy.lines import Lines, read_with_lines
from segmentation_assets.reasons import Refusal

_WHOLE = ("crm_accounts", "csm_roster", "product_features")
_NULLS = ("", "null", "~", "Null", "NULL")
_WITH_ENDS = "billing_subscriptions"
CENSORED = "censored"
EVENTS = "events"


class SourcesError(Refusal, ValueError):
    """The mapping cannot be used. The message has one line per problem, with file and line number."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Constant(_Model):
    """The same value in every row."""

    constant: str


class Expression(_Model):
    """A DuckDB SQL expression over the source's columns (text if the source is CSV, JSON or a database).

    Its result is typed already, so `format` does not apply to it.
    """

    sql: Annotated[str, Field(min_length=1)]


EPOCHS = ("epoch", "epoch_ms", "epoch_us")
EXCEL, MONEY = "excel", "money"


class FromColumn(_Model):
    """One source column, and how its text is read. Keys given here override the extract's `format`.

    `format`: for dates and times as in strptime, or `epoch`, `epoch_ms`, `epoch_us` (seconds, milliseconds,
    microseconds since 1970, UTC) or `excel` (days since the end of 1899); for numbers `money`: each amount in its own
    notation, such as $1,200.50 or 1 200,50. `sql` is an expression over `value`, the value of the column as a number,
    date, time or text. `nulls` are words that are read as null.
    """

    column: Annotated[str, Field(min_length=1)]
    sql: Annotated[str, Field(min_length=1)] | None = None
    divide_by: Annotated[float, Field(gt=0)] | None = None
    format: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    nulls: tuple[str, ...] = ()
    optional: bool = False
    """Leave the contract's column empty where the source has no such column."""


Source = str | Constant | Expression | FromColumn | None
Share = Annotated[float, Field(ge=0, le=1)]


class Format(_Model):
    """How text is read. `date_format` and `datetime_format` are as in strptime, e.g. `%d/%m/%Y`."""

    delimiter: Annotated[str, Field(min_length=1, max_length=4)] | None = None
    encoding: str = "utf-8"
    date_format: str | None = None
    datetime_format: str | None = None
    decimal: Literal[".", ","] = "."
    thousands: Annotated[str, Field(min_length=1, max_length=1)] | None = None

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            name = codecs.lookup(value).name
            b"a".decode(name, "replace")  # raises LookupError for codecs that are not of text, such as rot13
        except LookupError:
            raise ValueError("not an encoding; usual ones are utf-8, latin-1, cp1252 and utf-16") from None
        return name

    @field_validator("delimiter")
    @classmethod
    def _tab(cls, value: str | None) -> str | None:
        return "\t" if value in ("\\t", "tab") else value

    @model_validator(mode="after")
    def _separate(self) -> Format:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands cannot be the same sign")
        return self


class Place(_Model):
    """Where rows are, and the layout of their files.

    Exactly one of `path` (file or glob), `duckdb`, `sqlite` (files) and `postgres` (the NAME of an environment
    variable that holds the connection string). A database needs `table` or `query`.
    """

    path: str | None = None
    duckdb: str | None = None
    sqlite: str | None = None
    postgres: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    table: str | None = None
    query: str | None = None
    format: Format = Format()
    sheet: str | None = None
    """The sheet of an Excel workbook; None: the first one."""
    records: str | None = None
    """For JSON: the path to the list of rows, such as `data.items`."""
    skip: int = Field(default=0, ge=0)
    """Number of lines above the header, such as a title. Excel's `sep=` line does not count."""
    skip_last: int = Field(default=0, ge=0)
    """Number of lines below the last row, such as a total."""
    line_breaks: bool = False
    """Whether texts in quotes may contain line breaks. If not, a quote must be closed on its line."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [n for n in ("path", "duckdb", "sqlite", "postgres") if getattr(self, n) is not None]
        if len(places) != 1:
            raise ValueError("set exactly one of path, duckdb, sqlite, postgres")
        if places != ["path"] and (self.table is None) == (self.query is None):
            raise ValueError(f"{places[0]} needs either table or query")
        if places == ["path"] and self.table is not None:
            raise ValueError("a path has no table; query may read the files as the table `source`")
        return self


class ExtractSource(Place):
    """Where one extract is and how its columns map.

    With a `path`, `query` reads the files as the table `source`, and the places under `tables` by their names.
    """

    tables: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Place] = Field(default_factory=dict)
    columns: Mapping[str, Source] = Field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | None]] = Field(default_factory=dict)
    nulls: tuple[str, ...] = ()
    """Words that are read as null in any column, such as `N/A` or `-`."""
    where: Annotated[str, Field(min_length=1)] | None = None
    """A DuckDB SQL condition over the source's columns. Other rows are left out and counted."""
    where_if: str | None = None
    """A source column that `where` needs: where the source has no such column, all rows stay."""
    newest_by: str | None = None
    """A source column: of the rows with one key, the row with its greatest value counts (history tables)."""
    drops: Literal["full", "changes", "snapshots"] | None = None
    distinct: bool = False
    rows_are: Literal["events"] | None = None
    """For `product_usage`: each row is one event with its time. Events are summed by day."""
    ends: Literal["exclusive", "last_day"] = "exclusive"
    """For subscriptions: whether `end_date` is the first day after these terms, or their last day."""
    max_quarantine_share: Share | None = None
    """The share of this extract that may be refused before it fails; None: the policy's share."""
    ends_at_horizon: date | Literal["censored"] | None = None
    """The extract's last day. Subscriptions that end on it count as open. `censored`: the last day of each drop is
    the latest day on which a subscription starts or ends; or give the day itself."""

    @field_validator("ends_at_horizon", mode="before")
    @classmethod
    def _horizon(cls, value: Any) -> Any:
        try:
            return value if value in {None, CENSORED} else date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError(f"write {CENSORED}, or the extract's last day such as 2025-12-31") from None

    @field_validator("columns", "values", mode="before")
    @classmethod
    def _nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: _nulled(v) for k, v in value.items()}

    @field_validator("columns", mode="before")
    @classmethod
    def _one_kind(cls, value: Any) -> Any:
        for name, source in value.items() if isinstance(value, dict) else ():
            is_form = isinstance(source, dict) and ([*source] in (["constant"], ["sql"]) or "column" in source)
            if isinstance(source, list) or (isinstance(source, dict) and not is_form):
                raise ValueError(
                    f"{name}: give a source column, {{constant: value}}, {{sql: expression}} or {{column: name}} "
                    "with format, decimal, thousands, divide_by, nulls or sql over `value`"
                )
        return value

    @model_validator(mode="before")
    @classmethod
    def _one_event_a_row(cls, value: Any) -> Any:
        columns = value.get("columns") or {} if isinstance(value, dict) else {}
        if isinstance(value, dict) and value.get("rows_are") == EVENTS and "event_count" not in columns:
            return {**value, "columns": {**columns, "event_count": {"constant": "1"}}}
        return value

    @model_validator(mode="after")
    def _tables_are_queried(self) -> Self:
        if self.tables and (self.query is None or self.path is None):
            raise ValueError("`tables` needs a `query` that reads them, and a `path`")
        if "source" in self.tables:
            raise ValueError("the name `source` stands for the files of `path`: choose another name")
        return self

    @property
    def place(self) -> str:
        """The place in words: a file or glob, a database and its table, or an environment variable."""
        kind = next(n for n in ("path", "duckdb", "sqlite", "postgres") if getattr(self, n) is not None)
        where = f"environment variable {self.postgres}" if kind == "postgres" else getattr(self, kind)
        within = f"table {self.table}" if self.table else "a query" if self.query else ""
        return f"{where} ({within})" if within else where

    def said_of(self, column: str) -> str:
        """The source of a column, in words. An unmapped column is read from the source column of the same name."""
        origin = self.columns.get(column, column)
        if isinstance(origin, Constant):
            return f"constant {origin.constant!r}"
        if isinstance(origin, FromColumn):
            over = f", SQL {origin.sql}" if origin.sql else ""
            return origin.column + over + (f", divided by {origin.divide_by:g}" if origin.divide_by else "")
        return "left empty" if origin is None else origin if isinstance(origin, str) else f"SQL {origin.sql}"

    @property
    def digest(self) -> str:
        """Hash of the whole mapping of this extract."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def _nulled(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _nulled(v) if k != "constant" else v for k, v in value.items()}
    return None if isinstance(value, str) and value in _NULLS else value


def source_column(source: Source) -> str | None:
    """The source column that a mapping names; None for a constant, an expression or null."""
    return source.column if isinstance(source, FromColumn) else source if isinstance(source, str) else None


class _File(_Model):
    version: Literal["1"]
    extracts: Mapping[str, ExtractSource]

    @field_validator("extracts")
    @classmethod
    def _required(cls, value: Mapping[str, ExtractSource]) -> Mapping[str, ExtractSource]:
        from segmentation_assets.extracts.contracts import REQUIRED  # noqa: PLC0415 - see `_own_columns`

        missing = [name for name in REQUIRED if name not in value]
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be mapped; all other extracts are optional")
        return value


@dataclass(frozen=True)
class Sources:
    """A mapping that was read. Its paths are relative to the folder of its file."""

    file: Path
    extracts: Mapping[str, ExtractSource]
    lines: Lines

    @cached_property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.file.resolve().parent

    def whole_drops(self, name: str) -> bool:
        """Whether every drop has all rows of the extract. If not, its rows replace those with the same key."""
        drops = self.extracts[name].drops
        return name in _WHOLE if drops is None else drops != "changes"

    def line(self, *path: str) -> str:
        """`file:line` of a key in the file, or of the nearest key around it."""
        full = ("extracts", *path)
        return next(self.lines[full[:n]] for n in range(len(full), -1, -1) if full[:n] in self.lines)


def read_sources(path: Path) -> Sources:
    """Read and check a `sources.yaml`.

    Raises SourcesError for a missing file, broken YAML, unknown or repeated keys, unknown extracts or columns.
    """
    value, lines = _read(path)
    value, problems = _with_presets(value, lines)
    problems = problems or [*_unknown(value, lines)]
    if not problems:
        try:
            read = _File.model_validate(value)
        except ValidationError as error:
            problems = [*_explain(error, lines)]
        else:
            return Sources(path, read.extracts, lines)
    raise SourcesError("\n".join(problems))


def read_mapping(path: Path) -> Mapping[str, ExtractSource]:
    """Read a `sources.yaml` without checking it against contracts, to show people where a field comes from.

    Raises SourcesError for a missing file, broken YAML, or an entry that is not a mapping of an extract.
    """
    value, lines = _read(path)
    extracts = _with_presets(value, lines)[0].get("extracts")
    try:
        return {str(n): ExtractSource.model_validate(m) for n, m in (extracts or {}).items()}
    except (ValidationError, AttributeError):
        raise SourcesError(f"{path}: cannot be used; `segmentation check-sources` says why") from None


def _with_presets(value: Mapping[str, Any], lines: Lines) -> tuple[Mapping[str, Any], list[str]]:
    """The file with the presets under the mappings that name one, and what is wrong with their names."""
    extracts, problems = value.get("extracts"), []
    if not isinstance(extracts, dict):
        return value, []
    whole: dict[str, Any] = {}
    for name, mapping in extracts.items():
        whole[name] = mapping
        if isinstance(mapping, dict) and "preset" in mapping:
            try:
                whole[name] = with_preset(name, mapping)
            except PresetError as error:
                problems.append(f"{lines[('extracts', name, 'preset')]}: {error}")
    return {**value, "extracts": whole}, problems


def close_to(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """A hint such as `; did you mean mrr?`, or an empty text."""
    lowered = {k.lower(): k for k in names}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(lowered[f] for f in close)}?" if close else ""


def own_columns(extract: str) -> list[str]:
    """The columns that a mapping may fill."""
    return _own_columns()[extract]


@cache
def _own_columns() -> Mapping[str, list[str]]:
    """The same by extract. It imports the contracts, which takes seconds; `read_mapping` does without."""
    from segmentation_assets.extracts.contracts import EXTRACTS, HISTORY_COLUMNS  # noqa: PLC0415
    from segmentation_assets.tables.contracts import ibis_schema  # noqa: PLC0415

    return {spec.name: [c for c in ibis_schema(spec.contract) if c not in HISTORY_COLUMNS] for spec in EXTRACTS}


def _unknown(value: Mapping[str, Any], lines: Lines) -> Iterator[str]:
    extracts = value.get("extracts")
    if not isinstance(extracts, dict):
        yield f"{lines[()]}: expected `version: 1` and a mapping `extracts`"
        return
    for name, mapping in extracts.items():
        if name not in _own_columns():
            yield f"{lines[('extracts', name)]}: there is no extract {name}{close_to(name, _own_columns())}"
        elif isinstance(mapping, dict):
            yield from _unknown_columns(name, mapping, lines)


def _unknown_columns(name: str, mapping: Mapping[str, Any], lines: Lines) -> Iterator[str]:
    own = own_columns(name)
    for part in ("columns", "values"):
        value = mapping.get(part)
        for column in value if isinstance(value, dict) else ():
            if column not in own:
                place = lines[("extracts", name, part, column)]
                yield f"{place}: {name} has no column {column}{close_to(column, own)}"
    for key in ("ends_at_horizon", "ends"):
        if name != _WITH_ENDS and key in mapping:
            yield f"{lines[('extracts', name, key)]}: {name} has no ends; only {_WITH_ENDS} has"
    if name != "product_usage" and "rows_are" in mapping:
        yield f"{lines[('extracts', name, 'rows_are')]}: {name} cannot be events; only product_usage can"
    if name == "product_usage" and "newest_by" in mapping:
        yield f"{lines[('extracts', name, 'newest_by')]}: product_usage lands by day; its newest drop counts"
    if name == "product_usage" and mapping.get("drops") not in {None, "changes"}:
        yield f"{lines[('extracts', name, 'drops')]}: product_usage lands by day; its drops are changes"


def _explain(error: ValidationError, lines: Lines) -> Iterator[str]:
    said = set()
    for item in error.errors():
        path = tuple(str(part) for part in item["loc"])
        place = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in lines)
        if (place, item["type"]) in said:  # a union reports the same place once per type that it allows
            continue
        said.add((place, item["type"]))
        problem = {"extra_forbidden": "unknown key", "missing": "key is missing"}.get(item["type"], item["msg"])
        actual = "" if isinstance(item["input"], dict) else f", found {item['input']!r}"
        shown = path if item["type"] == "missing" else place
        yield f"{lines[place]}: {'.'.join(shown)}: {problem.removeprefix('Value error, ')}{actual}"


def _read(path: Path) -> tuple[Mapping[str, Any], Lines]:
    return read_with_lines(path, "`version: 1` and `extracts`", SourcesError, as_text=True)
