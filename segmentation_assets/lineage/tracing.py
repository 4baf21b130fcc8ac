"""Lineage derived from a table's Ibis expression, walked from its inputs to its columns.

Here: how each operation changes lineage, for one table and for the whole catalogue. Not here: what lineage is
(`columns`), or showing it (`cli`, the report, Dagster).

A table's function is called with typed, unbound inputs, exactly as for its SQL. The graph that it returns is walked
once, inputs first. Each relation keeps three things: what each of its columns is made from, what decides its rows,
and which columns are unique in it. The unique columns are needed for left joins: if the right side has one row per
key, the left side does not depend on it. A function of frames has no graph: see `_of_frames`.

Three choices may surprise. The conditions of a CASE are values, because they choose the result. So is the order of a
rank, because a rank is made of nothing else. A count of rows is made from the key of the counted rows.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast, get_args

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.graph import Node

from segmentation_assets.lineage.columns import SPINE, Lineage, Place, Role, Source, TableLineage
from segmentation_assets.lineage.frames import observed
from segmentation_assets.policy.model import Policy, section_names
from segmentation_assets.policy.section import Section
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import VALIDITY, Contract, ibis_schema, key_of
from segmentation_assets.tables.registry import BOOKED, POLICY_HASH, Registry, TableSpec, call
from segmentation_assets.warehouse.code_hashes import code_version, parts
from segmentation_assets.warehouse.compiled import Compiled, seldom_collecting
from segmentation_assets.warehouse.planning import code_version_under

_ROLES: tuple[Role, ...] = get_args(Role)
_BIT: Mapping[Role, int] = {role: 1 << i for i, role in enumerate(_ROLES)}
_COPIED, _CALCULATED, _AGGREGATED = (_BIT[role] for role in ("copied", "calculated", "aggregated"))
_VALUES = _COPIED | _CALCULATED | _AGGREGATED
_WORD = re.compile(r"'(\w+)'")
_NAMING = re.compile(r"(?:attr|arg|value)='(\w+)'|\{(\w+)[:!}]")
"""Finds words in a syntax tree's text: attributes, keywords, strings, format fields. No functions or variables."""
_MOST_KEYS = 8
"""Most unique keys kept per relation. Joins multiply them."""

Places = dict[Place, int]
"""Places with their roles, one bit per role."""
Key = frozenset[str]


@dataclass(frozen=True)
class Cell:
    """The `sources` of a value, and the columns that choose it (`chosen`). A struct has one Cell per field."""

    sources: Places
    chosen: Places = field(default_factory=dict)
    fields: Mapping[str, Cell] | None = None


@dataclass(frozen=True)
class Rows:
    """A relation: its columns, what decides its rows, and sets of columns that no two rows share."""

    columns: Mapping[str, Cell]
    decided: Places
    keys: frozenset[Key] = frozenset()


_NOTHING = Cell({})


# -- a catalogue, a table


def lineage(registry: Registry, policy: Policy, cache: Compiled | None = None) -> Lineage:
    """The lineage of every table, upstream first. Unchanged tables are read from `cache`."""
    with seldom_collecting():
        return Lineage([table_lineage(spec, policy, cache) for spec in registry])


def table_lineage(
    spec: TableSpec, policy: Policy, cache: Compiled | None = None, expression: ir.Table | None = None
) -> TableLineage:
    """One step up from each column of a table. `expression` is the table's own, if the caller has it already."""
    key = _key(spec, policy)
    name = f"lineage_{spec.name}"
    text = cache.get(name, key) if cache else None
    if text is not None:
        return TableLineage.of_json(spec.name, json.loads(text))
    derived = _derived(spec, policy, expression)
    if cache and cache.folder.parent.is_dir():
        cache.keep(name, key, json.dumps(derived.to_json(), separators=(",", ":")))
    return derived


def _key(spec: TableSpec, policy: Policy) -> str:
    facts = [code_version_under(spec, policy), ibis.__version__, code_version(trace), code_version(table_lineage)]
    facts += [code_version(item.contract) for item in spec.inputs]
    facts += [json.dumps(asdict(seen))] if works_on_frames(spec) and (seen := observed(spec)) else []
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _derived(spec: TableSpec, policy: Policy, expression: ir.Table | None) -> TableLineage:
    names = section_names()
    sections = tuple(names.get(section, section.__name__) for section in spec.sections.values())
    inputs = tuple(item.name for item in spec.inputs)
    if spec.is_extract:
        return TableLineage(spec.name, "landed", dict.fromkeys(ibis_schema(spec.contract), ()))
    if works_on_frames(spec):
        columns, decided = _of_frames(spec)
        return TableLineage(spec.name, "frame", columns, decided, sections, inputs)
    rows = trace(spec, expression if expression is not None else unbound(spec, policy.sections))
    columns = {name: _sources({**rows.columns[name].chosen}, rows.columns[name].sources) for name in rows.columns}
    return TableLineage(spec.name, "expression", columns, _sources({}, rows.decided), sections, inputs)


