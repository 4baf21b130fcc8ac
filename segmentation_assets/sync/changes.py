"""What the CRM should hold and does not: the newest published values against the last acknowledged ones.

Here: `crm_changes`, its contract, and reading it in the order of urgency. Not here: asking the CRM anything: the log
says what it acknowledged (`log`), and `applying` looks before it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from segmentation_assets.policy.crm import NUMBER, SEGMENT_FIELD, SYSTEMS, TIER_FIELD, CrmField
from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.segments import AT_RISK
from segmentation_assets.reading.access import NotPublished, find_table, newest_whole_day, open_tables
from segmentation_assets.sync.log import HELD
from segmentation_assets.sync.log import TABLE as LOG
from segmentation_assets.sync.records import SyncRefused
from segmentation_assets.tables.contracts import Contract, Day, Moment, column, ibis_schema
from segmentation_assets.warehouse.sql_text import identifier, literal, literals
from segmentation_assets.warehouse.store import Store

TABLE = "crm_changes"
FIRST, BEHAVIOUR, POLICY, RESTATED = CAUSES = ("first", "behaviour", "policy", "restated")
_ACCOUNTS, _CRM, _REGISTER = "segments", "crm_accounts", "segment_register"
_ROWS_AT_ONCE = 20_000


class CrmChanges(Contract):
    """Which fields of which accounts does the CRM not have as they are? Key: system, account_id, field."""

    system: str = column("CRM.", isin=SYSTEMS)
    account_id: str = column("Account.")
    account_name: str = column("Name in the CRM.", nullable=True)
    record_id: str = column(
        "Id by which the CRM's record is addressed: of the HubSpot company, or the account_id in Salesforce's "
        "external id; null: not known, so nothing can be sent.",
        nullable=True,
    )
    field: str = column("Field, by its name in the policy.")
    wanted: str = column("Newest value, as text; null: the CRM's value is to be cleared.", nullable=True)
    acknowledged: str = column(
        "Value that the CRM has by its own last word; null: none, or never sent.", nullable=True
    )
    acknowledged_at: Moment = column("When the CRM said so, UTC; null: never.", nullable=True)
    cause: str = column(
        "first: never sent before. behaviour: the account changed. policy: a new policy changed it, the account did "
        "not. restated: data or code of the past changed. null: policy and data both changed since.",
        nullable=True, isin=CAUSES,
    )  # fmt: skip
    last_outcome: str = column("What became of the last attempt; null: none was made, or it was acknowledged.",
                               nullable=True)  # fmt: skip
    arr: float = column("ARR at as_of.", unit="currency", nullable=True, ge=0)
    as_of: Day = column("Day that the value describes.")
    policy_hash: str = column("Hash of the policy sections behind the value.")

    class Config:
        unique = ["system", "account_id", "field"]


@dataclass(frozen=True)
class Change:
    """One row of `crm_changes`."""

    account_id: str
    account_name: str | None
    record_id: str | None
    field: str
    wanted: str | None
    acknowledged: str | None
    acknowledged_at: datetime | None
    cause: str | None
    last_outcome: str | None
    arr: float | None
    as_of: date
    policy_hash: str


@dataclass(frozen=True)
class Facts:
    """What a run needs to know beside the changes."""

    system: str
    as_of: date
    accounts: int
    """Accounts of the newest day."""
    before: int | None
    """Accounts of the day that was sent last; null: none was, or it is not published any more."""
    before_as_of: date | None
    acknowledged_accounts: int
    """Accounts of the newest day whose segment the CRM has acknowledged."""
    changes: int
    changed_accounts: int
    moved: Mapping[str, int]
    """Accounts that change segment, by cause."""
    moved_in_all: int
    by_field: Mapping[str, Mapping[str, int]]
    """Number of changes by field and cause."""
    waiting: Mapping[str, int]
    """Number of changes by what became of their last attempt, where it was not acknowledged."""
    without_record: tuple[str, ...]
    """Accounts with changes whose record is not known."""
    shared: Mapping[str, tuple[str, ...]]
    """Records that several accounts name, with these accounts."""
    absent: tuple[str, ...]
    """Fields whose table is not published."""
    file: Path

    @property
    def share_moved(self) -> float | None:
        """Share of the accounts that the CRM knows that change segment; None: it knows none."""
        return self.moved_in_all / self.acknowledged_accounts if self.acknowledged_accounts else None


def find_changes(home: Path, policy: Policy, system: str) -> Facts:
    """Compare, and publish `crm_changes` of a system. Nothing is asked of the CRM.

    Raises NotPublished without segments, SyncRefused if a field's column does not exist.
    """
    store = Store(home)
    day = newest_whole_day(_ACCOUNTS, (), home)
    fields, absent = _present(policy.crm.fields, home)
    tables: dict[str, Any] = {_ACCOUNTS: day, **{field.column.partition(".")[0]: None for field in fields.values()}}
    tables[_ACCOUNTS] = day
    optional = [name for name in (_CRM, _REGISTER, LOG) if _is_published(name, home)]
    tables |= dict.fromkeys(optional)
    with open_tables(tables, home) as connection:
        _check_columns(connection, fields)
        connection.execute(f"CREATE TABLE wanted AS {_wanted_sql(fields)}")
        _check_once(connection, fields)
        connection.execute(f"CREATE TABLE records AS {_records_sql(connection, policy, system, day, optional)}")
        connection.execute(f"CREATE TABLE log AS {_log_sql(system, optional)}")
        connection.execute(f"CREATE TABLE known AS {_known_sql()}")
        connection.execute(f"CREATE TABLE changes AS {_changes_sql(system, policy.crm.null_overwrites, optional)}")
        facts = _facts(connection, home, system, day, absent, store.published / TABLE / f"{system}.parquet")
        _publish(connection, store, facts.file)
    return facts


def read_changes(file: Path, limit: int | None = None) -> Iterator[list[Change]]:
    """The changes of one account after the other, the most urgent first; of `limit` accounts."""
    own: list[Change] = []
    accounts = 0
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                change = Change(**{name: row[name] for name in Change.__dataclass_fields__})
                if own and own[0].account_id != change.account_id:
                    yield own
                    accounts, own = accounts + 1, []
                    if limit is not None and accounts >= limit:
                        return
                own.append(change)
    if own and (limit is None or accounts < limit):
        yield own


def wanted_values(file: Path) -> Mapping[str, set[str]]:
    """The values that changes would send, by field: for picklists."""
    values: dict[str, set[str]] = {}
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_ROWS_AT_ONCE, columns=["field", "wanted"]):
            for name, value in set(zip(*(column.to_pylist() for column in batch.columns), strict=True)):
                if value is not None:
                    values.setdefault(name, set()).add(value)
    return values


def uncertain_values(home: Path, system: str) -> Mapping[tuple[str, str], set[str]]:
    """Values sent after the last acknowledged one, so that the CRM may hold them, by account and field."""
    if not _is_published(LOG, home):
        return {}
    values: dict[tuple[str, str], set[str]] = {}
    with open_tables({LOG: None}, home) as connection:
        rows = connection.execute(
            f"SELECT account_id, field, value FROM {LOG} o WHERE system = {literal(system)} "
            "AND outcome = 'unconfirmed' AND value IS NOT NULL AND number > coalesce(("
            f"SELECT max(number) FROM {LOG} i WHERE i.system = o.system AND i.account_id = o.account_id "
            f"AND i.field = o.field AND i.outcome IN ({literals(HELD)})), 0)"
        ).fetchall()
    for account, name, value in rows:
        values.setdefault((account, name), set()).add(value)
    return values


def next_number(home: Path, system: str) -> int:
    """The number of the next row of the log."""
    if not _is_published(LOG, home):
        return 1
    with open_tables({LOG: None}, home) as connection:
        sql = f"SELECT coalesce(max(number), 0) + 1 FROM {LOG} WHERE system = {literal(system)}"
        row = connection.execute(sql).fetchall()[0]
    return int(row[0])


def acknowledged_sample(home: Path, system: str, size: int, seed: str) -> list[tuple[str, str, str, str | None]]:
    """(account, record, field, value) of what the CRM acknowledged, for some accounts, others with each seed."""
    if not size or not _is_published(LOG, home):
        return []
    with open_tables({LOG: None}, home) as connection:
        connection.execute(f"CREATE TABLE log AS {_log_sql(system, [LOG])}")
        connection.execute(f"CREATE TABLE known AS {_known_sql()}")
        return connection.execute(
            f"SELECT account_id, record_id, field, held FROM known WHERE outcome <> 'drifted' AND account_id IN ("
            f"SELECT account_id FROM known GROUP BY 1 ORDER BY md5(account_id || {literal(seed)}) LIMIT {int(size)}) "
            "ORDER BY account_id, field"
        ).fetchall()


def _is_published(table: str, home: Path) -> bool:
    with suppress(NotPublished):
        find_table(table, home)
        return True
    return False


def _present(fields: Mapping[str, CrmField], home: Path) -> tuple[dict[str, CrmField], tuple[str, ...]]:
    present = {name: field for name, field in fields.items() if _is_published(field.column.partition(".")[0], home)}
    return present, tuple(name for name in fields if name not in present)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return {row[0] for row in connection.execute(f"DESCRIBE {identifier(table)}").fetchall()}


def _check_columns(connection: duckdb.DuckDBPyConnection, fields: Mapping[str, CrmField]) -> None:
    for name, field in fields.items():
        table, _, wanted = field.column.partition(".")
        columns = _columns(connection, table)
        lacking = [each for each in (wanted, "account_id", "as_of") if each not in columns]
        if lacking:
            raise SyncRefused(
                f"policy crm.fields.{name}: {table} has no column {', '.join(lacking)}. "
                f"`segmentation dictionary {table}` lists its columns"
            )


def _check_once(connection: duckdb.DuckDBPyConnection, fields: Mapping[str, CrmField]) -> None:
    sql = "SELECT field, account_id FROM wanted GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    for name, account in connection.execute(sql).fetchall():
        raise SyncRefused(
            f"policy crm.fields.{name}: {fields[name].column} has several rows for account {account}. Name a column "
            "of a table with one row per account and day"
        )


def _wanted_sql(fields: Mapping[str, CrmField]) -> str:
    """Account, field, value as text, day and policy of the newest values of live accounts; one row each."""
    parts = [
        f"SELECT t.account_id, {literal(name)} AS field, {_as_text(field)} AS wanted, t.as_of, t.policy_hash "
        f"FROM {identifier(field.column.partition('.')[0])} t SEMI JOIN {_ACCOUNTS} USING (account_id)"
        for name, field in fields.items()
    ]
    return " UNION ALL ".join(parts) if parts else "SELECT NULL::VARCHAR AS account_id LIMIT 0"


def _as_text(field: CrmField) -> str:
    """A number without needless zeros, so that equal numbers are equal texts; a text without blanks around it, in the
    CRM's word for it.
    """
    value = f"t.{identifier(field.column.partition('.')[2])}"
    if field.kind != NUMBER:
        text = f"nullif(trim(CAST({value} AS VARCHAR)), '')"
        cases = " ".join(f"WHEN {literal(ours)} THEN {literal(theirs)}" for ours, theirs in field.values.items())
        return f"CASE {text} {cases} ELSE {text} END" if cases else text
    text = f"CAST(CAST(round({value}, {field.digits}) AS DECIMAL(30, {field.digits})) AS VARCHAR)"
    return f"rtrim(rtrim({text}, '0'), '.')" if field.digits else text


def _records_sql(
    connection: duckdb.DuckDBPyConnection, policy: Policy, system: str, day: date, optional: Sequence[str]
) -> str:
    """The address of each account's record."""
    if system == "salesforce":  # accounts are looked up by an external id, which is the account_id
        return f"SELECT DISTINCT account_id, account_id AS record_id FROM {_ACCOUNTS}"
    if _CRM not in optional or policy.crm.record_id not in _columns(connection, _CRM):
        return f"SELECT DISTINCT account_id, NULL::VARCHAR AS record_id FROM {_ACCOUNTS}"
    at = literal(day.isoformat())
    return (
        f"SELECT account_id, nullif(trim(max({identifier(policy.crm.record_id)})), '') AS record_id FROM {_CRM} "
        f"WHERE known_from <= DATE {at} AND DATE {at} < known_to GROUP BY account_id"
    )


