"""Which inputs change which columns of a function of frames, found by trying: writes `lineage/frames.json`.

    python -m tests.lineage.observing [TABLE ...]

It makes two small companies, runs the chain on them, and calls each function again and again with one input column
changed. A column is a source of those that come out different. What cannot be seen counts in full: an input column
that the code names and that changed nothing is a source of every column, as a rare case may need it.
Not here: Ibis expressions, whose lineage is read from the expression (`perturbing` only tests that).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.lineage.frames import FILE, Observed, code_of, read, write
from segmentation_assets.lineage.tracing import named_columns, works_on_frames
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import Contract, ibis_schema, key_of
from segmentation_assets.tables.ledgers import Posting
from segmentation_assets.tables.registry import AS_OF, BOOKED, POLICY_HASH, SPINE, TableSpec, call
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.conftest import SMALL_HOMES, make_home

POLICY = load_policy()
FRAMES = [spec for spec in CATALOGUE if not spec.is_extract and works_on_frames(spec)]
_MOST_DAYS = 2
_ENOUGH = 3
"""Ways of changing a column in a row that show nothing new, before no more are tried."""
_SEED = 7
Given = dict[str, Any]


@dataclass
class _Seen:
    """What has been seen of one table so far: per output column its sources, and the sources of its rows."""

    rows: set[str] = field(default_factory=set)
    columns: dict[str, set[str]] = field(default_factory=dict)

    def add(self, source: str, before: _Result, after: _Result) -> bool:
        """Whether anything is new."""
        rows, columns = before.differences(after)
        new = {name for name in columns if source not in self.columns.setdefault(name, set())}
        for name in new:
            self.columns[name].add(source)
        is_new = bool(new) or (rows and source not in self.rows)
        self.rows |= {source} if rows else set()
        return is_new

    def knows(self, source: str) -> bool:
        return source in self.rows or any(source in sources for sources in self.columns.values())


class _Result:
    """A table that came out, ready to be compared by key."""

    def __init__(self, frame: pd.DataFrame, spec: TableSpec) -> None:
        self.key = list(key_of(spec.contract))
        self.names = _names(spec)
        texts = frame[self.names].astype(object).map(str).sort_values(self.names)
        keyed = texts.set_index(pd.MultiIndex.from_frame(texts[self.key]))
        self.texts = keyed[~keyed.index.duplicated()].sort_index()

    def differences(self, other: _Result) -> tuple[bool, set[str]]:
        """Whether other rows came out; and which columns have another value in a row, or a value they had nowhere."""
        both = self.texts.index.intersection(other.texts.index)
        is_other = (self.texts.loc[both, self.names] != other.texts.loc[both, self.names]).any()
        columns = {name for name in self.names if is_other[name]}
        has_new_rows = bool(len(other.texts.index.difference(self.texts.index)))
        columns |= {n for n in self.names if has_new_rows and not set(other.texts[n]) <= set(self.texts[n])}
        columns |= {n for n in self.key if set(self.texts[n]) != set(other.texts[n])}
        return len(both) < max(len(self.texts), len(other.texts)), columns


def _names(spec: TableSpec) -> list[str]:
    """The columns that the function makes: all but the hash of the policy, which is stamped on what is no ledger."""
    return [name for name in ibis_schema(spec.contract) if name != POLICY_HASH or spec.is_ledger]


def observe(spec: TableSpec, builders: list[Builder]) -> Observed:
    """What changes what in one table, over all scenes of all homes."""
    seen = _Seen()
    for builder in builders:
        for given in _scenes(builder, spec):
            _try_all(spec, given, seen)
    unseen = {text for text in named_columns(spec) if not seen.knows(text) and not text.startswith(f"{SPINE}.")}
    full = {name: sorted(seen.columns.get(name, set()) | unseen) for name in _names(spec)}
    return Observed(code_of(spec), sorted(seen.rows), full)


def _scenes(builder: Builder, spec: TableSpec) -> Iterator[Given]:
    """Inputs to start from: the days of the home, or a posting on nothing, on half of what is booked, and on all."""
    days = builder.store.days("segments" if spec.is_ledger else spec.name, AS_OF)
    given = builder.inputs_of(spec, days[-1:] if spec.is_ledger else days[-_MOST_DAYS:])
    if not spec.is_ledger:
        yield given
        yield _jumbled(spec, given)
        return
    booked = builder.engine.execute(builder.engine.read(builder.registry[spec.name]))
    posting = Posting(days[-1] + timedelta(days=1), datetime(2027, 1, 1, 7), "another run", "")  # noqa: DTZ001
    is_kept = booked["account_id"].map(lambda text: sum(map(ord, text)) % 2 == 0).astype(bool)
    for entries in (booked.iloc[:0], booked[is_kept].reset_index(drop=True), booked):
        scene = given | {BOOKED: entries, "posting": posting}
        yield scene
        yield _jumbled(spec, scene)


def _jumbled(spec: TableSpec, given: Given) -> Given:
    """The same inputs with a third of each column's values at other rows: it shows what a quiet day does not."""
    rng = np.random.default_rng(_SEED)
    found = dict(given)
    for name, contract in inputs_of(spec).items():
        if contract is not Spine:
            found[name] = _jumbled_frame(given[name], contract, rng)
    return found


