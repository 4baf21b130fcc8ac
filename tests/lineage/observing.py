"""Which inputs change which columns of a function of frames, found by trying: writes `lineage/frames.json`.

    python -m tests.lineage.observing [TABLE ...]

It makes a small company, runs the chain on it, and calls each function again and again with one input column changed.
That column is a source of the columns that come out different. A quiet day shows little, so most calls start from
jumbled inputs. What all this does not see counts in full: lineage lists an input column that the code names and that
changed nothing under every column, as a rare case may need it.
Not here: Ibis expressions, whose lineage is read from the expression (`perturbing` only tests that).
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.lineage.frames import FILE, Observed, code_of, is_changed, read, write
from segmentation_assets.lineage.tracing import named_columns, works_on_frames
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import Contract, ibis_schema, key_of, schema_of
from segmentation_assets.tables.ledgers import Posting
from segmentation_assets.tables.registry import AS_OF, BOOKED, POLICY_HASH, SPINE, TableSpec, call
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.conftest import make_home

POLICY = load_policy()
FRAMES = [spec for spec in CATALOGUE if not spec.is_extract and works_on_frames(spec)]
_COMPANY = (
    "--accounts 110 --days 500 --users-per-account 3 --end 2026-10-02",
    "--from 2026-09-29 --to 2026-10-02",
)
"""The company observed, and its days: the turn of a quarter, when much moves."""
_LAST_DAY = date(2026, 10, 2)
_MOST_DAYS = 2
_MOST_ACCOUNTS = 16
_MOST_WORDS = 12
_INVENTED = 8
_JUMBLES = 1
_SHARE_JUMBLED = 0.3
_ENOUGH, _MANY_COLUMNS = 3, 20
"""Of a function with many input columns: ways of changing one that show nothing new, before no more are tried."""
_SEED = 7
Given = dict[str, Any]


@dataclass
class Seen:
    """What has been seen of one table so far: per output column its sources, and the sources of its rows."""

    rows: set[str] = field(default_factory=set)
    columns: dict[str, set[str]] = field(default_factory=dict)

    def add(self, source: str, before: _Result, after: _Result, is_renamed: bool) -> bool:
        """Whether anything is new."""
        rows, columns = before.differences(after, is_renamed)
        new = {name for name in columns if source not in self.columns.setdefault(name, set())}
        for name in new:
            self.columns[name].add(source)
        is_new = bool(new) or (rows and source not in self.rows)
        self.rows |= {source} if rows else set()
        return is_new

    def knows(self, source: str) -> bool:
        return source in self.rows or any(source in sources for sources in self.columns.values())


class _Result:
    """A table that came out, ready to be compared."""

    def __init__(self, frame: pd.DataFrame, spec: TableSpec) -> None:
        self.key = list(key_of(spec.contract))
        self.texts = {name: _texts(frame[name]) for name in _names(spec)}
        self.places = {key: place for place, key in enumerate(zip(*(self.texts[n] for n in self.key), strict=True))}
        self.is_numbered = len(self.key) == 1 and pd.api.types.is_integer_dtype(frame[self.key[0]])
        """The key only counts the rows, so rows of one key are not the same rows."""

    def differences(self, other: _Result, is_renamed: bool) -> tuple[bool, set[str]]:
        """Whether there are other rows, and which columns changed.

        A column changed if a row of the same key has another value, or if as many rows have other values all in all,
        or where the key has a value that it had nowhere. Where what names the rows of an input `is_renamed`, rows of
        one key are not the same rows.
        """
        columns = {name for name in self.key if not set(other.texts[name]) <= set(self.texts[name])}
        if len(self.places) == len(other.places):
            columns |= {n for n in self.texts if Counter(self.texts[n]) != Counter(other.texts[n])}
        if not is_renamed and not self.is_numbered:
            pairs = [(self.places[key], other.places[key]) for key in self.places.keys() & other.places.keys()]
            columns |= {n for n in self.texts if any(self.texts[n][i] != other.texts[n][j] for i, j in pairs)}
        return self.places.keys() != other.places.keys(), columns


def _texts(values: pd.Series) -> list[str]:
    return ["" if is_null else str(value) for value, is_null in zip(values.tolist(), values.isna(), strict=True)]


def _names(spec: TableSpec) -> list[str]:
    """The columns that the function makes: all but the hash of the policy, which is stamped on what is no ledger."""
    return [name for name in ibis_schema(spec.contract) if name != POLICY_HASH or spec.is_ledger]


def observe(spec: TableSpec, builder: Builder) -> Observed:
    """What changes what in one table, over all scenes of a home."""
    seen = Seen()
    for scene in scenes(builder, spec):
        try_all(spec, scene, seen)
    for name, scene in _rare_scenes(builder, spec, seen):
        try_all(spec, scene, seen, most_ways=2, only=name)
    unseen = {text for text in named_columns(spec) if not seen.knows(text)}
    columns = {name: sorted(seen.columns.get(name, ())) for name in _names(spec)}
    return Observed(code_of(spec), sorted(seen.rows), columns, sorted(unseen))


def scenes(builder: Builder, spec: TableSpec) -> Iterator[Given]:
    """Inputs to start from: as they are, and jumbled."""
    for arguments in _days_of(builder, spec):
        filled = _filled(spec, arguments)
        yield filled
        for seed in range(_JUMBLES):
            yield jumbled(spec, filled, seed)


def _rare_scenes(builder: Builder, spec: TableSpec, seen: Seen) -> Iterator[tuple[str, Given]]:
    """Inputs of which one column has one word everywhere: of the tables of which some column changed nothing yet."""
    usual = _filled(spec, next(_days_of(builder, spec)))
    quiet = {text.partition(".")[0] for text in named_columns(spec) if not seen.knows(text)}
    for name in sorted(quiet & inputs_of(spec).keys()):
        for column in ibis_schema(inputs_of(spec)[name]):
            for word in _words(name, inputs_of(spec)[name], column):
                yield name, usual | {name: usual[name].assign(**{column: word})}


def _filled(spec: TableSpec, arguments: Given) -> Given:
    """The inputs, with invented rows where there are none: a quiet day has no crossing."""
    inputs = {name: contract for name, contract in inputs_of(spec).items() if name not in (SPINE, BOOKED)}
    accounts = sorted({a for n in inputs if "account_id" in arguments[n] for a in arguments[n]["account_id"]})[
        :_INVENTED
    ]
    empty = {
        name: _invented(name, contract, accounts) for name, contract in inputs.items() if not len(arguments[name])
    }
    return arguments | {name: rows.astype(arguments[name].dtypes.to_dict()) for name, rows in empty.items()}


def _examples(contract: type[Contract], column: str, count: int) -> list[Any]:
    """Values of the column's type, each another."""
    kind = ibis_schema(contract)[column]
    if kind.is_date() or kind.is_timestamp():
        day = _LAST_DAY - timedelta(days=1)
        return [day if kind.is_date() else datetime(day.year, day.month, day.day)] * count  # noqa: DTZ001
    if kind.is_string():
        return [f"{column} {i}" for i in range(count)]
    return [bool(i % 2) if kind.is_boolean() else i + 1 for i in range(count)]