def works_on_frames(spec: TableSpec) -> bool:
    """Whether the function computes in pandas, at least in part."""
    return spec.is_frame or spec.spine_is_frame or any(item.is_frame for item in spec.inputs)


def unbound(spec: TableSpec, sections: Mapping[type[Section], Section]) -> ir.Table:
    """The table's expression over inputs without data. The inputs are named like the tables."""
    inputs: dict[str, Any] = {i.name: ibis.table(ibis_schema(i.contract), name=i.name) for i in spec.inputs}
    inputs[SPINE] = ibis.table(ibis_schema(Spine), name=SPINE)
    return call(spec, inputs, sections, POLICY_HASH)


def _sources(chosen: Places, sources: Places) -> tuple[Source, ...]:
    every = _merged([sources, chosen])
    return tuple(Source(place, tuple(role for role in _ROLES if bits & _BIT[role])) for place, bits in every.items())


# -- functions of frames


def _of_frames(spec: TableSpec) -> tuple[dict[str, tuple[Source, ...]], tuple[Source, ...]]:
    """The sources that were observed to change each column, and those that decide the rows.

    For a column that was not observed yet, every column that the function reads counts. An input column that changed
    nothing when it was observed counts for every column.
    """
    seen, places, named = observed(spec), _input_columns(spec), named_columns(spec)

    def sources(texts: Iterable[str], role: Role) -> tuple[Source, ...]:
        return tuple(Source(places[text], (role,)) for text in texts if text in places)

    def of_column(name: str) -> tuple[Source, ...]:
        if seen is None or name not in seen.columns:
            return () if name == POLICY_HASH else sources(named, "read")
        unseen = [text for text in seen.unseen if text in named]
        return sources(seen.columns[name], "observed" if seen.code else "read") + sources(unseen, "read")

    columns = {name: of_column(name) for name in ibis_schema(spec.contract)}
    return columns, sources(seen.rows if seen else (), "rows")


def named_columns(spec: TableSpec) -> dict[str, Place]:
    """The columns that a function of frames reads, as `input.column`: input columns that its code names.

    The builder loads only the columns of the inputs' contracts. A name that stands only in a contract does not count.
    """
    words = _named(spec)
    places = _input_columns(spec).items()
    return {text: place for text, place in places if place.column in words and place.column != POLICY_HASH}


def _input_columns(spec: TableSpec) -> dict[str, Place]:
    inputs = {i.name: (i.name, i.contract) for i in spec.inputs}
    if spec.spine_is_frame:
        inputs[SPINE] = (SPINE, Spine)
    if spec.is_ledger:
        inputs[BOOKED] = (spec.name, spec.contract)
    return {f"{name}.{c}": Place(table, c) for name, (table, of) in inputs.items() for c in ibis_schema(of)}


def _named(spec: TableSpec) -> set[str]:
    """Every word in the code of a function, and of all it depends on, that could name a column; without contracts."""
    assert spec.function is not None
    words: set[str] = set()
    for definition in parts(spec.function):
        place, _, tree = definition.partition("=")
        module, _, name = place.rpartition(".")
        subject = getattr(sys.modules[module], name, None)
        if not isinstance(subject, type):
            words.update(word for pair in _NAMING.findall(tree) for word in pair)
        elif not issubclass(subject, Contract):
            words.update(_WORD.findall(tree))
    return words


# -- expressions


def trace(spec: TableSpec, expression: ir.Table) -> Rows:
    """Walk a table's expression. Raises TypeError for an unknown operation on relations."""
    walk = _Walk(_leaves(spec))
    for node in _inputs_first(expression.op()):
        walk.visit(node)
    return walk.relations[expression.op()]


def _inputs_first(root: Node) -> Iterator[Node]:
    """Every node of a graph once, after its arguments. Ibis' own sort is slower: it inverts the graph twice."""
    done: set[Node] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_named = waiting.pop()
        if is_named:
            yield node
        elif node not in done:
            done.add(node)
            waiting.append((node, True))
            waiting += [(child, False) for child in node.__children__]