def _jumbled_frame(frame: pd.DataFrame, contract: type[Contract], rng: np.random.Generator) -> pd.DataFrame:
    others = {}
    for name in frame:
        if name not in key_of(contract) and name not in {"is_newest", "posted_at", "run_id"}:
            plain = frame[name].to_numpy()
            mixed = np.where(rng.random(len(plain)) < 1 / 3, rng.permutation(plain), plain)
            others[name] = pd.Series(mixed, index=frame.index).astype(frame[name].dtype)
    return frame.assign(**others)


def _try_all(spec: TableSpec, given: Given, seen: _Seen) -> None:
    before = _tried(lambda: _result(spec, given))
    if before is None:
        return
    for name, contract in inputs_of(spec).items():
        frame: pd.DataFrame = given[name]
        for column in ibis_schema(contract):
            if column == POLICY_HASH and name != BOOKED:
                continue
            source, quiet = f"{name}.{column}", 0
            for other in _changed(frame, contract, column):
                if quiet == _ENOUGH and seen.knows(source):
                    break
                after = _tried(lambda changed=given | {name: other}: _result(spec, changed))
                if after is not None:
                    quiet = 0 if seen.add(source, before, after) else quiet + 1


def inputs_of(spec: TableSpec) -> dict[str, type[Contract]]:
    """By the name of the parameter, the contracts of all that the function is given."""
    given = {item.name: item.contract for item in spec.inputs}
    if spec.spine_is_frame:
        given[SPINE] = Spine
    return given | ({BOOKED: spec.contract} if spec.is_ledger else {})


def _result(spec: TableSpec, given: Given) -> _Result:
    return _Result(call(spec, given, POLICY.sections, ""), spec)


def _tried(make: Callable[[], _Result]) -> _Result | None:
    """None where the function refuses the changed input: nothing is learned of it then."""
    try:
        return make()
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError):
        return None


# -- ways to change a column


def _changed(frame: pd.DataFrame, contract: type[Contract], column: str) -> Iterator[pd.DataFrame]:
    """The frame with one column changed, in many ways; a way that changes nothing is left out."""
    if contract is Spine and column == AS_OF:
        days = list(frame[AS_OF])
        other_days = (days[1:], days[:-1], [day + timedelta(days=7) for day in days])
        yield from (spine_frame(some) for some in other_days if some)
        return
    values = frame[column]
    is_name = column in key_of(contract) and not pd.api.types.is_float_dtype(values)
    before = values.astype(object).map(str)
    for way in _renamed(values) if is_name else _mixed(values):
        try:
            other = pd.Series(way, index=frame.index).astype(values.dtype)
        except (TypeError, ValueError):  # a null where the column's type has none
            continue
        if (other.astype(object).map(str) != before).any():
            yield frame.assign(**{column: other})


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


def _mixed(values: pd.Series) -> Iterator[Any]:
    """The same values at other rows, one value everywhere, none, and values that were not there."""
    rng = np.random.default_rng(_SEED)
    plain = values.to_numpy()
    yield plain[::-1]
    for _ in range(2):
        yield rng.permutation(plain)
    for _ in range(2):
        yield np.where(rng.random(len(plain)) < 0.3, rng.permutation(plain), plain)
    present = values.dropna()
    names = sorted(present.unique())
    yield from ([name] * len(values) for name in (names if len(names) <= 8 else [names[0], names[-1]]))
    yield [None] * len(values)
    if pd.api.types.is_bool_dtype(present):
        yield from ([True] * len(values), [False] * len(values))
    elif pd.api.types.is_numeric_dtype(values):
        yield from (values * factor + term for factor, term in ((3, 1), (0.2, 0), (1, 0.3), (1, -0.3)))
    elif all(isinstance(name, str) for name in names):
        yield values.map(lambda name: f"{name}~", na_action="ignore")
    else:
        shift = (-400, -40, -7, 7, 40, 400)
        yield from (values.map(lambda day, by=by: day + timedelta(days=by), na_action="ignore") for by in shift)


# -- the command


def _homes(folder: Path) -> Iterator[Path]:
    """The two small companies that the tests use, too."""
    for name, (sample, days) in SMALL_HOMES.items():
        make_home(folder / name, sample, days)
        yield folder / name


def main(tables: list[str], homes: list[Path] | None = None) -> None:
    """Observe `tables`, or those whose code is not the one in the file."""
    known: Mapping[str, Observed] = read(FILE) if FILE.exists() else {}
    wanted = [spec for spec in FRAMES if spec.name in tables or not tables]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        builders = []
        for home in homes or _homes(Path(folder)):
            connection = stack.enter_context(open_connection(Store(home)))
            builders.append(Builder(Engine(connection, Store(home)), CATALOGUE, POLICY))
        new = {}
        for spec in wanted:
            sys.stderr.write(f"{spec.name}\n")
            new[spec.name] = observe(spec, builders)
    names = {spec.name for spec in FRAMES}
    write(FILE, {name: one for name, one in {**known, **new}.items() if name in names})


if __name__ == "__main__":
    main(sys.argv[1:])