def _invented(table: str, contract: type[Contract], accounts: list[str]) -> pd.DataFrame:
    def values(column: str) -> list[Any]:
        if column == "account_id":
            return accounts
        words = _words(table, contract, column)
        return (
            [words[i % len(words)] for i in range(len(accounts))]
            if words
            else _examples(contract, column, len(accounts))
        )

    return pd.DataFrame({column: values(column) for column in ibis_schema(contract)})


def _days_of(builder: Builder, spec: TableSpec) -> Iterator[Given]:
    """The newest days of a home, of its first accounts; of a ledger a posting on nothing, on half, and on all."""
    days = builder.store.days("segments" if spec.is_ledger else spec.name, AS_OF)
    arguments = builder.inputs_of(spec, days[-1:] if spec.is_ledger else days[-_MOST_DAYS:])
    if not spec.is_ledger:
        yield _of_few(spec, arguments)
        return
    booked = builder.engine.execute(builder.engine.read(builder.registry[spec.name]))
    is_kept = booked["account_id"].map(lambda text: sum(map(ord, text)) % 2 == 0).astype(bool)
    same = booked[POLICY_HASH].iloc[-1] if len(booked) else ""
    some = booked[is_kept].reset_index(drop=True)
    for entries, policy_hash, later in ((booked.iloc[:0], same, 0), (some, same, 7), (booked, "another", 0)):
        yield arguments | {BOOKED: entries, "posting": _posting(days[-1] + timedelta(days=later), policy_hash)}