def _leaves(spec: TableSpec) -> dict[str, Rows]:
    """The inputs by their name in an expression: the table's name, or the name of its view in the engine."""
    leaves = {}
    for name, contract in [*((i.name, i.contract) for i in spec.inputs), (SPINE, Spine)]:
        columns = {column: Cell({Place(name, column): _COPIED}) for column in ibis_schema(contract)}
        key = frozenset(key_of(contract))
        rows = Rows(columns, {}, frozenset({key}) if key and key <= set(columns) else frozenset())
        leaves |= {name: rows, f"input_{name}": rows}
    return leaves | {"frame_Spine": leaves[SPINE]}


class _Walk:
    """Visits the nodes of one expression, inputs first."""

    def __init__(self, leaves: Mapping[str, Rows]) -> None:
        self.leaves = leaves
        self.identities = {
            item
            for rows in leaves.values()
            for key in rows.keys
            for name in key
            for item in rows.columns[name].sources.items()
        }
        """Key columns of the inputs, with the roles of a copied column."""
        self.cells: dict[Any, Cell] = {}
        self.relations: dict[Any, Rows] = {}
        self.spreading: set[Any] = set()
        """Values that unnest an array."""

    def visit(self, node: Any) -> None:
        if isinstance(node, ops.Relation):
            self.relations[node] = self._relation(node)
        elif isinstance(node, ops.Value | ops.SortKey):
            self.cells[node] = self._value(node)
            if isinstance(node, ops.Unnest) or not self.spreading.isdisjoint(_arguments(node)):
                self.spreading.add(node)

    # -- values

    def _value(self, node: Any) -> Cell:
        cells = self.cells
        if isinstance(node, ops.Field):
            return self.relations[node.rel].columns[node.name]
        if isinstance(node, ops.Alias | ops.Cast | ops.SortKey):
            return cells[node.arg]
        if isinstance(node, ops.StructColumn):
            fields = {n: cells[v] for n, v in zip(node.names, node.values, strict=True)}
            whole = _combined(list(fields.values()), _CALCULATED)
            return Cell(whole.sources, whole.chosen, fields)
        if isinstance(node, ops.StructField):
            whole = cells[node.arg]
            return whole.fields[node.field] if whole.fields else _combined([whole], _CALCULATED)
        if isinstance(node, ops.WindowFunction):
            return self._window(node)
        if isinstance(node, ops.Reduction):
            return self._reduction(node)
        if isinstance(node, ops.Subquery):
            return self._subquery(node)
        if isinstance(node, ops.Unnest | ops.Array):
            return _combined([cells[arg] for arg in _arguments(node)], 0)
        return _combined([cells[arg] for arg in _arguments(node)], _CALCULATED)

    def _window(self, node: ops.WindowFunction) -> Cell:
        """A rank is made from its order columns. Any other window function is made from its argument."""
        order = [self.cells[key] for key in node.order_by]
        is_rank = isinstance(node.func, ops.RankBase)
        value = _combined([self.cells[node.func], *(order if is_rank else ())], _AGGREGATED if is_rank else 0)
        chosen = [value.chosen]
        chosen += [_as(cell, "partition") for cell in map(self.cells.__getitem__, node.group_by)]
        chosen += [] if is_rank else [_as(cell, "order") for cell in order]
        chosen += [_as(self.cells[b], "order") for b in (node.start, node.end) if b is not None]
        return Cell(value.sources, _merged(chosen))

    def _reduction(self, node: Any) -> Cell:
        choosing = {"where": "filter", "key": "order", "order_by": "order"}
        chosen: list[Places] = []
        arguments: list[Cell] = []
        for name, argument in zip(node.argnames, node.args, strict=True):
            for one in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(one, ops.Relation):
                    arguments.append(self._counted(self.relations[one]))
                elif isinstance(one, ops.Value | ops.SortKey):
                    if name in choosing:
                        chosen.append(_as(self.cells[one], cast("Role", choosing[name])))
                    else:
                        arguments.append(self.cells[one])
        value = _combined(arguments, _AGGREGATED)
        return Cell(value.sources, _merged([value.chosen, *chosen]), value.fields)

    def _counted(self, rows: Rows) -> Cell:
        """A count of rows is made from their key, or else from the input keys they contain. Row sources choose it."""
        key = min(rows.keys, key=lambda k: (len(k), sorted(k)), default=None)
        if key is None:
            key = {
                n
                for n, cell in rows.columns.items()
                if len(cell.sources) == 1 and self.identities & cell.sources.items()
            }
        count = _combined([rows.columns[name] for name in sorted(key)], _AGGREGATED)
        return Cell(count.sources, _merged([count.chosen, rows.decided]))

    def _subquery(self, node: Any) -> Cell:
        rows = self.relations[node.rel]
        columns = [] if isinstance(node, ops.ExistsSubquery) else list(rows.columns.values())
        if isinstance(node, ops.InSubquery):
            columns.append(self.cells[node.needle])
        value = _combined(columns, 0 if isinstance(node, ops.ScalarSubquery) else _CALCULATED)
        return Cell(value.sources, _merged([value.chosen, _again(rows.decided, "filter")]))

    # -- relations

    def _relation(self, node: Any) -> Rows:
        handler = _RELATIONS.get(type(node))
        if handler is None:
            raise TypeError(f"lineage of {type(node).__name__} is not known: define it in `lineage.tracing`")
        return handler(self, node)

    def _leaf(self, node: Any) -> Rows:
        if node.name not in self.leaves:
            raise TypeError(f"{node.name} is not an input of the table")
        return self.leaves[node.name]

    def _constants(self, node: Any) -> Rows:
        """A list from the policy or the code. It is made from no column."""
        return Rows(dict.fromkeys(node.schema, _NOTHING), {})

    def _same(self, node: Any) -> Rows:
        return self.relations[node.parent]

    def _project(self, node: ops.Project) -> Rows:
        parent = self.relations[node.parent]
        renamed: dict[str, list[str]] = {}
        unnested: list[Places] = []
        spreads = False
        for name, value in node.values.items():
            if isinstance(value, ops.Field):
                renamed.setdefault(value.name, []).append(name)
            else:
                for unnest in value.find(ops.Unnest, filter=ops.Value) if value in self.spreading else ():
                    spreads = True
                    if not isinstance(unnest.arg, ops.Array):  # a literal array has the same length in each row
                        unnested.append(_as(self.cells[unnest.arg], "rows"))
        columns = {name: self.cells[value] for name, value in node.values.items()}
        keys = frozenset() if spreads else _renamed(parent.keys, renamed)
        return Rows(columns, _merged([parent.decided, *unnested]), keys)

    def _drop(self, node: ops.DropColumns) -> Rows:
        parent = self.relations[node.parent]
        columns = {n: c for n, c in parent.columns.items() if n not in node.columns_to_drop}
        return Rows(columns, parent.decided, frozenset(k for k in parent.keys if k <= set(columns)))

    def _filter(self, node: ops.Filter) -> Rows:
        parent = self.relations[node.parent]
        decided = [parent.decided, *(_as(self.cells[p], "filter") for p in node.predicates)]
        fixed = {name for p in node.predicates if (name := _fixed(p, node.parent))}
        keys = frozenset(key - fixed for key in parent.keys)
        firsts = {key - fixed for p in node.predicates if (key := _first_of(p, node.parent)) is not None}
        return Rows(parent.columns, _merged(decided), keys | firsts)

    def _drop_null(self, node: ops.DropNull) -> Rows:
        parent = self.relations[node.parent]
        tested = [self.cells[c] for c in node.subset] if node.subset is not None else list(parent.columns.values())
        decided = _merged([parent.decided, *(_as(cell, "filter") for cell in tested)])
        return Rows(parent.columns, decided, parent.keys)

    def _limit(self, node: ops.Limit) -> Rows:
        parent = self.relations[node.parent]
        keys = node.parent.keys if isinstance(node.parent, ops.Sort) else ()
        decided = _merged([parent.decided, *(_as(self.cells[key], "order") for key in keys)])
        return Rows(parent.columns, decided, parent.keys)

    def _distinct(self, node: ops.Distinct) -> Rows:
        parent = self.relations[node.parent]
        decided = _merged([parent.decided, *(_as(cell, "group") for cell in parent.columns.values())])
        return Rows(parent.columns, decided, parent.keys or frozenset({frozenset(parent.columns)}))

    def _aggregate(self, node: ops.Aggregate) -> Rows:
        parent = self.relations[node.parent]
        groups = {name: self.cells[value] for name, value in node.groups.items()}
        metrics = {name: self.cells[value] for name, value in node.metrics.items()}
        decided = _merged([parent.decided, *(_as(cell, "group") for cell in groups.values())])
        return Rows({**groups, **metrics}, decided, frozenset({frozenset(groups)}))

    def _set(self, node: Any) -> Rows:
        left, right = self.relations[node.left], self.relations[node.right]
        columns = {name: _combined([left.columns[name], right.columns[name]], 0) for name in left.columns}
        decided = [left.decided, right.decided]
        keys = frozenset()
        if node.distinct or not isinstance(node, ops.Union):
            decided += [_as(cell, "group") for cell in columns.values()]
            keys = frozenset({frozenset(columns)})
        return Rows(columns, _merged(decided), keys)

    def _join(self, node: ops.JoinChain) -> Rows:
        return _Join(self, node).rows()


