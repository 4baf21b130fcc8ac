"""Landing product usage: by day of use, and only days whose files or users have changed.

Here: which days have changed, duplicates and late rows of a day, unknown users, and publishing days. Not here:
extracts with a history (`history`), the order of extracts (`landing`).

Usage is the only big extract, so SQL reads many days in one batch: once to count, once for the few bad or repeated
rows, once to write. If several drops have the same user, day and feature, the newest drop counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from segmentation_assets.extracts.casting import Cast, select_sql, summed_sql
from segmentation_assets.extracts.contracts import natural_key
from segmentation_assets.extracts.delivery import (
    Landed,
    Landing,
    common_inputs,
    digest,
    duplicate_reasons,
    quarantine_file,
    write_json,
    write_quarantine,
)
from segmentation_assets.extracts.judging import REASON, Judged, Reason, judge, refused_sql, rejected_sql
from segmentation_assets.extracts.reading import FILE, REJECTS, ROW, Drop, kind_of
from segmentation_assets.extracts.sources import EVENTS, own_columns
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.footers import read_footers
from segmentation_assets.warehouse.sql_text import identifiers, literal
from segmentation_assets.warehouse.store import footer_sql, is_damaged, rows_in, stamp

NO_DAY = ""
"""The day of rows whose day cannot be read. They are all refused."""

BATCH_ROWS = 2_000_000  # limits memory: at most this many keys are counted at once
_OVERLAP = 1.5  # reading files more often than this, on average, costs more than it saves
UNKNOWN_USER, OTHER_ACCOUNT = "unknown user_id", "account_id is not the user's"
UNKNOWN_ACCOUNT = "unknown account_id"
_MEMBERS, _CONTESTED, _SUSPECTS, _COUNTS = (
    "landing_members", "landing_contested", "landing_suspects", "landing_counts",
)  # fmt: skip
_DAY = "usage_date"
MEASURES = {"event_count": "BIGINT", "session_count": "BIGINT", "session_minutes": "DOUBLE", "error_count": "BIGINT"}
_STAND_IN = {"drops": {"0000-00-00": "0" * 16}}  # the same length as a real day and digest


@dataclass(frozen=True)
class Piece:
    """A unit that is hashed and read as a whole: a file, or the result of a query or a database."""

    label: str
    drop: Drop
    digest: str
    file: str
    """The value of the column FILE in its rows."""


@dataclass
class DayFacts:
    """The record of one landed day. `published` counts the good rows that no newer drop replaced."""

    inputs: str
    digest: str
    read: int
    quarantined: int
    unknown: int
    published: int


@dataclass
class State:
    """The record of the last landing, in `landing/product_usage.json` of the home."""

    common: str
    parents: str
    pieces: dict[str, dict[str, Any]]
    days: dict[str, DayFacts]

    @classmethod
    def load(cls, path: Path, common: str) -> State:
        """Read the state. It is empty if there is none, or if `common` (what all days depend on) has changed."""
        try:
            value = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # landed anew
            value = {}
        if value.get("common") != common:
            return cls(common, "", {}, {})
        return cls(common, value["parents"], value["pieces"], {d: DayFacts(**f) for d, f in value["days"].items()})

    def save(self, path: Path) -> None:
        """Write the state: before publishing without the days to publish, and again at the end with them."""
        days = {d: vars(f) for d, f in self.days.items()}
        write_json(path, {"common": self.common, "parents": self.parents, "pieces": self.pieces, "days": days})


def forget(landing: Landing, spec: TableSpec) -> None:
    """Remove all days, because usage is no longer mapped."""
    days = landing.engine.store.days(spec.name, "usage_date")
    if days or _state_file(landing).exists():
        landing.begin()
    for day in days:
        landing.engine.store.file(spec.name, "usage_date", day).unlink()
    _state_file(landing).unlink(missing_ok=True)


def land_usage(landing: Landing, spec: TableSpec) -> Landed:
    """Bring the published days up to date.

    Raises SourceError if the source cannot be read, and Refused if too many rows are bad.
    """
    drops = landing.drops(spec.name)
    common = digest(*common_inputs(landing, spec), landing.policy.max_quarantine_share)
    state = State.load(_state_file(landing), common)
    if is_damaged(quarantine_file(landing, spec.name)):  # only the source files still have its rows
        state = State(common, "", {}, {})
    footers = read_footers(landing.engine.store, spec.name, _DAY)
    published = {str(day) for day, each in footers.items() if each.facts}  # a damaged file counts as missing
    run = _Run(landing, spec, state, _pieces(landing, spec, drops))
    inputs = run.inputs_by_day()
    stale = {d for d, i in inputs.items() if d not in state.days or state.days[d].inputs != i}
    stale |= {d for d in inputs if d != NO_DAY and d in state.days and _is_lost(state.days[d], d, published)}
    parents = _parents(landing)
    if state.days and parents != state.parents:
        stale |= run.days_of_other_members() & set(inputs)
    gone = (set(state.days) | set(map(str, footers))) - set(inputs)
    if stale or gone or parents != state.parents:
        landing.begin()
    if stale or gone:
        run.bring(sorted(stale), gone, inputs)
    if stale or gone or parents != state.parents:
        state.parents = parents
        state.save(_state_file(landing))
        run.keep_members()  # after the state: an outdated list only makes more days look changed
    read = sum(f.read for f in state.days.values())
    bad = sum(f.quarantined for f in state.days.values())
    return Landed(spec.name, read, read - bad, bad, len(drops), skipped=not (stale or gone))


def _state_file(landing: Landing) -> Path:
    return landing.engine.store.home / "landing" / "product_usage.json"


def _members_file(landing: Landing) -> Path:
    """The file of users (or accounts) that published rows were checked against. It shows which have gone since."""
    return landing.engine.store.home / "landing" / "product_usage_members.parquet"


def _parents(landing: Landing) -> str:
    return digest(landing.identities("product_users"), landing.identities("crm_accounts"))


def _is_lost(facts: DayFacts, day: str, published: set[str]) -> bool:
    """Whether the file of a landed day was removed or is damaged, so that the day must land again."""
    return (facts.published > 0 or facts.read == 0) and day not in published


def _pieces(landing: Landing, spec: TableSpec, drops: Sequence[Drop]) -> list[Piece]:
    source = landing.sources.extracts[spec.name]
    if source.path is None:
        place = landing.reader.place(spec.name)
        if source.postgres:  # only reading it shows whether it has changed
            raw = landing.reader.raw(spec.name, drops)
            hash_of_rows = digest(*landing.query(f"SELECT count(*), sum(hash(r)::HUGEINT) FROM ({raw.sql}) r"))
        else:
            hash_of_rows = digest(*map(landing.hashes.of, drops[0].with_logs()))
        return [Piece(place, drops[0], hash_of_rows, place)]
    if source.query:
        return [
            Piece(landing.reader.label(d.files[0]), d, digest(*map(landing.hashes.of, d.files)), str(d.files[0]))
            for d in drops
        ]
    return [
        Piece(landing.reader.label(f), Drop(d.day, (f,)), landing.hashes.of(f), str(f))
        for d in drops
        for f in d.files
    ]


class _Run:
    """One landing of usage: its pieces, and bringing days up to date from them."""

    def __init__(self, landing: Landing, spec: TableSpec, state: State, pieces: Sequence[Piece]) -> None:
        self.landing, self.spec, self.state = landing, spec, state
        self.pieces = {p.label: p for p in pieces}
        self.names = own_columns(spec.name)

    # -- changed days

    def inputs_by_day(self) -> dict[str, str]:
        """The hash of the pieces with rows of each day, by day."""
        self._count_new()
        by_day: dict[str, list[str]] = {}
        for label, piece in sorted(self.pieces.items()):
            for day in _days_of(self.state.pieces[label], piece):
                by_day.setdefault(day, []).append(f"{piece.drop.label} {label} {piece.digest}")
        return {day: digest(*pieces) for day, pieces in by_day.items()}

    def _count_new(self) -> None:
        """Record the days of which new and changed pieces have rows."""
        states = {label: self.state.pieces.get(label) for label in self.pieces}
        new = [p for label, p in self.pieces.items() if (states[label] or {}).get("digest") != p.digest]
        self.state.pieces = {label: facts for label, facts in states.items() if facts}
        if not new:
            return
        self.landing.begin()
        typed, _ = self._typed(new)
        for piece in new:
            self.state.pieces[piece.label] = {"digest": piece.digest, "days": {}}
        labels = {p.file: p.label for p in new}
        counts = f"SELECT {FILE}, COALESCE(usage_date::VARCHAR, ''), count(*) FROM ({typed}) GROUP BY ALL"
        lost = f"SELECT file, '', count(*) FROM {REJECTS} WHERE extract = {literal(self.spec.name)} GROUP BY file"
        for file, day, rows in [*self.landing.query(counts), *self.landing.query(lost)]:
            days = self.state.pieces[labels[file]]["days"]
            days[day] = days.get(day, 0) + rows

    def days_of_other_members(self) -> set[str]:
        """Days with refused rows whose user is known now, or with published rows whose user is gone.

        Only users that came or went are looked up, because there are new users every day and many old days.
        """
        columns = self._remember_members()
        file = _members_file(self.landing)
        before = f"read_parquet({literal(str(file))}, hive_partitioning = false)"
        described = self.landing.query(f"DESCRIBE SELECT * FROM {before}") if file.exists() else []
        if [row[0] for row in described] != columns.split(", "):
            return {day for day in self.state.days if day != NO_DAY}
        execute = self.landing.engine.connection.execute
        execute(f"CREATE OR REPLACE TEMP TABLE landing_gone AS FROM {before} EXCEPT FROM {_MEMBERS}")
        execute(f"CREATE OR REPLACE TEMP TABLE landing_come AS FROM {_MEMBERS} EXCEPT FROM {before}")
        return self._published_with(columns) | self._refused_without(columns)

    def _published_with(self, columns: str) -> set[str]:
        """Days published with a user (or account) of `landing_gone`."""
        store = self.landing.engine.store
        if not self.landing.number("SELECT count(*) FROM landing_gone") or not store.days(self.spec.name, _DAY):
            return set()
        files = literal(str(store.published / self.spec.name / "*" / "*.parquet"))
        rows = f"SELECT {columns}, usage_date FROM read_parquet({files}, hive_partitioning = true)"
        hit = f"SELECT DISTINCT usage_date::VARCHAR FROM ({rows}) r SEMI JOIN landing_gone g ON {_same(columns, 'g')}"
        return {day for (day,) in self.landing.query(hit)}

    def _refused_without(self, columns: str) -> set[str]:
        """Days with a row that was refused because a user (or account) of `landing_come` was missing."""
        file = quarantine_file(self.landing, self.spec.name)
        if not file.exists():
            return set()
        name = columns.partition(", ")[0]
        other = (
            f" OR q.rule = {literal(OTHER_ACCOUNT)} AND starts_with(q.key, c.user_id || ' | ')"
            f" OR q.rule = {literal(UNKNOWN_ACCOUNT)} AND c.user_id IS NULL AND q.value = c.account_id"
        )
        hit = (
            "SELECT DISTINCT usage_date::VARCHAR FROM "
            f"read_parquet({literal(str(file))}, hive_partitioning = false) q JOIN landing_come c ON "
            f"q.rule = {literal(f'unknown {name}')} AND q.value = c.{name}{other if name == 'user_id' else ''}"
        )
        return {day for (day,) in self.landing.query(hit) if day}

    def keep_members(self) -> None:
        """Save the users that the published rows were checked against."""
        self._remember_members()
        with self.landing.engine.store.stage() as folder:
            self.landing.engine.connection.execute(
                f"COPY {_MEMBERS} TO {literal(str(folder / 'x'))} (FORMAT parquet)"
            )
            self.landing.engine.store.publish(folder / "x", _members_file(self.landing))

    # -- reading

    def _typed(self, pieces: Sequence[Piece]) -> tuple[str, list[Cast]]:
        drops = [p.drop for p in pieces]
        raw = self.landing.reader.raw(self.spec.name, drops)
        columns = self.landing.columns(self.spec, raw, drops)
        once = "per file" if self.landing.sources.extracts[self.spec.name].distinct else "no"
        typed = select_sql(raw, columns, distinct=once)
        if self.landing.sources.extracts[self.spec.name].rows_are == EVENTS:
            typed = summed_sql(typed, columns, MEASURES)
        return typed, columns

    def _remember_members(self) -> str:
        """Create the table of known users and their accounts, or of known accounts if users are not mapped.

        Usage without a user is looked up by its account. Returns the table's columns, separated by commas.
        """
        users, accounts = (self.landing.engine.store.file(n) for n in ("product_users", "crm_accounts"))
        columns = "user_id, account_id"
        is_listed = users.exists() and rows_in([users])
        if not is_listed:
            users, columns = accounts, "account_id"
        sql = f"SELECT DISTINCT {columns} FROM read_parquet({literal(str(users))}, hive_partitioning = false)"
        if is_listed:
            sql += (
                " UNION ALL SELECT DISTINCT NULL, account_id FROM "
                f"read_parquet({literal(str(accounts))}, hive_partitioning = false)"
            )
        self.landing.engine.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_MEMBERS} AS {sql}")
        return columns

    def _judged(self, pieces: Sequence[Piece], days: Sequence[str]) -> tuple[Judged, list[Cast]]:
        """Rows of the days with REASON. A bad user is only marked unknown here; `_suspect` refines that later."""
        typed, columns = self._typed(pieces)
        judged = judge(self.landing.engine, self.spec, typed, columns, (FILE, ROW))
        columns_known = self._remember_members()
        unknown = len(judged.reasons)
        reasons = [*judged.reasons]
        which = str(unknown)
        if "user_id" in columns_known:
            reasons += [
                Reason(UNKNOWN_USER, "user_id", "user_id"),
                Reason(OTHER_ACCOUNT, "account_id", "account_id"),
            ]
            which = f"CASE WHEN r.user_id IS NULL THEN {unknown + 2} ELSE {unknown} END"
        reasons += [Reason(UNKNOWN_ACCOUNT, "account_id", "account_id")]
        sql = (
            f"SELECT r.* REPLACE (COALESCE(r.{REASON}, CASE WHEN m.account_id IS NULL THEN {which} END)::SMALLINT "
            f"AS {REASON}) FROM ({judged.sql}) r LEFT JOIN {_MEMBERS} m ON {_same(columns_known, 'm')}"
            f"{self._only(pieces, days)}"
        )
        return Judged(sql, (*reasons, *duplicate_reasons(self.spec, self.names))), columns

    def _only(self, pieces: Sequence[Piece], days: Sequence[str]) -> str:
        """A filter on the days; empty if the pieces have no other days."""
        there = {day for p in pieces for day in self.state.pieces[p.label]["days"]}
        if there <= set(days):
            return ""
        dated = ", ".join(f"DATE {literal(d)}" for d in days if d != NO_DAY) or "NULL"
        return f" WHERE r.usage_date IN ({dated})" + (" OR r.usage_date IS NULL" if NO_DAY in days else "")

    def _batches(self, days: Sequence[str]) -> Iterator[tuple[list[str], list[Piece]]]:
        """Days that are read together, with the pieces that contain them."""
        pieces_of: dict[str, list[Piece]] = {day: [] for day in days}
        rows: dict[str, int] = dict.fromkeys(days, 0)
        for label, piece in self.pieces.items():
            for day in _days_of(self.state.pieces[label], piece):
                if day in pieces_of:
                    pieces_of[day].append(piece)
                    rows[day] += self.state.pieces[label]["days"].get(day, 0)
        batches = [*_filled(days, rows)]
        reads = sum(len({p.label for d in batch for p in pieces_of[d]}) for batch in batches)
        all_pieces = {p.label: p for d in days for p in pieces_of[d]}
        is_text = any(kind_of(f) != "parquet" for p in all_pieces.values() for f in p.drop.files if p.drop.day)
        if is_text or reads > _OVERLAP * len(all_pieces):
            batches = [list(days)]
        for batch in batches:
            yield batch, list({p.label: p for d in batch for p in pieces_of[d]}.values())

    # -- writing

    def bring(self, days: Sequence[str], gone: Iterable[str], inputs: Mapping[str, str]) -> None:
        """Stage the days, check the share of bad rows, publish the days, and remove the days that are gone.

        Raises Refused; nothing is published then.
        """
        landing, store = self.landing, self.landing.engine.store
        read = [p for p in self.pieces.values() if not set(days).isdisjoint(_days_of(self.state.pieces[p.label], p))]
        landing.files_table(self.spec.name, [p.drop for p in read])
        self._keep_quarantine({*days, *gone})
        facts = {d: f for d, f in self.state.days.items() if d in inputs and d not in days}
        with store.stage() as folder:
            files: dict[str, Path] = {}
            for number, (batch, pieces) in enumerate(self._batches(days)):
                built, written = self._batch(batch, pieces, inputs, folder / str(number))
                facts |= built
                files |= written
            self._refuse_unreadable(NO_DAY in days)
            self._hold_to_share(facts)
            write_quarantine(landing, "SELECT * FROM landing_quarantine", folder / "bad.parquet")
            # From here to the end, the state of these days is not recorded. After a crash they are landed again.
            self.state.days = {d: f for d, f in self.state.days.items() if d in inputs and d not in days}
            self.state.save(_state_file(landing))
            store.publish(folder / "bad.parquet", quarantine_file(landing, self.spec.name))
            targets = {d: store.file(self.spec.name, _DAY, date.fromisoformat(d)) for d in {*days, *gone} - {NO_DAY}}
            store.publish_all({files[day]: targets[day] for day in sorted(targets) if day in files})
            for day in sorted(set(targets) - set(files)):
                targets[day].unlink(missing_ok=True)
        self.state.days = facts

    def _keep_quarantine(self, days: set[str]) -> None:
        """Keep rows that were refused earlier, of days that are not landed now."""
        file = quarantine_file(self.landing, self.spec.name)
        old = f"SELECT * FROM read_parquet({literal(str(file))}, hive_partitioning = false)"
        none = (
            "SELECT * FROM (SELECT NULL::VARCHAR AS extract, NULL::VARCHAR AS key, NULL::VARCHAR AS source, "
            "NULL::BIGINT AS source_row, NULL::VARCHAR AS rule, NULL::VARCHAR AS column_name, "
            "NULL::VARCHAR AS value, NULL::DATE AS dropped_on, NULL::DATE AS usage_date) WHERE false"
        )
        listed_days = ", ".join(literal(d) for d in sorted(days)) or "NULL"
        # By name, and after typed nulls, because an older quarantine file may have fewer columns.
        kept = f"{none} UNION ALL BY NAME {old} WHERE COALESCE(usage_date::VARCHAR, '') NOT IN ({listed_days})"
        if not file.exists() or not self.state.days:
            kept = none
        self.landing.engine.connection.execute(f"CREATE OR REPLACE TEMP TABLE landing_quarantine AS {kept}")

    def _refuse_unreadable(self, wanted: bool) -> None:
        if wanted:
            self.landing.engine.connection.execute(
                f"INSERT INTO landing_quarantine BY NAME {rejected_sql(self.spec)}"
            )

    def _hold_to_share(self, facts: Mapping[str, DayFacts]) -> None:
        read, bad = sum(f.read for f in facts.values()), sum(f.quarantined for f in facts.values())
        refused = self.landing.number("SELECT count(*) FROM landing_quarantine")
        if refused != bad:
            raise OSError(f"{self.spec.name}: {refused} rows refused, {bad} counted")
        if self.landing.too_many(self.spec, read, bad):
            raise self.landing.refuse(self.spec, read, bad, "SELECT * FROM landing_quarantine")

    def _batch(
        self, days: Sequence[str], pieces: Sequence[Piece], inputs: Mapping[str, str], folder: Path
    ) -> tuple[dict[str, DayFacts], dict[str, Path]]:
        judged, columns = self._judged(pieces, days)
        self._count(judged)
        self._suspect(judged)
        connection = self.landing.engine.connection
        bad = refused_sql(self.spec, f"SELECT * FROM {_SUSPECTS} WHERE {REASON} IS NOT NULL", columns, judged.reasons)
        connection.execute(f"INSERT INTO landing_quarantine BY NAME {bad}")
        facts = self._facts(judged, days, inputs)
        return facts, self._write(judged, facts, folder)

    def _key_hash(self) -> str:
        return f"hash({identifiers(natural_key(self.spec.contract))})"

    def _count(self, judged: Judged) -> None:
        """Count rows and good rows per day, with a hash, and collect the repeated keys."""
        self.landing.engine.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_COUNTS} AS SELECT usage_date AS day, sum(n)::BIGINT AS n, "
            "sum(good)::BIGINT AS good, sum(total)::VARCHAR AS total, list(h) FILTER (good > 1) AS contested FROM ("
            f"SELECT usage_date, {self._key_hash()} AS h, count(*) AS n, count(*) FILTER ({REASON} IS NULL) AS good, "
            f"sum(hash({identifiers(self.names)})::HUGEINT) FILTER ({REASON} IS NULL) AS total "
            f"FROM ({judged.sql}) GROUP BY ALL) GROUP BY day"
        )
        self.landing.engine.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_CONTESTED} AS SELECT unnest(contested) AS h FROM {_COUNTS}"
        )

    def _suspect(self, judged: Judged) -> None:
        """Collect the bad rows and the rows with repeated keys. `keep` marks the repeated rows to publish."""
        execute = self.landing.engine.connection.execute
        key, names, reasons = (
            identifiers(natural_key(self.spec.contract)),
            identifiers(self.names),
            len(judged.reasons),
        )
        if not self.landing.number(
            f"SELECT (SELECT count(*) FROM {_CONTESTED}) + (SELECT sum(n - good) FROM {_COUNTS})"
        ):
            execute(
                f"CREATE OR REPLACE TEMP TABLE {_SUSPECTS} AS SELECT *, false AS keep, 0 AS number "
                f"FROM ({judged.sql}) LIMIT 0"
            )
            return
        execute(
            f"CREATE OR REPLACE TEMP TABLE {_SUSPECTS} AS SELECT r.*, false AS keep, COALESCE(f.number, 0) AS number "
            f"FROM ({judged.sql}) r LEFT JOIN landing_files f ON f.file = r.{FILE} "
            f"WHERE r.{REASON} IS NOT NULL OR {self._key_hash()} IN (SELECT h FROM {_CONTESTED})"
        )
        unknown = [i for i, r in enumerate(judged.reasons) if r.rule == UNKNOWN_USER]
        if unknown:
            execute(
                f"UPDATE {_SUSPECTS} SET {REASON} = {unknown[0] + 1} WHERE {REASON} = {unknown[0]} "
                f"AND user_id IN (SELECT user_id FROM {_MEMBERS})"
            )
        execute(
            f"UPDATE {_SUSPECTS} SET {REASON} = CASE WHEN d.place > 1 THEN {reasons - 2} + d.differs::INT END, "
            "keep = d.place = 1 AND d.is_newest "
            f"FROM (SELECT rowid AS id, row_number() OVER w AS place, row({names}) IS DISTINCT FROM "
            f"first_value(row({names})) OVER w AS differs, "
            f"number = max(number) OVER (PARTITION BY {key}) AS is_newest "
            f"FROM {_SUSPECTS} WHERE {REASON} IS NULL WINDOW w AS (PARTITION BY {key}, number "
            f"ORDER BY {names}, {FILE}, {ROW})) d WHERE d.id = {_SUSPECTS}.rowid"
        )

    def _facts(self, judged: Judged, days: Sequence[str], inputs: Mapping[str, str]) -> dict[str, DayFacts]:
        unknown = [i for i, r in enumerate(judged.reasons) if r.rule.startswith("unknown") or r.rule == OTHER_ACCOUNT]
        rows = self.landing.query(
            f"SELECT COALESCE(c.day::VARCHAR, ''), c.n, c.good, c.total, COALESCE(s.bad, 0), COALESCE(s.unknown, 0), "
            f"COALESCE(s.good, 0), COALESCE(s.kept, 0), s.total::VARCHAR FROM {_COUNTS} c LEFT JOIN ("
            f"SELECT usage_date, count({REASON}) AS bad, "
            f"count(*) FILTER ({REASON} IN ({_numbers(unknown)})) AS unknown, "
            f"count(*) FILTER (was_good) AS good, count(*) FILTER (keep) AS kept, "
            f"sum(hash({identifiers(self.names)})::HUGEINT) FILTER (keep) AS total FROM (SELECT *, "
            f"{REASON} IS NULL OR {REASON} >= {len(judged.reasons) - 2} AS was_good FROM {_SUSPECTS}) "
            "GROUP BY usage_date"
            ") s ON s.usage_date IS NOT DISTINCT FROM c.day"
        )
        facts = {day: DayFacts(inputs[day], digest(day, "none"), 0, 0, 0, 0) for day in days}
        for day, n, good, total, bad, lost, contested, kept, kept_total in rows:
            fingerprint = digest(day, good, total, contested, kept, kept_total)
            facts[day] = DayFacts(inputs[day], fingerprint, n, bad, lost, good - contested + kept)
        if NO_DAY in facts:
            lines = self.landing.number(f"SELECT count(*) FROM {REJECTS} WHERE extract = {literal(self.spec.name)}")
            facts[NO_DAY].read += lines
            facts[NO_DAY].quarantined += lines
        return facts

    def _write(self, judged: Judged, facts: Mapping[str, DayFacts], folder: Path) -> dict[str, Path]:
        """Stage the good rows, one file per day."""
        engine, names = self.landing.engine, identifiers(self.names)
        folder.mkdir()
        contested = self.landing.number(f"SELECT count(*) FROM {_CONTESTED}")
        rest = f" AND {self._key_hash()} NOT IN (SELECT h FROM {_CONTESTED})" if contested else ""
        good = f"SELECT {names} FROM ({judged.sql}) WHERE {REASON} IS NULL{rest}"
        if contested:
            good += f" UNION ALL SELECT {names} FROM {_SUSPECTS} WHERE keep"
        engine.connection.execute(f"CREATE OR REPLACE TEMP VIEW landing_good AS {good}")
        paths = engine.write("SELECT * FROM landing_good", folder, "usage_date", _STAND_IN)
        files = {str(day): path for day, path in paths.items()}
        if rows_in(files.values()) != sum(f.published for f in facts.values()):
            raise OSError(f"{self.spec.name}: {rows_in(files.values())} rows written, not as many as counted")
        for day, path in files.items():
            stamp(path, _STAND_IN, {"drops": {day: facts[day].digest}})
        return files | self._empty_days(facts, folder)

    def _empty_days(self, facts: Mapping[str, DayFacts], folder: Path) -> dict[str, Path]:
        """Empty files for the days of empty drops. An empty drop means that there was no usage on its day."""
        schema = {n: t for n, t in ibis_schema(self.spec.contract).items() if n != "usage_date"}
        empty = {day: folder / f"empty-{day}.parquet" for day, f in facts.items() if f.read == 0 and day != NO_DAY}
        types = self.landing.engine.backend.compiler.type_mapper
        nulls = ", ".join(f'CAST(NULL AS {types.to_string(t)}) AS "{n}"' for n, t in schema.items())
        for day, path in empty.items():
            self.landing.engine.connection.execute(
                f"COPY (SELECT {nulls} WHERE false) TO {literal(str(path))} "
                f"(FORMAT parquet, {footer_sql({'drops': {day: facts[day].digest}})})"
            )
        return empty


def _days_of(facts: Mapping[str, Any], piece: Piece) -> list[str]:
    """The days in a piece; for an empty drop, the drop's own day."""
    return list(facts["days"]) or ([piece.drop.label] if piece.drop.day else [])


def _same(columns: str, other: str) -> str:
    """The join condition of rows `r` with the known users. Usage without a user is looked up by its account."""
    parts = {"user_id": "IS NOT DISTINCT FROM", "account_id": "="}
    return " AND ".join(f"{other}.{name} {parts[name]} r.{name}" for name in columns.split(", "))


def _filled(days: Sequence[str], rows: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    for day in days:
        if batch and sum(rows[d] for d in batch) + rows[day] > BATCH_ROWS:
            yield batch
            batch = []
        batch.append(day)
    if batch:
        yield batch


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "NULL"