def _posting(day: date, policy_hash: str) -> Posting:
    return Posting(day, datetime(2027, 1, 1, 7), "another run", policy_hash)  # noqa: DTZ001


def _of_few(spec: TableSpec, arguments: Given) -> Given:
    """The inputs of so many accounts as a function is quick with."""
    names = {name for name, contract in inputs_of(spec).items() if "account_id" in ibis_schema(contract)}
    accounts = sorted({account for name in names for account in arguments[name]["account_id"]})[:_MOST_ACCOUNTS]
    few = {
        name: arguments[name][arguments[name]["account_id"].isin(accounts)].reset_index(drop=True) for name in names
    }
    return arguments | few


def jumbled(spec: TableSpec, arguments: Given, seed: int) -> Given:
    """The same inputs with a third of each column's values at other rows, or others that the column may have."""
    rng = np.random.default_rng(seed)
    frames = {
        name: _jumbled_frame(name, _more(name, arguments[name], contract), contract, rng)
        for name, contract in inputs_of(spec).items()
        if contract is not Spine
    }
    return {**arguments, **frames}


def _more(table: str, frame: pd.DataFrame, contract: type[Contract]) -> pd.DataFrame:
    """Of a small company's few people, more with other names."""
    key = key_of(_whole(table, contract))
    names = [name for name in key if name.endswith("_id") and name != "account_id" and name in frame]
    if not names or len(frame) > _MOST_ACCOUNTS:
        return frame
    copies = [frame.assign(**{name: frame[name] + mark for name in names}) for mark in ("", "'", "''")]
    return pd.concat(copies, ignore_index=True)


def _jumbled_frame(
    table: str, frame: pd.DataFrame, contract: type[Contract], rng: np.random.Generator
) -> pd.DataFrame:
    others = {}
    for name in frame:
        if name in key_of(_whole(table, contract)) or name in {"is_newest", "posted_at", "run_id"}:
            continue
        plain = frame[name].to_numpy()
        other = (
            rng.choice(words, len(plain)) if (words := _words(table, contract, str(name))) else rng.permutation(plain)
        )
        if ibis_schema(contract)[str(name)].is_date():
            other = np.array([_LAST_DAY + timedelta(days=int(by)) for by in rng.integers(-10, 11, len(plain))])
        if pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]):
            other = frame[name].sample(len(plain), random_state=rng) * 3 + rng.integers(0, 3, len(plain))
            other = other.to_numpy()
        is_other = rng.random(len(plain)) < _SHARE_JUMBLED
        with suppress(TypeError, ValueError):  # the column came without a value and has no type
            others[name] = _like(
                frame[name], [b if is_b else a for a, b, is_b in zip(plain, other, is_other, strict=True)]
            )
    return frame.assign(**others)


def _whole(table: str, contract: type[Contract]) -> type[Contract]:
    """The contract of a table itself: a function's input may be a part of it."""
    return CATALOGUE[table].contract if table in CATALOGUE else contract


def _words(table: str, contract: type[Contract], column: str) -> list[Any]:
    """The words that a column may have, by the contract of the table itself; none where it does not list them."""
    if column not in (columns := schema_of(_whole(table, contract)).columns):
        return []
    return [word for check in columns[column].checks for word in check.statistics.get("allowed_values", ())]


