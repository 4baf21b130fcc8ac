"""Which columns a column is made from, up to raw fields and down to KPIs; for one table and for the catalogue.

Here: what lineage is, following it, converting it to JSON. Not here: deriving it from expressions (`tracing`), or
showing it (`cli`, the report, Dagster). Imports neither Ibis nor pandas.

There are three kinds of source, strongest first. VALUE: the cell is calculated from the source's cells. COMPUTED: a
function of frames reads the source, and its code does not show which column becomes which. Either a test observed
that the column changes with the source (`frames`), or every column that the function reads counts for every column
that it makes. A ledger's earlier entries are a source of the ledger. INFLUENCE: the source decides which rows there
are or which rows are joined (filter, join and group keys, window order and partition), but no value is calculated
from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Kind = Literal["value", "computed", "influence"]
Role = Literal[
    "copied", "calculated", "aggregated", "observed", "read", "filter", "join", "group", "order", "partition", "rows"
]
"""How a source is used. The first three are of kind value, `observed` and `read` computed, the others influence."""
How = Literal["landed", "expression", "frame"]
"""Where a table comes from: a landed extract, an Ibis expression, or a function of pandas frames."""

KINDS: tuple[Kind, ...] = ("value", "computed", "influence")
_KIND_OF: Mapping[Role, Kind] = {
    "copied": "value", "calculated": "value", "aggregated": "value", "observed": "computed",
    "read": "computed",
    "filter": "influence", "join": "influence", "group": "influence", "order": "influence",
    "partition": "influence", "rows": "influence",
}  # fmt: skip
SPINE = "spine"
"""The days of a run with their calendar. It is the only source that is not a table."""


def kind_of(roles: Iterable[Role]) -> Kind:
    """The strongest kind among roles."""
    return KINDS[min(KINDS.index(_KIND_OF[role]) for role in roles)]


@dataclass(frozen=True, order=True)
class Place:
    """A column of a table."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class Source:
    """A column that another one is made from, one step up, and how it is used. It can have several roles."""

    place: Place
    roles: tuple[Role, ...]

    @property
    def kind(self) -> Kind:
        """The strongest kind among its roles."""
        return kind_of(self.roles)


