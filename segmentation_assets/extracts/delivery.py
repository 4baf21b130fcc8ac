"""The parts of landing that all extracts share: state, hashes of files, refusals, the quarantine's file.

Not here: the order of extracts (`landing`), extracts with a history (`history`), product usage (`usage_days`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from segmentation_assets.extracts.casting import Cast, casts, missing_columns, try_expressions
from segmentation_assets.extracts.contracts import QUARANTINE, natural_key
from segmentation_assets.extracts.judging import (
    DIFFERENT_DUPLICATE,
    DUPLICATE,
    FILES,
    KNOWN_ACCOUNTS,
    KNOWN_CURRENCIES,
    Reason,
    references_of,
)
from segmentation_assets.extracts.reading import (
    REJECTS,
    Drop,
    Raw,
    Reader,
    SourceError,
    drops_of,
)
from segmentation_assets.extracts.sources import Sources, SourcesError, close_to, own_columns
from segmentation_assets.policy.company import CompanyPolicy, ExtractsPolicy
from segmentation_assets.settings import write_whole
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.sql_text import identifier, literal
from segmentation_assets.warehouse.store import footer, footer_sql

IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "crm_accounts": ("account_id",),
    "product_users": ("user_id", "account_id"),
    "fx_rates": ("currency",),
}
"""The columns that rows of other extracts refer to. If they change, those extracts are judged again."""


@dataclass(frozen=True)
class Landed:
    """The result of landing one extract. `good + quarantined == read`. `skipped`: nothing changed since the last
    landing.

    `drops` counts deliveries (0: not mapped). `failed`: nothing was published, and `reason` says why. `ahead`: dates
    of drops that were not read because they are dated after today. `left_out` counts rows that the mapping leaves out
    (`where`). `money` is the recurring money of all rows read, `refused_money` that of refused rows, each row in its
    own currency; null for an extract without recurring money.
    """

    extract: str
    read: int = 0
    good: int = 0
    quarantined: int = 0
    drops: int = 0
    seconds: float = 0.0
    skipped: bool = False
    failed: bool = False
    reason: str | None = None
    ahead: tuple[str, ...] = ()
    left_out: int = 0
    money: float | None = None
    refused_money: float | None = None


@dataclass(frozen=True)
class Money:
    """Recurring money per month of all rows and of refused rows. Absolute amounts, each row in its own currency."""

    total: float
    refused: float

    @property
    def refused_share(self) -> float:
        """Share of refused money; 0 if there is no money at all."""
        return self.refused / self.total if self.total else 0.0


class WouldLand(Exception):
    """An extract has something to land, and the landing only looks."""


class Refused(Exception):
    """Too many rows of an extract are bad. The message says which rules they broke."""

    def __init__(self, read: int, quarantined: int, message: str) -> None:
        super().__init__(message)
        self.read, self.quarantined = read, quarantined


@dataclass
class Landing:
    """The state of one landing, shared by all extracts."""

    sources: Sources
    engine: Engine
    company: CompanyPolicy
    policy: ExtractsPolicy
    reader: Reader
    hashes: FileHashes
    code: str
    today: date
    known_tables: set[str] = field(default_factory=set)
    ahead: dict[str, tuple[str, ...]] = field(default_factory=dict)
    accepted: Mapping[str, str] = field(default_factory=dict)
    """The delivery that a person accepted, by extract."""
    only_looks: bool = False
    """The landing writes nothing. It ends with WouldLand where it would begin to."""

    def begin(self) -> None:
        """Called before an extract is read or written. Raises WouldLand if the landing only looks."""
        if self.only_looks:
            raise WouldLand

    def drops(self, name: str) -> list[Drop]:
        """The drops of an extract that are due. `ahead` has the dates of later drops, which are not read yet.

        Raises SourceError as `drops_of` does, and if all drops are dated after today.
        """
        drops = drops_of(self.sources, name)
        there = [drop for drop in drops if is_due(drop, self.today, self.hashes)]
        self.ahead[name] = tuple(drop.label for drop in drops if drop not in there)
        if not there:
            raise SourceError(
                f"every drop is dated after today, {self.today}; the first one {drops[0].label}",
                file=self.reader.label(drops[0].files[0]),
                advice="name each drop by its day, and set company.timezone in the policy",
            )
        return there

    def place_of(self, spec: TableSpec, drop: Drop) -> str:
        """The name of a drop in messages."""
        return ", ".join(self.reader.label(file) for file in drop.files) or self.reader.place(spec.name)

    def is_accepted(self, name: str, drops: Sequence[Drop]) -> bool:
        """Whether a person accepted this delivery although it looks cut off."""
        return self.accepted.get(name) == delivery_digest(self.hashes, drops)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        return self.engine.connection.execute(sql).fetchall()

    def number(self, sql: str) -> int:
        """The single number that a query returns."""
        return int(self.query(sql)[0][0] or 0)

    def facts(self, name: str) -> Mapping[str, Any]:
        """The footer of an extract's published file."""
        return footer(self.engine.store.file(name))

    def identities(self, name: str) -> str:
        """Hash of an extract's ids that other extracts refer to; empty if it has none."""
        return str(self.facts(name).get("ids", ""))

    def files_table(self, name: str, drops: Sequence[Drop]) -> None:
        """Create the temporary table of the files being landed."""
        rows = [(str(f), d.day, self.reader.label(f), n) for n, d in enumerate(drops) for f in d.files]
        if self.sources.extracts[name].path is None:
            rows = [(self.reader.place(name), None, self.reader.place(name), 0)]
        self.engine.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {FILES} (file VARCHAR, drop_day DATE, label VARCHAR, number INTEGER)"
        )
        values = ", ".join(f"({literal(f)}, {_day(d)}, {literal(label)}, {n})" for f, d, label, n in rows)
        if rows:
            self.engine.connection.execute(f"INSERT INTO {FILES} VALUES {values}")

    def columns(self, spec: TableSpec, raw: Raw, drops: Sequence[Drop]) -> list[Cast]:
        """How the contract's columns are filled from `raw`. Raises SourceError if one cannot be filled."""
        source, own = self.sources.extracts[spec.name], own_columns(spec.name)
        file = self.reader.label(drops[-1].files[-1]) if drops[-1].files else self.reader.place(spec.name)
        for missing in missing_columns(spec.contract, source, raw, own):
            raise SourceError(
                f"no column {missing.source} for {spec.name}.{missing.column}{missing.hint}",
                file=file,
                column=missing.column,
                advice=f"map it in {self.sources.file.name} under columns: {{{missing.column}: ...}}",
            )
        types = try_expressions(self.engine.connection, spec.name, source, raw, file)
        return casts(spec.contract, source, raw, own, self.company.timezone, types)

    def remember_known(self, spec: TableSpec, own_rows: str | None = None) -> None:
        """Create the tables that an extract's references are checked against. `own_rows` has its own ids."""
        rows = {
            KNOWN_ACCOUNTS: lambda: self._distinct("crm_accounts", "account_id"),
            KNOWN_CURRENCIES: lambda: (
                f"{self._distinct('fx_rates', 'currency')} UNION SELECT {literal(self.company.reporting_currency)}"
            ),
        }
        for reference in references_of(spec):
            table = reference.known_in
            if spec.name == "crm_accounts" and own_rows:
                sql = f"SELECT DISTINCT account_id AS known FROM ({own_rows})"
            elif table in self.known_tables:
                continue
            else:
                sql = rows[table]()
                self.known_tables.add(table)
            self.engine.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}")

    def _distinct(self, name: str, column: str) -> str:
        file = self.engine.store.file(name)
        if not file.exists():
            return "SELECT NULL::VARCHAR AS known WHERE false"
        return f"SELECT DISTINCT {column} AS known FROM read_parquet({literal(str(file))}, hive_partitioning = false)"

    def allowed(self, spec: TableSpec) -> float:
        """The share of rows, and of recurring money, that may be refused: from the mapping, else from the policy."""
        own = self.sources.extracts[spec.name].max_quarantine_share
        return self.policy.max_quarantine_share if own is None else own

    def too_many(self, spec: TableSpec, read: int, quarantined: int, money: Money | None = None) -> bool:
        """Whether the share of bad rows, or of their recurring money, is too high."""
        share = quarantined / read if read else 0.0
        return max(share, money.refused_share if money else 0.0) > self.allowed(spec)

    def refuse(
        self, spec: TableSpec, read: int, quarantined: int, refused: str, money: Money | None = None
    ) -> Refused:
        """The error for an extract with too many bad rows. The bad rows are saved for people to look at."""
        aside = self.engine.store.home / "landing" / "refused" / f"{spec.name}.parquet"
        with self.engine.store.stage() as folder:
            self.engine.connection.execute(f"COPY ({refused}) TO {literal(str(folder / 'x'))} (FORMAT parquet)")
            self.engine.store.publish(folder / "x", aside)
        broken = self.query(
            "SELECT rule, count(*) AS n, arg_min({'v': value, 'k': key, 's': source, 'r': source_row}, "
            "(source, source_row, key)) AS first "
            f"FROM read_parquet({literal(str(aside))}) GROUP BY rule ORDER BY n DESC, rule LIMIT 5"
        )
        said = "; ".join(
            f"{rule}: {n} {'row' if n == 1 else 'rows'}, e.g. {_example(first['v'], first['k'])}"
            f"{_place(first['s'], first['r'])}"
            for rule, n, first in broken
        )
        allowed = self.allowed(spec)
        amount = f", {money.refused:,.2f} of {money.total:,.2f} a month ({money.refused_share:.1%})" if money else ""
        return Refused(
            read,
            quarantined,
            f"{quarantined} of {read} rows ({quarantined / read:.1%}){amount} break the contract; at most "
            f"{allowed:.1%} may. {said}. Nothing of it was published; its bad rows are in "
            f"landing/refused/{spec.name}.parquet. Correct them at the source, or correct the "
            "mapping: `segmentation check-sources` says what it expects",
        )