def _like(values: pd.Series, others: Any) -> pd.Series:
    """Others as a column of the same type. Raises TypeError or ValueError where the type does not have them."""
    result = pd.Series(others, index=values.index)
    if pd.api.types.is_integer_dtype(values) and pd.api.types.is_float_dtype(result):
        result = result.round()
    return result.astype(values.dtype)


def try_all(spec: TableSpec, arguments: Given, seen: Seen, most_ways: int | None = None, only: str = "") -> None:
    """Change every input column (or of one input), one at a time, in every way or in the first ones."""
    before = _tried(lambda: _result(spec, arguments))
    if before is None:
        return
    inputs = inputs_of(spec)
    is_wide = sum(len(ibis_schema(contract)) for contract in inputs.values()) > _MANY_COLUMNS
    enough = _ENOUGH if is_wide else None
    for name, contract in inputs.items():
        frame: pd.DataFrame = arguments[name]
        for column in ibis_schema(contract) if name == only or not only else ():
            if column == POLICY_HASH and name != BOOKED:
                continue
            source, quiet = f"{name}.{column}", 0
            is_renamed = is_name(name, contract, frame, column)
            for other in islice(_changed(name, frame, contract, column), most_ways):
                if quiet == enough and seen.knows(source) and not is_renamed:
                    break
                after = _tried(lambda changed=arguments | {name: other}: _result(spec, changed))
                if after is not None:
                    quiet = 0 if seen.add(source, before, after, is_renamed) else quiet + 1
    _rename_everywhere(spec, arguments, seen, before)


def _rename_everywhere(spec: TableSpec, arguments: Given, seen: Seen, before: _Result) -> None:
    """Give what names rows other names in all inputs at once, where one alone would meet no row of another."""
    inputs = inputs_of(spec)
    shared = {
        c
        for name, contract in inputs.items()
        for c in ibis_schema(contract)
        if is_name(name, contract, arguments[name], c)
    }
    for column in sorted(shared):
        names = [name for name, contract in inputs.items() if column in ibis_schema(contract)]
        if len(names) < 2 or SPINE in names:
            continue
        changed = arguments | {
            name: arguments[name].assign(**{column: _last(_renamed(arguments[name][column]))}) for name in names
        }
        after = _tried(lambda changed=changed: _result(spec, changed))
        for name in names if after is not None else ():
            seen.add(f"{name}.{column}", before, after, is_renamed=True)


def inputs_of(spec: TableSpec) -> dict[str, type[Contract]]:
    """By the name of the parameter, the contracts of all that the function is given."""
    arguments = {item.name: item.contract for item in spec.inputs}
    if spec.spine_is_frame:
        arguments[SPINE] = Spine
    return arguments | ({BOOKED: spec.contract} if spec.is_ledger else {})


def _result(spec: TableSpec, arguments: Given) -> _Result:
    return _Result(call(spec, arguments, POLICY.sections, ""), spec)


def _tried(make: Callable[[], _Result]) -> _Result | None:
    """None where the function refuses the changed input: nothing is learned of it then."""
    try:
        return make()
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return None


# -- ways to change a column


def is_name(table: str, contract: type[Contract], frame: pd.DataFrame, column: str) -> bool:
    """Whether a column is of those that name the rows."""
    is_of_key = column in key_of(_whole(table, contract))
    return contract is Spine or (is_of_key and not pd.api.types.is_float_dtype(frame[column]))


