"""Landing an extract whose rows change: from drops to rows with `known_from` and `known_to`.

Here: duplicates within a drop, history, and write-audit-publish of one extract. Not here: product usage, which
lands by day (`usage_days`), and the order of extracts (`landing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segmentation_assets.extracts.casting import Cast, newest_of, select_sql
from segmentation_assets.extracts.contracts import REQUIRED, natural_key
from segmentation_assets.extracts.delivery import (
    IDENTITIES,
    Landed,
    Landing,
    Money,
    Refused,
    common_inputs,
    digest,
    duplicate_reasons,
    quarantine_file,
    refuse_cut_off,
    write_quarantine,
)
from segmentation_assets.extracts.judging import (
    FILES,
    KNOWN_ACCOUNTS,
    KNOWN_CURRENCIES,
    REASON,
    Reason,
    judge,
    parents_of,
    refused_sql,
    rejected_sql,
)
from segmentation_assets.extracts.reading import FILE, REJECTS, ROW, Drop
from segmentation_assets.extracts.sources import CENSORED, own_columns
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.sql_text import identifier, identifiers, literal
from segmentation_assets.warehouse.store import footer_sql, is_damaged, rows_in

ROWS, HISTORY, DROPS = "landing_rows", "landing_history", "landing_drops"
_DROP = "_landing_drop_number"
_MONEY = "mrr"
_ALWAYS, _FOREVER = "0001-01-01", "9999-12-31"


def land_history(landing: Landing, spec: TableSpec) -> Landed:
    """Bring one extract up to date.

    Raises SourceError if its source cannot be read, and Refused if too many rows are bad. Nothing is published then.
    """
    drops = landing.drops(spec.name)
    inputs = _inputs(landing, spec, drops)
    before = landing.facts(spec.name)
    is_whole = not is_damaged(quarantine_file(landing, spec.name))
    if inputs is not None and before.get("inputs") == inputs and is_whole:
        return _landed(landing, spec, before, len(drops), skipped=True)
    landing.begin()
    columns, reasons = _read(landing, spec, drops)
    _refuse_nothing(landing, spec, drops)
    reasons = _judge_duplicates(landing, spec, columns, reasons)
    read = landing.number(f"SELECT count(*) FROM {ROWS}") + _rejects(landing, spec)
    refused = _refused(spec, columns, reasons)
    quarantined = landing.number(f"SELECT count(*) FROM {ROWS} WHERE {REASON} IS NOT NULL") + _rejects(landing, spec)
    money = _money(landing, spec)
    lacking = _without_account(landing, spec, reasons)
    if landing.too_many(spec, read - lacking, quarantined - lacking, money):
        raise landing.refuse(spec, read, quarantined, refused, money)
    if not landing.is_accepted(spec.name, drops):
        refuse_cut_off(landing, spec, drops, before)
        _refuse_shrunken(landing, spec, drops, before)
    _censor_ends(landing, spec)
    _make_history(landing, spec, drops)
    facts = {
        "drops": _change_digests(landing, spec, drops),
        "ids": _identities(landing, spec),
        "inputs": inputs,
        "counts": [read, read - quarantined, quarantined],
        "money": [money.total, money.refused] if money else None,
        "ends_in_line_break": _ends_in_line_break(landing, drops),
    }
    _publish(landing, spec, facts, refused, quarantined)
    return _landed(landing, spec, facts, len(drops))


def _landed(
    landing: Landing, spec: TableSpec, facts: Mapping[str, Any], drops: int, *, skipped: bool = False
) -> Landed:
    read, good, bad = facts["counts"]
    total, refused = facts.get("money") or (None, None)
    left_out = landing.reader.left_out.get(spec.name, 0)
    return Landed(
        spec.name, read, good, bad, drops, skipped=skipped, left_out=left_out, money=total, refused_money=refused
    )


def _money(landing: Landing, spec: TableSpec, rows: str = "true") -> Money | None:
    """Recurring money of the rows read; None for an extract without recurring money."""
    if _MONEY not in ibis_schema(spec.contract):
        return None
    total, refused = landing.query(
        f"SELECT COALESCE(sum(abs({_MONEY})), 0), COALESCE(sum(abs({_MONEY})) FILTER ({REASON} IS NOT NULL), 0) "
        f"FROM (SELECT {_MONEY}::DECIMAL(38, 6) AS {_MONEY}, {REASON} FROM {ROWS} "
        f"WHERE isfinite({_MONEY}) AND abs({_MONEY}) < 1e18 AND {rows})"
    )[0]
    return Money(float(total), float(refused))


def _refuse_shrunken(landing: Landing, spec: TableSpec, drops: Sequence[Drop], before: Mapping[str, Any]) -> None:
    """Refuse a whole drop with far fewer rows, or far less money, than the one before, until a person accepts it."""
    is_whole = drops[-1].day is None or landing.sources.whole_drops(spec.name)
    if not is_whole:
        return
    last = len(drops) - 1
    rows_now, money_now = _size(landing, spec, last)
    if drops[-1].day is None:
        rows_before = (before.get("counts") or [0, 0, 0])[1]
        total, refused = before.get("money") or (0.0, 0.0)
        money_before = total - refused
    else:
        rows_before, money_before = _size(landing, spec, last - 1)
    if rows_before < landing.policy.shrink_from_rows:
        return
    for now, then, what in ((rows_now, rows_before, "rows"), (money_now, money_before, "recurring money a month")):
        if now < then * (1 - landing.policy.max_shrink_share):
            raise Refused(
                rows_now,
                0,
                f"{landing.place_of(spec, drops[-1])}: {now:,.10g} {what}, and {then:,.10g} in the delivery before "
                f"({now / then - 1:.0%}). Nothing was published. Export it again if it was cut off; if it is right, "
                f"accept it once: segmentation run --accept {spec.name}",
            )


def _size(landing: Landing, spec: TableSpec, drop: int) -> tuple[int, float]:
    """Good rows of a drop, and their recurring money."""
    rows = landing.number(f"SELECT count(*) FROM {ROWS} WHERE {_DROP} = {drop} AND {REASON} IS NULL")
    money = _money(landing, spec, f"{_DROP} = {drop}")
    return rows, money.total - money.refused if money else 0.0


def _ends_in_line_break(landing: Landing, drops: Sequence[Drop]) -> bool | None:
    """Whether the newest drop's text files end in a line break; None if it has no text files."""
    lines = [landing.reader.lines[f] for f in drops[-1].files if f in landing.reader.lines]
    return all(one.ends_in_line_break for one in lines) if lines else None


