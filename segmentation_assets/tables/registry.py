"""The catalogue of tables: one decorator turns a pure function into a table.

Here: `table`, `ledger`, `extract_table`, the `TableSpec`, and the order of the catalogue. Not here: running anything
(`warehouse.building`), Dagster (`orchestration`), or any table.

A table has the name of its function, and its inputs are the function's parameters: `Table[Contract]` is an Ibis
table, `Frame[Contract]` a pandas frame, `spine` the days of the run, and a policy section is named by its class.

A ledger is a table that only grows. Its function also gets its own entries so far (`booked`) and the facts about this
posting (`posting`). It returns the whole table, old and new entries.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_args, get_origin

import ibis
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.policy.section import Section
from segmentation_assets.tables.as_of import LookBack
from segmentation_assets.tables.contracts import Contract, conform, ibis_schema, key_of
from segmentation_assets.tables.ledgers import Posting

C = TypeVar("C", bound=Contract)

if TYPE_CHECKING:

    class Table(ir.Table, Generic[C]):
        """An Ibis table with the columns of a contract."""

    class Frame(pd.DataFrame, Generic[C]):
        """A pandas frame with the columns of a contract."""
else:

    class Table:
        """See above."""

        def __class_getitem__(cls, contract: type[Contract]) -> Any:
            return Annotated[ir.Table, contract]

    class Frame:
        """See above."""

        def __class_getitem__(cls, contract: type[Contract]) -> Any:
            return Annotated[pd.DataFrame, contract]


AS_OF = "as_of"
"""The column by which most tables are partitioned: a row describes the end of this day."""
SPINE = "spine"
BOOKED, POSTING = "booked", "posting"
POLICY_HASH = "policy_hash"


@dataclass(frozen=True)
class Input:
    """One parameter of a table's function."""

    name: str
    contract: type[Contract]
    is_frame: bool
    reads: LookBack | None = None


@dataclass(frozen=True)
class TableSpec:
    """A table of the catalogue. `partition` is the column by which its folder is partitioned, or None.

    For extracts: `dated` is the column with the date of a row, None if rows have none. `is_census` says that every
    delivery is the complete list: how fresh it is depends on the day of the delivery, not on the newest row.
    """

    name: str
    contract: type[Contract]
    group: str
    function: Callable[..., Any] | None
    inputs: tuple[Input, ...] = ()
    sections: Mapping[str, type[Section]] = field(default_factory=dict)
    partition: str | None = AS_OF
    is_frame: bool = False
    spine_is_frame: bool = False
    is_ledger: bool = False
    late_days: int = 0
    bundles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dated: str | None = None
    is_census: bool = False

    @property
    def is_extract(self) -> bool:
        """Whether the table is landed from a source and not computed."""
        return self.function is None

    @property
    def description(self) -> str:
        """The docstring of the function, or of an extract's contract."""
        return inspect.cleandoc((self.function or self.contract).__doc__ or "")

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return key_of(self.contract)