def _example(value: str | None, key: str | None) -> str | None:
    return key if value is None else f"{value} ({key})"


def _place(source: str | None, row: int | None) -> str:
    return "" if source is None else f" in {source}" if row is None else f" in {source}, row {row}"


def _day(day: date | None) -> str:
    return f"DATE {literal(str(day))}" if day else "NULL"


class FileHashes:
    """Hashes of file contents, cached by path, size and time of change."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        try:
            self._known: dict[str, list[Any]] = json.loads(cache.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # only a cache: rebuild it
            self._known = {}
        self._changed = False

    def of(self, path: Path) -> str:
        """BLAKE2b of the file's bytes."""
        stat = path.stat()
        entry = self._known.get(str(path))
        if entry is None or entry[:2] != [stat.st_size, stat.st_mtime_ns]:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            entry = self._known[str(path)] = [stat.st_size, stat.st_mtime_ns, digest]
            self._changed = True
        return entry[2]

    def knows(self, path: Path) -> bool:
        """Whether the file was hashed and has kept its size and time of change since."""
        stat = path.stat()
        return self._known.get(str(path), [])[:2] == [stat.st_size, stat.st_mtime_ns]

    def save(self) -> None:
        """Write the cache if it has new entries."""
        if self._changed:
            write_json(self._cache, self._known)