_RELATIONS: Mapping[type, Callable[[_Walk, Any], Rows]] = {
    ops.UnboundTable: _Walk._leaf,
    ops.DatabaseTable: _Walk._leaf,
    ops.InMemoryTable: _Walk._constants,
    ops.DummyTable: _Walk._constants,
    ops.Project: _Walk._project,
    ops.DropColumns: _Walk._drop,
    ops.SelfReference: _Walk._same,
    ops.JoinReference: _Walk._same,
    ops.Sort: _Walk._same,
    ops.Filter: _Walk._filter,
    ops.DropNull: _Walk._drop_null,
    ops.Limit: _Walk._limit,
    ops.Distinct: _Walk._distinct,
    ops.Aggregate: _Walk._aggregate,
    ops.Union: _Walk._set,
    ops.Intersection: _Walk._set,
    ops.Difference: _Walk._set,
    ops.JoinChain: _Walk._join,
}


class _Join:
    """One chain of joins: what decides its rows, and which sources each joined table adds to its columns."""

    def __init__(self, walk: _Walk, node: ops.JoinChain) -> None:
        self.walk = walk
        self.node = node
        first = walk.relations[node.first]
        self.decided = first.decided
        self.brought: dict[Any, Places] = {}
        """What decides which rows of each left-joined table match."""
        self.keys: set[frozenset[tuple[Any, str]]] = {frozenset((node.first, n) for n in key) for key in first.keys}

    def rows(self) -> Rows:
        for link in self.node.rest:
            self._add(link)
        columns = {name: self._cell(value) for name, value in self.node.values.items()}
        shown: dict[tuple[Any, str], list[str]] = {}
        for name, value in self.node.values.items():
            if isinstance(value, ops.Field):
                shown.setdefault((value.rel, value.name), []).append(name)
        return Rows(columns, self.decided, _renamed(self.keys, shown))

    def _cell(self, value: Any) -> Cell:
        cell = self.walk.cells[value]
        owed = [self.brought[table] for table in value.relations if table in self.brought]
        return Cell(cell.sources, _merged([cell.chosen, *owed]), cell.fields) if owed else cell

    def _add(self, link: ops.JoinLink) -> None:
        right = self.walk.relations[link.table]
        met = _merged([*(_as(self.walk.cells[p], "join") for p in link.predicates), right.decided])
        # If a predicate uses a column of an earlier left join, the sources of that join decide here too.
        met = _merged([met, *(self.brought[t] for p in link.predicates for t in p.relations if t in self.brought)])
        equal = _equalities(link) | _day_known(link, right)
        is_one = any(key <= set(equal) for key in right.keys)
        if link.how in {"left", "any_left"}:
            self.brought[link.table] = met
        if link.how not in {"left", "any_left"} or not (is_one or link.how == "any_left"):
            self.decided = _merged([self.decided, met])
        if link.how in {"semi", "anti"} or is_one:
            return
        if link.how in {"right", "outer", "asof", "positional"}:
            self.keys = set()
            return
        pairs = [frozenset(equal.get(n) or (link.table, n) for n in key) for key in right.keys]
        self.keys = set(sorted((mine | theirs for mine in self.keys for theirs in pairs), key=len)[:_MOST_KEYS])