class Registry:
    """The tables by name; iterating gives every table after its inputs."""

    def __init__(self) -> None:
        self._tables: dict[str, TableSpec] = {}

    def add(self, spec: TableSpec) -> None:
        """Raises ValueError if a table has this name already."""
        if spec.name in self._tables:
            raise ValueError(f"two tables are called {spec.name}")
        self._tables[spec.name] = spec

    def __getitem__(self, name: str) -> TableSpec:
        return self._tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[TableSpec]:
        """Inputs before the tables that read them, else as declared. Raises ValueError for a cycle."""
        done: dict[str, TableSpec] = {}
        for name in self._tables:
            self._visit(name, done, ())
        return iter(done.values())

    def _visit(self, name: str, done: dict[str, TableSpec], path: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in path:
            raise ValueError(f"tables read each other: {' -> '.join([*path, name])}")
        if name not in self._tables:
            raise ValueError(f"table {path[-1]} reads {name}, which is not a table")
        for one in self._tables[name].inputs:
            self._visit(one.name, done, (*path, name))
        done[name] = self._tables[name]

    def upstream(self, names: Iterable[str]) -> list[TableSpec]:
        """`names` and every table that they read, directly or not; inputs first."""
        done: dict[str, TableSpec] = {}
        for name in names:
            self._visit(name, done, ())
        return list(done.values())

    def downstream(self, names: Iterable[str]) -> list[TableSpec]:
        """`names` and every table that reads them, directly or not; inputs first."""
        readers = set(names)
        for spec in self:
            if any(i.name in readers for i in spec.inputs):
                readers.add(spec.name)
        return [spec for spec in self if spec.name in readers]


CATALOGUE = Registry()


def table(
    *,
    group: str,
    reads: Mapping[str, LookBack] | None = None,
    partition: str | None = AS_OF,
    bundles: Mapping[str, Sequence[TableSpec]] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a pure function as a table.

    `reads`: which other days of an input one `as_of` reads. `bundles`: parameters that get several tables as a
    mapping by name, for functions that treat many tables alike. The result, Ibis or pandas, is cast to the contract's
    columns and types. The decorator returns the function unchanged, so tests can call it.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        spec = _spec_of(function, group, reads or {}, partition, bundles or {})
        CATALOGUE.add(spec)
        return function

    return register


def ledger(*, group: str, late_days: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a pure function as a ledger: one file without days, which every posting replaces as a whole.

    Its parameters are `booked: Frame[Own]` (empty before the first posting), `posting: Posting`, inputs at the day of
    the posting, and policy sections. It returns every entry of `booked`, by key, and the new ones.
    `late_days`: a posting may be up to this many days older than the newest one.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        CATALOGUE.add(ledger_spec(function, group, late_days))
        return function

    return register


def ledger_spec(function: Callable[..., Any], group: str, late_days: int = 0) -> TableSpec:
    """The spec of a ledger. Raises TypeError if the function's parameters are not those of a ledger."""
    spec = _spec_of(function, group, {}, None)
    hints = typing.get_type_hints(function, include_extras=True)
    if hints.get(BOOKED) != hints["return"] or hints.get(POSTING) is not Posting or not spec.is_frame:
        raise TypeError(
            f"{spec.name}: a ledger needs `booked: Frame[...]` of the type that it returns, and `posting: Posting`"
        )
    return replace(spec, is_ledger=True, late_days=late_days)


def extract_table(
    contract: type[Contract],
    name: str,
    *,
    dated: str | None = None,
    is_census: bool = False,
    partition: str | None = None,
) -> TableSpec:
    """Register an extract: a table that is landed from a source and not computed."""
    spec = TableSpec(name, contract, "extracts", None, partition=partition, dated=dated, is_census=is_census)
    CATALOGUE.add(spec)
    return spec


def _spec_of(
    function: Callable[..., Any],
    group: str,
    reads: Mapping[str, LookBack],
    partition: str | None,
    bundles: Mapping[str, Sequence[TableSpec]] | None = None,
) -> TableSpec:
    name = function.__name__
    hints = typing.get_type_hints(function, include_extras=True)
    result = hints.pop("return", None)
    if get_origin(result) is not Annotated:
        raise TypeError(f"{name}: the return type must be Table[...] or Frame[...]")
    bundles = bundles or {}
    inputs, sections = _parameters(name, {n: hint for n, hint in hints.items() if n not in bundles}, reads)
    members = [one for specs in bundles.values() for one in specs]
    inputs += tuple(Input(one.name, one.contract, False, reads.get(one.name)) for one in members)
    unknown = set(reads) - {i.name for i in inputs}
    if unknown:
        raise TypeError(f"{name}: reads= names {sorted(unknown)}, which are not parameters")
    kind, contract = get_args(result)
    spine_is_frame = SPINE in hints and get_args(hints[SPINE])[0] is pd.DataFrame
    return TableSpec(
        name,
        contract,
        group,
        function,
        inputs,
        sections,
        partition,
        kind is pd.DataFrame,
        spine_is_frame,
        bundles={parameter: tuple(one.name for one in specs) for parameter, specs in bundles.items()},
    )


def _parameters(
    name: str, hints: Mapping[str, Any], reads: Mapping[str, LookBack]
) -> tuple[tuple[Input, ...], dict[str, type[Section]]]:
    inputs: list[Input] = []
    sections: dict[str, type[Section]] = {}
    for parameter, hint in hints.items():
        if get_origin(hint) is Annotated:
            kind, contract = get_args(hint)
            if parameter not in {SPINE, BOOKED}:
                inputs.append(Input(parameter, contract, kind is pd.DataFrame, reads.get(parameter)))
        elif isinstance(hint, type) and issubclass(hint, Section):
            sections[parameter] = hint
        elif hint is not Posting:
            raise TypeError(f"{name}({parameter}): must be Table[...], Frame[...] or a policy section")
    return tuple(inputs), sections


def call(
    spec: TableSpec, tables: Mapping[str, Any], sections: Mapping[type[Section], Section], policy_hash: str
) -> Any:
    """The table's Ibis expression (or pandas frame), cast to its contract and stamped with `policy_hash`."""
    assert spec.function is not None
    names: Sequence[str] = list(inspect.signature(spec.function).parameters)

    def argument(name: str) -> Any:
        if name in spec.sections:
            return sections[spec.sections[name]]
        if name in spec.bundles:
            return {each: tables[each] for each in spec.bundles[name]}
        return tables[name]

    result = spec.function(**{name: argument(name) for name in names})
    is_stamped = POLICY_HASH in ibis_schema(spec.contract) and not spec.is_ledger  # old entries keep their hash
    stamp = {POLICY_HASH: policy_hash} if is_stamped else {}
    if isinstance(result, pd.DataFrame):
        return result.assign(**stamp)
    return conform(spec.contract, result, {n: ibis.literal(v) for n, v in stamp.items()})