def is_due(drop: Drop, today: date, hashes: FileHashes) -> bool:
    """Whether a drop is read: its day has come, or it was read before.

    So what has landed stays landed if the clock of this machine is set back.
    """
    return drop.day is None or drop.day <= today or all(hashes.knows(file) for file in drop.files)


def delivery_digest(hashes: FileHashes, drops: Sequence[Drop]) -> str:
    """Identifies one delivery, by the content of the newest drop's files."""
    return digest(drops[-1].label, *map(hashes.of, drops[-1].with_logs()))


def accepted_file(home: Path) -> Path:
    """The file of a home that lists the deliveries people accepted."""
    return home / "landing" / "accepted.json"


def read_accepted(home: Path) -> Mapping[str, str]:
    """The delivery that a person accepted last, by extract."""
    try:
        return json.loads(accepted_file(home).read_text())
    except FileNotFoundError:
        return {}


def accept(sources: Sources, home: Path, names: Iterable[str]) -> None:
    """Record that the newest delivery of these extracts is right although it looks cut off or is much smaller.

    Raises SourcesError if there is no delivery, or if an extract is not mapped.
    """
    hashes, accepted = FileHashes(home / "landing" / "files.json"), dict(read_accepted(home))
    for name in names:
        if name not in sources.extracts:
            mapped = ", ".join(sources.extracts)
            raise SourcesError(
                f"{sources.file}: {name} is not mapped{close_to(name, [*sources.extracts])}; mapped: {mapped}"
            )
        try:
            accepted[name] = delivery_digest(hashes, drops_of(sources, name))
        except SourceError as error:
            raise SourcesError(str(error)) from None
    write_json(accepted_file(home), accepted)