_Join.rows.__doc__ = "The chain as one relation."
_Walk.visit.__doc__ = "Derive one node. Its arguments were visited before."


def _equalities(link: ops.JoinLink) -> dict[str, tuple[Any, str] | None]:
    """Columns of the joined table that equal a column of another table, or an expression (None)."""
    equal: dict[str, tuple[Any, str] | None] = {}
    for predicate in link.predicates:
        if isinstance(predicate, ops.Equals):
            for mine, other in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
                if isinstance(mine, ops.Field) and mine.rel == link.table and link.table not in other.relations:
                    equal[mine.name] = (other.rel, other.name) if isinstance(other, ops.Field) else None
    return equal


def _day_known(link: ops.JoinLink, right: Rows) -> dict[str, tuple[Any, str] | None]:
    """`known_from`, if the join picks the rows known on one day. That day then helps identify the row."""
    since, until = VALIDITY
    if not any(since in key for key in right.keys) or until not in right.columns:
        return {}
    starts, ends = set(), set()
    for predicate in link.predicates:
        if isinstance(predicate, ops.LessEqual | ops.Less):
            low, high = predicate.left, predicate.right
        elif isinstance(predicate, ops.GreaterEqual | ops.Greater):
            low, high = predicate.right, predicate.left
        else:
            continue
        includes = isinstance(predicate, ops.LessEqual | ops.GreaterEqual)
        if includes and isinstance(low, ops.Field) and (low.rel, low.name) == (link.table, since):
            starts.add(high)
        elif not includes and isinstance(high, ops.Field) and (high.rel, high.name) == (link.table, until):
            ends.add(low)
    days = [day for day in starts & ends if isinstance(day, ops.Field) and day.rel != link.table]
    return {since: (days[0].rel, days[0].name)} if days else {}