def _inputs(landing: Landing, spec: TableSpec, drops: Sequence[Drop]) -> str | None:
    """Hash of everything the published rows depend on; None if only reading the source would show it."""
    if landing.sources.extracts[spec.name].postgres:
        return None
    files = [(d.label, [(landing.reader.label(f), landing.hashes.of(f)) for f in d.with_logs()]) for d in drops]
    parents = [landing.identities(p) for p in parents_of(spec)]
    return digest(*common_inputs(landing, spec), landing.policy.max_quarantine_share, *files, *parents)


def _read(landing: Landing, spec: TableSpec, drops: Sequence[Drop]) -> tuple[list[Cast], list[Reason]]:
    """Read, cast and judge all rows into the table ROWS."""
    raw = landing.reader.raw(spec.name, drops)
    columns = landing.columns(spec, raw, drops)
    landing.files_table(spec.name, drops)
    source, is_dated = landing.sources.extracts[spec.name], drops[0].day is not None
    once = ("per file" if is_dated else "all") if source.distinct else "no"
    key, place = natural_key(spec.contract), landing.place_of(spec, drops[-1])
    newest = newest_of(source, raw, key, per_file=is_dated, file=place)
    typed = select_sql(raw, columns, distinct=once, newest=newest)
    landing.remember_known(spec, typed)
    judged = judge(landing.engine, spec, typed, columns, (FILE, ROW))
    landing.engine.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {ROWS} AS SELECT j.*, COALESCE(f.number, 0) AS {_DROP} "
        f"FROM ({judged.sql}) j LEFT JOIN {FILES} f ON f.file = j.{FILE}"
    )
    return columns, list(judged.reasons)


def _without_account(landing: Landing, spec: TableSpec, reasons: Sequence[Reason]) -> int:
    """Number of rows refused for a missing account, if the policy allows the extract to have such rows."""
    if spec.name not in landing.policy.may_lack_account:
        return 0
    numbers = [n for n, reason in enumerate(reasons) if reason.rule == "account_id: not null"]
    return landing.number(f"SELECT count(*) FROM {ROWS} WHERE {REASON} IN ({', '.join(map(str, numbers))})")