def refuse_cut_off(landing: Landing, spec: TableSpec, drops: Sequence[Drop], before: Mapping[str, Any]) -> None:
    """Raises Refused if a text file's last line is broken, or lacks the line end that earlier deliveries had."""
    lines = landing.reader.lines
    earlier = [lines[file].ends_in_line_break for drop in drops[:-1] for file in drop.files if file in lines]
    used_to_end = all(earlier) if earlier else bool(before.get("ends_in_line_break"))
    for file in drops[-1].files:
        if file not in lines or lines[file].ends_in_line_break:
            continue
        broken = landing.query(
            f"SELECT text FROM {REJECTS} WHERE extract = {literal(spec.name)} AND file = {literal(str(file))} "
            f"AND line = {lines[file].total}"
        )
        if broken or used_to_end:
            what = f"its last line is broken ({broken[0][0][:80]!r})" if broken else "its last line has no end"
            raise Refused(
                lines[file].total,
                0,
                f"{landing.reader.label(file)}: {what}: the file was cut off on the way. Nothing was published. "
                f"Deliver it again; if it is right, accept it once: segmentation run --accept {spec.name}",
            )


def write_json(path: Path, value: Any) -> None:
    """Write a small file as JSON, atomically."""
    write_whole(path, json.dumps(value, sort_keys=True))


def digest(*parts: object) -> str:
    """Short hash of the parts' text."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def quarantine_file(landing: Landing, name: str) -> Path:
    """The published file of an extract's refused rows."""
    return landing.engine.store.published / QUARANTINE.name / f"{name}.parquet"


def common_inputs(landing: Landing, spec: TableSpec) -> list[object]:
    """Everything besides the files that decides what an extract's rows become."""
    source = landing.sources.extracts[spec.name]
    return [
        source.digest,
        landing.sources.whole_drops(spec.name),
        code_version(spec.contract),
        landing.code,
        landing.company.timezone,
        landing.company.reporting_currency if KNOWN_CURRENCIES in {r.known_in for r in references_of(spec)} else "",
    ]


def duplicate_reasons(spec: TableSpec, names: Sequence[str]) -> list[Reason]:
    """The two reasons for rows with a repeated key. The second one shows their other values."""
    others = [n for n in names if n not in natural_key(spec.contract)]
    shown = ", ".join(f"{literal(n + '=')} || CAST({identifier(n)} AS VARCHAR)" for n in others)
    return [Reason(DUPLICATE, None, "NULL"), Reason(DIFFERENT_DUPLICATE, None, f"concat_ws(', ', {shown})")]


def write_quarantine(landing: Landing, refused: str, target: Path) -> None:
    """Write refused rows to a file, with a hash of them in its footer."""
    kinds = {"date": "DATE", "int64": "BIGINT"}
    columns = ", ".join(
        f"CAST({identifier(n)} AS {kinds.get(str(t).lower(), 'VARCHAR')}) AS {identifier(n)}"
        for n, t in ibis_schema(QUARANTINE.contract).items()
    )
    landing.engine.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE landing_refused AS SELECT {columns} FROM ({refused})"
    )
    counts = landing.query("SELECT count(*), sum(hash(r)::HUGEINT) FROM landing_refused r")
    landing.engine.connection.execute(
        f"COPY (SELECT * FROM landing_refused ORDER BY ALL) TO {literal(str(target))} "
        f"(FORMAT parquet, {footer_sql({'drops': {'': digest(*counts)}})})"
    )