def _fixed(predicate: Any, parent: Any) -> str | None:
    """The column that a filter fixes to one value."""
    if isinstance(predicate, ops.Equals):
        for one, other in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
            if isinstance(one, ops.Field) and one.rel == parent and isinstance(other, ops.Literal):
                return one.name
    return None


def _first_of(predicate: Any, parent: Any) -> Key | None:
    """The partition of which a filter keeps the first row: `row_number() = 0`, or `< 1`."""
    limits = {ops.Equals: 0, ops.Less: 1}
    if type(predicate) not in limits or not isinstance(predicate.right, ops.Literal):
        return None
    number = predicate.left
    if isinstance(number, ops.Field) and isinstance(number.rel, ops.Project):
        number = number.rel.values[number.name]
    if not (isinstance(number, ops.WindowFunction) and isinstance(number.func, ops.RowNumber)):
        return None
    if predicate.right.value != limits[type(predicate)] or not all(isinstance(g, ops.Field) for g in number.group_by):
        return None
    names = frozenset(group.name for group in number.group_by)  # pyright: ignore[reportAttributeAccessIssue]
    return names if names <= set(parent.schema) else None


def _renamed(keys: Iterable[frozenset[Any]], names: Mapping[Any, Sequence[str]]) -> frozenset[Key]:
    """Keys with renamed columns. A key that lost a column is dropped."""
    return frozenset(frozenset(names[n][0] for n in key) for key in keys if all(n in names for n in key))


def _arguments(node: Any) -> list[Any]:
    """The values among an operation's arguments."""
    values = []
    for argument in node.args:
        for one in argument if isinstance(argument, tuple) else (argument,):
            values += [one] if isinstance(one, ops.Value | ops.SortKey) else []
    return values


def _combined(cells: Sequence[Cell], role: int) -> Cell:
    """A value made from several. `role` 0 keeps their roles; `calculated` replaces `copied`, and so on."""
    if not cells:
        return _NOTHING
    sources = _merged([cell.sources for cell in cells])
    if role == _AGGREGATED:
        sources = {place: bits & ~_VALUES | _AGGREGATED for place, bits in sources.items()}
    elif role == _CALCULATED:
        sources = {p: bits & ~_COPIED | _CALCULATED if bits & _COPIED else bits for p, bits in sources.items()}
    structs = [cell.fields for cell in cells if cell.fields]
    fields = None
    if structs and all(set(one) == set(structs[0]) for one in structs):
        fields = {n: _combined([c.fields[n] if c.fields else c for c in cells], role) for n in structs[0]}
    return Cell(sources, _merged([cell.chosen for cell in cells]), fields)


def _merged(several: Sequence[Places]) -> Places:
    filled = [places for places in several if places]
    if not filled:
        return {}
    if len(filled) == 1:
        return filled[0]
    merged = dict(filled[0])
    for places in filled[1:]:
        for place, bits in places.items():
            merged[place] = merged.get(place, 0) | bits
    return merged


def _as(cell: Cell, role: Role) -> Places:
    """All sources of a value, including those that choose it, in one role."""
    return dict.fromkeys((*cell.sources, *cell.chosen), _BIT[role])


def _again(places: Places, role: Role) -> Places:
    return dict.fromkeys(places, _BIT[role])