def _rejects(landing: Landing, spec: TableSpec) -> int:
    return landing.number(f"SELECT count(*) FROM {REJECTS} WHERE extract = {literal(spec.name)}")


def _refuse_nothing(landing: Landing, spec: TableSpec, drops: Sequence[Drop]) -> None:
    """Refuse an empty delivery of accounts or subscriptions. No company loses them all overnight: it was cut off.

    If nothing was published before, there is nothing to lose: then landing only warns.
    """
    newest, file = drops[-1], landing.engine.store.file(spec.name)
    stand = rows_in([file]) if file.exists() and not is_damaged(file) else 0
    if spec.name not in REQUIRED or not stand or (newest.day and not landing.sources.whole_drops(spec.name)):
        return
    if _rejects(landing, spec) or landing.number(f"SELECT count(*) FROM {ROWS} WHERE {_DROP} = {len(drops) - 1}"):
        return
    raise Refused(
        0,
        0,
        f"{landing.place_of(spec, newest)}: there are no rows, but the published table has {stand}. Nothing was "
        "published; export it again (to start over on purpose, use a new --home)",
    )


def _judge_duplicates(
    landing: Landing, spec: TableSpec, columns: Sequence[Cast], reasons: Sequence[Reason]
) -> list[Reason]:
    """Keep one row per key and drop: any of equal rows, and of different rows the first by their values."""
    keys = identifiers([*natural_key(spec.contract), _DROP])
    names = [c.column for c in columns]
    contested = f"SELECT {keys} FROM {ROWS} WHERE {REASON} IS NULL GROUP BY ALL HAVING count(*) > 1"
    values = f"row({identifiers(names)})"
    landing.engine.connection.execute(
        f"UPDATE {ROWS} SET {REASON} = {len(reasons)} + d.differs::INT FROM ("
        f"SELECT r.rowid AS id, row_number() OVER w AS place, {values} IS DISTINCT FROM first_value({values}) OVER w "
        f"AS differs FROM {ROWS} r SEMI JOIN ({contested}) USING ({keys}) WHERE {REASON} IS NULL "
        f"WINDOW w AS (PARTITION BY {keys} ORDER BY {identifiers(names)}, {FILE}, {ROW})"
        f") d WHERE d.place > 1 AND d.id = {ROWS}.rowid"
    )
    return [*reasons, *duplicate_reasons(spec, names)]


def _refused(spec: TableSpec, columns: Sequence[Cast], reasons: Sequence[Reason]) -> str:
    bad = refused_sql(spec, f"SELECT * FROM {ROWS} WHERE {REASON} IS NOT NULL", columns, reasons)
    return f"{bad} UNION ALL {rejected_sql(spec)}"


def _censor_ends(landing: Landing, spec: TableSpec) -> None:
    """Remove ends on the extract's last day, if the mapping says so. There the extract stops, not the subscription.

    An end that a later drop reports holds from that drop's day on.
    """
    horizon = landing.sources.extracts[spec.name].ends_at_horizon
    if horizon is None:
        return
    last = f"SELECT {_DROP}, max(greatest(start_date, end_date)) AS day FROM {ROWS} WHERE {REASON} IS NULL GROUP BY 1"
    if horizon != CENSORED:
        last = f"SELECT DISTINCT {_DROP}, DATE {literal(str(horizon))} AS day FROM {ROWS}"
    landing.engine.connection.execute(
        f"UPDATE {ROWS} SET end_date = NULL, end_known_on = NULL FROM ({last}) l "
        f"WHERE l.{_DROP} = {ROWS}.{_DROP} AND end_date = l.day AND {REASON} IS NULL"
    )