def _changed(table: str, frame: pd.DataFrame, contract: type[Contract], column: str) -> Iterator[pd.DataFrame]:
    """The frame with one column changed, in many ways; a way that changes nothing is left out."""
    if contract is Spine:
        days = list(frame[AS_OF])
        others = (days[1:], days[:-1], [day + timedelta(days=7) for day in days]) if column == AS_OF else ()
        yield from (spine_frame(some) for some in others if some)
        return
    values = frame[column]
    if values.isna().all():
        values = _like(values, _examples(contract, column, len(frame)))
        yield frame.assign(**{column: values})
    before = values.astype(object).map(str)
    if is_name(table, contract, frame, column):
        names = sorted(values.dropna().unique())
        yield from (frame[values != name].reset_index(drop=True) for name in (names[-1:] + names[:1]))
    for way in (
        _renamed(values)
        if is_name(table, contract, frame, column)
        else _mixed(values, _words(table, contract, column))
    ):
        try:
            other = _like(values, way)
        except (TypeError, ValueError):  # a null where the column's type has none
            continue
        if (other.astype(object).map(str) != before).any():
            yield frame.assign(**{column: other})


def _last(ways: Iterator[Any]) -> Any:
    return list(ways)[-1]


def _renamed(values: pd.Series) -> Iterator[Any]:
    """Other names for the same things, one to one, so that keys stay unique."""
    names = sorted(values.dropna().unique())
    for others in (names[::-1], [*names[1:], *names[:1]]):
        yield values.map(dict(zip(names, others, strict=True)))
    if pd.api.types.is_bool_dtype(values):
        return
    if all(isinstance(name, str) for name in names):
        yield values.map(lambda name: f"{name}~")
    elif pd.api.types.is_numeric_dtype(values):
        yield values + 1000
    else:
        yield from (values.map(lambda day, by=by: day + timedelta(days=by)) for by in (-7, 7, 1000))


def _mixed(values: pd.Series, words: list[Any]) -> Iterator[Any]:
    """The same values at other rows, one value everywhere, none, and values that were not there."""
    rng = np.random.default_rng(_SEED)
    plain = values.to_numpy()
    yield plain[::-1]
    for _ in range(2):
        yield rng.permutation(plain)
    is_some = rng.random(len(plain)) < _SHARE_JUMBLED
    yield np.where(is_some, rng.permutation(plain), plain)
    yield np.where(is_some, None, plain)
    present = values.dropna().infer_objects()  # flags with gaps stand in a column of objects
    names = words or sorted(present.unique())
    yield from ([name] * len(values) for name in (names if len(names) <= _MOST_WORDS else [names[0], names[-1]]))
    yield [None] * len(values)
    if pd.api.types.is_bool_dtype(present):
        yield from ([True] * len(values), [False] * len(values))
    elif pd.api.types.is_numeric_dtype(values):
        yield np.where(is_some, 0, plain)
        yield np.where(values == values.min(), 0, plain)
        yield from (values * factor + term for factor, term in ((0, 0), (3, 1), (0.2, 0), (1, 0.3), (1, -0.3)))
    elif words or all(isinstance(name, str) for name in names):
        yield values.map(lambda name: f"{name}~", na_action="ignore")
    else:
        shift = (-400, -40, -7, 7, 40, 400)
        yield from (values.map(lambda day, by=by: day + timedelta(days=by), na_action="ignore") for by in shift)


# -- the command


def main(tables: list[str], home: Path | None = None) -> None:
    """Observe `tables`, or those whose code is not the one in the file."""
    facts = read(FILE)
    wanted = [spec for spec in FRAMES if (spec.name in tables if tables else is_changed(spec))]
    new = {}
    with tempfile.TemporaryDirectory() as folder:
        if wanted and not home:
            home = Path(folder) / "home"
            make_home(home, *_COMPANY)
        for spec in wanted:
            with open_connection(Store(home)) as connection:
                new[spec.name] = observe(spec, Builder(Engine(connection, Store(home)), CATALOGUE, POLICY))
            sys.stderr.write(f"{spec.name}: changed nothing: {', '.join(new[spec.name].unseen) or 'no input'}\n")
    names = {spec.name for spec in FRAMES}
    write(FILE, {name: one for name, one in {**facts, **new}.items() if name in names})


if __name__ == "__main__":
    main(sys.argv[1:])