def _log_sql(system: str, optional: Sequence[str]) -> str:
    if LOG in optional:
        return f"SELECT * FROM {LOG} WHERE system = {literal(system)}"
    texts = ", ".join(
        f"NULL::VARCHAR AS {name}" for name in ("account_id", "record_id", "field", "held", "outcome", "policy_hash")
    )
    return f"SELECT {texts}, NULL::BIGINT AS number, NULL::TIMESTAMP AS attempted_at, NULL::DATE AS as_of LIMIT 0"


def _known_sql() -> str:
    """By account, record and field: what the log knows the CRM to hold, where no person decided it."""
    return (
        f"SELECT * FROM log WHERE outcome IN ({literals(HELD)}) "
        "QUALIFY row_number() OVER (PARTITION BY account_id, record_id, field ORDER BY number DESC) = 1"
    )


def _changes_sql(system: str, null_overwrites: bool, optional: Sequence[str]) -> str:
    newest = (
        "SELECT account_id, record_id, field, outcome FROM log "
        "QUALIFY row_number() OVER (PARTITION BY account_id, record_id, field ORDER BY number DESC) = 1"
    )
    register = (
        f"SELECT account_id, CASE kind WHEN 'tier' THEN {literal(TIER_FIELD)} ELSE kind END AS field, posted_at, "
        f"CASE WHEN cause_kind IN ('policy', 'restated') THEN cause_kind ELSE 'behaviour' END AS cause "
        f"FROM {_REGISTER} WHERE is_newest AND entry > 0"
        if _REGISTER in optional
        else "SELECT NULL::VARCHAR AS account_id, NULL::VARCHAR AS field, NULL::TIMESTAMP AS posted_at, "
        "NULL::VARCHAR AS cause LIMIT 0"
    )
    nulls = "" if null_overwrites else "AND w.wanted IS NOT NULL"
    urgent = (
        f"max(w.field = {literal(SEGMENT_FIELD)} AND w.wanted = {literal(AT_RISK)}) OVER (PARTITION BY w.account_id)"
    )
    moving = f"max(w.field = {literal(SEGMENT_FIELD)}) OVER (PARTITION BY w.account_id)"
    return f"""
        WITH newest AS ({newest}), register AS ({register})
        SELECT {literal(system)} AS system, w.account_id, s.account_name, r.record_id, w.field, w.wanted,
            k.held AS acknowledged, k.attempted_at AS acknowledged_at,
            CASE WHEN k.number IS NULL THEN 'first'
                 WHEN g.posted_at > k.attempted_at THEN g.cause
                 WHEN k.policy_hash = w.policy_hash THEN 'behaviour' END AS cause,
            nullif(nullif(n.outcome, 'acknowledged'), 'confirmed') AS last_outcome,
            s.arr, w.as_of, w.policy_hash
        FROM wanted w
        JOIN {_ACCOUNTS} s USING (account_id)
        LEFT JOIN records r USING (account_id)
        LEFT JOIN known k ON k.account_id = w.account_id AND k.record_id = r.record_id AND k.field = w.field
        LEFT JOIN newest n ON n.account_id = w.account_id AND n.record_id = r.record_id AND n.field = w.field
        LEFT JOIN register g ON g.account_id = w.account_id AND g.field = w.field
        WHERE w.wanted IS DISTINCT FROM k.held {nulls}
        ORDER BY {urgent} DESC, {moving} DESC, s.arr DESC NULLS LAST, w.account_id, w.field
    """