def _make_history(landing: Landing, spec: TableSpec, drops: Sequence[Drop]) -> None:
    """From drops to intervals, in the table HISTORY. Equal rows of a key in consecutive drops become one row."""
    keys = identifiers(natural_key(spec.contract))
    own = own_columns(spec.name)
    others = f"row({identifiers(n for n in own if n not in natural_key(spec.contract))})"
    starts = [_ALWAYS, *(d.label for d in drops[1:])]
    rows = zip(range(len(drops)), starts, [*starts[1:], _FOREVER], [d.day for d in drops], strict=True)
    landing.engine.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {DROPS} (number INTEGER, starts DATE, ends DATE, day DATE)"
    )
    landing.engine.connection.executemany(f"INSERT INTO {DROPS} VALUES (?, ?, ?, ?)", [*rows])
    whole = landing.sources.whole_drops(spec.name)
    gone = f"lag({_DROP}) OVER w IS DISTINCT FROM {_DROP} - 1 OR " if whole else ""
    # In whole drops, a row lasts until a drop without an equal row. In changes, until the next change of its key.
    last = f"max({_DROP}) OVER (PARTITION BY {keys}, _run)" if whole else "NULL"
    after = f"lead({_DROP}) OVER (PARTITION BY {keys} ORDER BY {_DROP})" if not whole else "NULL"
    if len(drops) == 1:
        runs = f"SELECT *, NULL AS _last, NULL AS _after FROM {ROWS} WHERE {REASON} IS NULL"
    else:
        runs = (
            f"SELECT *, {after} AS _after FROM (SELECT *, {last} AS _last FROM (SELECT *, sum(_new) OVER "
            f"(PARTITION BY {keys} ORDER BY {_DROP}) AS _run FROM (SELECT *, ({gone}lag({others}) OVER w IS DISTINCT "
            f"FROM {others})::INT AS _new FROM {ROWS} WHERE {REASON} IS NULL WINDOW w AS (PARTITION BY {keys} "
            f"ORDER BY {_DROP})))) WHERE _new = 1"
        )
    history = {
        "known_from": "b.starts",
        "known_to": f"COALESCE(e.ends, a.starts, DATE '{_FOREVER}')",
        "dropped_on": "b.day",
    }
    chosen = ", ".join(
        f"{history.get(n, 'r.' + identifier(n))} AS {identifier(n)}" for n in ibis_schema(spec.contract)
    )
    landing.engine.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {HISTORY} AS SELECT {chosen} FROM ({runs}) r "
        f"JOIN {DROPS} b ON b.number = r.{_DROP} "
        f"LEFT JOIN {DROPS} e ON e.number = r._last LEFT JOIN {DROPS} a ON a.number = r._after"
    )


def _change_digests(landing: Landing, spec: TableSpec, drops: Sequence[Drop]) -> dict[str, str]:
    """A hash of the rows that changed, for each day on which rows became known or ended."""
    key = identifiers([*natural_key(spec.contract), "known_from"])
    kept = identifiers(n for n in ibis_schema(spec.contract) if n != "known_to")
    rows = landing.query(
        f"SELECT day::VARCHAR, count(*), sum(h::HUGEINT) FROM ("
        f"SELECT known_from AS day, hash({kept}) AS h FROM {HISTORY} "
        f"UNION ALL SELECT known_to, hash('ended', {key}) FROM {HISTORY} WHERE known_to < DATE '{_FOREVER}') "
        "GROUP BY day"
    )
    first = drops[0].label
    digests = {first: digest("none")}
    digests.update({first if day == _ALWAYS else day: digest(day, n, total) for day, n, total in rows})
    return digests


def _identities(landing: Landing, spec: TableSpec) -> str:
    columns = IDENTITIES.get(spec.name)
    if columns is None:
        return ""
    rows = landing.query(
        f"SELECT count(*), sum(hash({identifiers(columns)})::HUGEINT) "
        f"FROM (SELECT DISTINCT {identifiers(columns)} FROM {HISTORY})"
    )
    return digest(*rows)


def _publish(landing: Landing, spec: TableSpec, facts: Mapping[str, Any], refused: str, quarantined: int) -> None:
    """Write, count again, move into place. The quarantine is first: the extract's footer marks landing as done."""
    store = landing.engine.store
    order = identifiers([*natural_key(spec.contract), "known_from"])
    with store.stage() as folder:
        good, bad = folder / "good.parquet", folder / "bad.parquet"
        landing.engine.connection.execute(
            f"COPY (SELECT * FROM {HISTORY} ORDER BY {order}) TO {literal(str(good))} "
            f"(FORMAT parquet, {footer_sql(facts)})"
        )
        write_quarantine(landing, refused, bad)
        expected = landing.number(f"SELECT count(*) FROM {HISTORY}")
        if (rows_in([good]), rows_in([bad])) != (expected, quarantined):
            raise OSError(
                f"{spec.name}: {rows_in([good])} rows written of {expected}, {rows_in([bad])} of {quarantined}"
            )
        store.publish(bad, quarantine_file(landing, spec.name))
        store.publish(good, store.file(spec.name))
    if spec.name in IDENTITIES:
        landing.known_tables -= {KNOWN_ACCOUNTS} if spec.name == "crm_accounts" else {KNOWN_CURRENCIES}