@dataclass(frozen=True)
class TableLineage:
    """One step up from every column of one table.

    `rows` are the sources that decide which rows the table has. They influence every column, so they are listed
    once and not per column. `policy` names the policy sections that the function declares.
    """

    table: str
    how: How
    columns: Mapping[str, tuple[Source, ...]]
    rows: tuple[Source, ...] = ()
    policy: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def sources(self, column: str) -> tuple[Source, ...]:
        """All sources of a column, including those of its rows. Raises KeyError if the table has no such column."""
        own = {source.place: source.roles for source in self.columns[column]}
        for source in self.rows:
            own[source.place] = tuple(dict.fromkeys((*own.get(source.place, ()), *source.roles)))
        return tuple(Source(place, roles) for place, roles in own.items())

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; `of_json` reads them back."""
        return {
            "how": self.how,
            "policy": list(self.policy),
            "inputs": list(self.inputs),
            "rows": _sources_to_json(self.rows),
            "columns": {name: _sources_to_json(sources) for name, sources in self.columns.items()},
        }

    @classmethod
    def of_json(cls, table: str, value: Mapping[str, Any]) -> TableLineage:
        """Read back what `to_json` returned."""
        return cls(
            table,
            value["how"],
            {name: _sources_of_json(sources) for name, sources in value["columns"].items()},
            _sources_of_json(value["rows"]),
            tuple(value["policy"]),
            tuple(value["inputs"]),
        )


@dataclass(frozen=True)
class Step:
    """One edge of a trace: `target` is made from `source`. `kind` is of this edge alone."""

    source: Place
    target: Place
    roles: tuple[Role, ...]
    kind: Kind


@dataclass(frozen=True)
class Trace:
    """All that a column is made from (`up`), or all that is made from it (`down`).

    `reached` gives each place on the way the kind of its strongest path. A path is as strong as its weakest step. Two
    influences in a row are not followed: nearly every table would be reached.
    """

    start: Place
    steps: tuple[Step, ...]
    reached: Mapping[Place, Kind]
    ends: tuple[Place, ...] = field(default=())
    """Where it stops. Upward: fields of extracts, or days of the run. Downward: columns that nothing reads."""

    def of_kind(self, kind: Kind) -> tuple[Place, ...]:
        """The ends of one kind, sorted by table and column."""
        return tuple(sorted(place for place in self.ends if self.reached[place] == kind))


class Lineage:
    """The lineage of a catalogue."""

    def __init__(self, tables: Iterable[TableLineage]) -> None:
        self.tables: Mapping[str, TableLineage] = {one.table: one for one in tables}

    def __contains__(self, place: object) -> bool:
        return isinstance(place, Place) and place.table in self.tables and place.column in self._columns(place.table)

    def _columns(self, table: str) -> Mapping[str, tuple[Source, ...]]:
        return self.tables[table].columns

    def sources(self, place: Place) -> tuple[Source, ...]:
        """One step up. Empty for a field of an extract or a day of the run. Raises KeyError for an unknown place."""
        return () if place.table == SPINE else self.tables[place.table].sources(place.column)

    @cached_property
    def _readers(self) -> Mapping[Place, Sequence[Source]]:
        """One step down from each place. Here `place` of a Source is the column that reads."""
        readers: dict[Place, list[Source]] = {}
        for one in self.tables.values():
            for column in one.columns:
                for source in one.sources(column):
                    readers.setdefault(source.place, []).append(Source(Place(one.table, column), source.roles))
        return readers

    def readers(self, place: Place) -> Sequence[Source]:
        """One step down: the columns that read a place, and how."""
        return self._readers.get(place, ())

    def up(self, table: str, column: str) -> Trace:
        """All that a column is made from, back to raw fields. Raises KeyError for an unknown column."""
        start = Place(table, column)
        if start not in self:
            raise KeyError(str(start))
        return self._follow(start, lambda at: [(s.place, s.roles) for s in self.sources(at)], is_up=True)

    def down(self, table: str, column: str) -> Trace:
        """All that is made from a column. Raises KeyError for an unknown column."""
        start = Place(table, column)
        if start not in self:
            raise KeyError(str(start))
        return self._follow(start, lambda at: [(s.place, s.roles) for s in self.readers(at)], is_up=False)

    def _follow(self, start: Place, neighbours: Any, *, is_up: bool) -> Trace:
        reached: dict[Place, Kind] = {start: "value"}
        steps: dict[tuple[Place, Place], Step] = {}
        waiting = deque([start])
        while waiting:
            at = waiting.popleft()
            for place, roles in neighbours(at):
                kind = kind_of(roles)
                if kind == "influence" == reached[at]:
                    continue
                source, target = (place, at) if is_up else (at, place)
                steps[source, target] = Step(source, target, roles, kind)
                path = KINDS[max(KINDS.index(reached[at]), KINDS.index(kind))]
                if place not in reached or KINDS.index(path) < KINDS.index(reached[place]):
                    reached[place] = path
                    waiting.append(place)
        inner = {step.target if is_up else step.source for step in steps.values()}
        ends = tuple(place for place in reached if place not in inner and place != start)
        return Trace(start, tuple(steps.values()), reached, ends)

    def policy_of(self, table: str) -> Mapping[str, tuple[str, ...]]:
        """The policy sections that a table's values depend on, by table: its own first, then those upstream."""
        sections: dict[str, tuple[str, ...]] = {}
        waiting = deque([table])
        seen = {table}
        while waiting:
            one = self.tables[waiting.popleft()]
            if one.policy:
                sections[one.table] = one.policy
            for name in one.inputs:
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return sections

    def places(self) -> Iterator[Place]:
        """Every column of every table, upstream tables first."""
        for one in self.tables.values():
            for column in one.columns:
                yield Place(one.table, column)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`: the sources of each column of each table, one step up."""
        return {name: one.to_json() for name, one in self.tables.items()}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Lineage:
        """Read back what `to_json` returned."""
        return cls(TableLineage.of_json(name, one) for name, one in value.items())


def _sources_to_json(sources: Sequence[Source]) -> list[list[Any]]:
    return [[s.place.table, s.place.column, *s.roles] for s in sources]


def _sources_of_json(value: Sequence[Sequence[str]]) -> tuple[Source, ...]:
    return tuple(Source(Place(table, column), tuple(roles)) for table, column, *roles in value)  # pyright: ignore