def _facts(
    connection: duckdb.DuckDBPyConnection, home: Path, system: str, day: date, absent: tuple[str, ...], file: Path
) -> Facts:
    def rows(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    by_field: dict[str, dict[str, int]] = {}
    for name, cause, count in rows("SELECT field, coalesce(cause, 'not known'), count(*) FROM changes GROUP BY 1, 2"):
        by_field.setdefault(name, {})[cause] = count
    is_move = f"field = {literal(SEGMENT_FIELD)} AND acknowledged IS NOT NULL"
    moved = dict(
        rows(f"SELECT coalesce(cause, 'not known'), count(*) FROM changes WHERE {is_move} GROUP BY 1 ORDER BY 1")
    )
    [(last,)] = rows("SELECT max(as_of) FROM log")
    shared = rows(
        "SELECT record_id, list(account_id ORDER BY account_id) FROM records SEMI JOIN segments USING (account_id) "
        "WHERE record_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1"
    )
    return Facts(
        system=system,
        as_of=day,
        accounts=rows(f"SELECT count(DISTINCT account_id) FROM {_ACCOUNTS}")[0][0],
        before=_accounts_of(home, last),
        before_as_of=last,
        acknowledged_accounts=rows(
            f"SELECT count(DISTINCT account_id) FROM known SEMI JOIN {_ACCOUNTS} USING (account_id) "
            f"WHERE field = {literal(SEGMENT_FIELD)} AND held IS NOT NULL"
        )[0][0],
        changes=rows("SELECT count(*) FROM changes")[0][0],
        changed_accounts=rows("SELECT count(DISTINCT account_id) FROM changes")[0][0],
        moved=moved,
        moved_in_all=sum(moved.values()),
        by_field=by_field,
        waiting=dict(rows("SELECT last_outcome, count(*) FROM changes WHERE last_outcome IS NOT NULL GROUP BY 1")),
        without_record=tuple(
            row[0] for row in rows("SELECT DISTINCT account_id FROM changes WHERE record_id IS NULL ORDER BY 1")
        ),
        shared={record: tuple(accounts) for record, accounts in shared},
        absent=absent,
        file=file,
    )


def _accounts_of(home: Path, day: date | None) -> int | None:
    """Accounts in `segments` on a day; None if that day is not published."""
    if day is None:
        return None
    with suppress(NotPublished), open_tables({_ACCOUNTS: day}, home) as connection:
        return connection.execute(f"SELECT count(DISTINCT account_id) FROM {_ACCOUNTS}").fetchall()[0][0]
    return None


def _publish(connection: duckdb.DuckDBPyConnection, store: Store, file: Path) -> None:
    """Write the table in its order, batch by batch."""
    schema = ibis_schema(CrmChanges).to_pyarrow()
    names = ", ".join(map(identifier, schema.names))
    with store.stage() as folder:
        staged = folder / "changes.parquet"
        reader = connection.sql(f"SELECT {names} FROM changes").to_arrow_reader(_ROWS_AT_ONCE)
        with pq.ParquetWriter(staged, schema) as writer:
            for batch in reader:
                writer.write_batch(batch.cast(schema))
        store.publish(staged, file)
