"""Column lineage read from SQL text, by another reader than the one under test: sqlglot's syntax tree.

It follows names through the common table expressions and subqueries that Ibis writes, and knows no types, no keys and
no structs: what is within a struct counts for the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

Names = set[tuple[str, str]]
COUNTED = ("", "*")
"""Stands for `count(*)`, which names no column."""


@dataclass
class Columns:
    """Of one query: per column the input columns in its expression, and those in its windows and filters alone."""

    own: dict[str, Names]
    chosen: dict[str, Names]
    rows: Names = field(default_factory=set)
    """In conditions, joins and groups, of this query and of those it reads."""


class Reader:
    """Reads one statement. `leaves` are the columns of each input table, by its name in the SQL."""

    def __init__(self, sql: str, leaves: dict[str, list[str]]) -> None:
        self.leaves = leaves
        self.tree = sqlglot.parse_one(sql, read="duckdb")
        self.named: dict[str, Columns] = {}

    def read(self) -> Columns:
        return self._query(self.tree)

    def _query(self, node: exp.Expression) -> Columns:
        node = node.unnest() if isinstance(node, exp.Paren | exp.Subquery) else node
        for cte in node.ctes:
            self.named[cte.alias] = self._query(cte.this)
        if isinstance(node, exp.SetOperation):
            return self._union(node)
        assert isinstance(node, exp.Select), type(node)
        return self._select(node)

    def _union(self, node: exp.SetOperation) -> Columns:
        left, right = self._query(node.this), self._query(node.expression)
        pairs = list(zip(left.own, right.own, strict=True))
        frame = {a: left.own[a] | right.own[b] for a, b in pairs}
        chosen = {a: left.chosen[a] | right.chosen[b] for a, b in pairs}
        rows = left.rows | right.rows
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            rows = rows.union(*frame.values(), *chosen.values())
        return Columns(frame, chosen, rows)

    def _source(self, node: exp.Expression) -> tuple[str, Columns]:
        if isinstance(node, exp.Subquery):
            return node.alias, self._query(node.this)
        assert isinstance(node, exp.Table), type(node)
        name = node.name
        if name in self.named:
            return node.alias_or_name, self.named[name]
        columns = self.leaves.get(name, [])
        table = name.removeprefix("input_")
        frame: dict[str, Names] = {c: {(table, c)} for c in columns}
        return node.alias_or_name, Columns(frame, {c: set() for c in columns})

    def _select(self, node: exp.Select) -> Columns:
        sources: dict[str, Columns] = {}
        rows: Names = set()
        start = node.args.get("from_") or node.args.get("from")
        joins = node.args.get("joins") or []
        for item in [start.this] * (start is not None) + [join.this for join in joins]:
            alias, columns = self._source(item)
            sources[alias] = columns
            rows |= columns.rows
        scope = Scope(self, sources)
        conditions = [join.args.get("on") for join in joins]
        conditions += [node.args.get(name) for name in ("where", "having", "qualify", "group", "distinct")]
        for condition in conditions:
            rows |= scope.every(condition) if condition is not None else set()
        for position in (node.args.get("group") or exp.Group()).expressions:
            if isinstance(position, exp.Literal):
                rows |= scope.every(node.expressions[int(position.name) - 1])
        frame: dict[str, Names] = {}
        chosen: dict[str, Names] = {}
        for item in node.expressions:
            for name, own, influence in scope.columns(item):
                frame[name], chosen[name] = own, influence
        if node.args.get("distinct"):
            rows = rows.union(*frame.values(), *chosen.values())
        return Columns(frame, chosen, rows)


@dataclass
class Scope:
    """The sources that names within one SELECT refer to."""

    reader: Reader
    sources: dict[str, Columns]

    def columns(self, item: exp.Expression) -> Iterable[tuple[str, Names, Names]]:
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            named = item.table if isinstance(item, exp.Column) else ""
            star = item.this if isinstance(item, exp.Column) else item
            left_out = {e.name for e in star.args.get("except_") or star.args.get("except") or ()}
            for alias, source in self.sources.items():
                if not named or alias == named:
                    for name in source.own:
                        if name not in left_out:
                            yield name, source.own[name], source.chosen[name]
            return
        frame, chosen = self.split(item)
        yield item.alias_or_name, frame, chosen

    def split(self, node: exp.Expression) -> tuple[Names, Names]:
        """What an expression is made from, and what is only in its windows, filters and orders."""
        frame: Names = set()
        chosen: Names = set()
        if isinstance(node, exp.Column):
            return self.named(node)
        if isinstance(node, exp.Subquery | exp.Select | exp.Exists):
            inner = self.reader._query(node.this if isinstance(node, exp.Subquery | exp.Exists) else node)
            for name in inner.own:
                frame |= inner.own[name]
                chosen |= inner.chosen[name]
            return frame, chosen | inner.rows
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            return {COUNTED}, set()
        aside = _aside(node)
        for child in node.iter_expressions():
            own, influence = self.split(child)
            if any(child is one for one in aside):
                chosen |= own | influence
            else:
                frame |= own
                chosen |= influence
        return frame, chosen

    def every(self, node: exp.Expression) -> Names:
        frame, chosen = self.split(node)
        return frame | chosen

    def named(self, node: exp.Column) -> tuple[Names, Names]:
        parts = [part.name for part in node.parts]
        for alias, source in self.sources.items():
            if len(parts) > 1 and parts[0] == alias and parts[1] in source.own:
                return source.own[parts[1]], source.chosen[parts[1]]
        for source in self.sources.values():
            if parts[0] in source.own:
                return source.own[parts[0]], source.chosen[parts[0]]
        raise KeyError(node.sql())


def _aside(node: exp.Expression) -> list[exp.Expression]:
    """The parts of an operation that choose or order what it works on."""
    if isinstance(node, exp.Window):
        order = node.args.get("order")
        return [*(node.args.get("partition_by") or []), *([order] if order else [])]
    if isinstance(node, exp.Filter | exp.ArgMax | exp.ArgMin):
        return [node.expression]
    return list(node.expressions) if isinstance(node, exp.Order) else []
