"""Ibis expressions as Spark SQL that gives what DuckDB gives.

Here: what Ibis 12 writes otherwise for Spark, one method each, with the reason. Not here: a session (`session`), or
binding tables (`engine`). It imports no pyspark, so it can be tried without Java.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.backends.sql.datatypes import PySparkType

_SMALL_INTEGERS = 32


class SparkCompiler(PySparkCompiler):
    """Ibis' compiler for Spark with typed literals and DuckDB's rules for casts, ties of nulls, and blanks."""

    __slots__ = ()

    def visit_Field(self, op: Any, *, rel: Any, name: str) -> Any:
        """A column as it is. Ibis' own asks an option that exists only once its backend is loaded."""
        return super(PySparkCompiler, self).visit_Field(op, rel=rel, name=name)

    def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: dt.DataType) -> Any:
        """A number with its type. Spark reads a bare 0.3 as a decimal and a bare 1 as 32 bits."""
        if dtype.is_floating() and math.isfinite(value):
            return self.cast(repr(float(value)), dt.float64)
        if dtype.is_integer() and dtype.nbytes * 8 > _SMALL_INTEGERS:
            return self.cast(sge.convert(int(value)), dt.int64)
        if dtype.is_floating():
            return super(PySparkCompiler, self).visit_DefaultLiteral(op, value=value, dtype=dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_Cast(self, op: Any, *, arg: Any, to: dt.DataType) -> Any:
        """A number to an integer is rounded: floats half to even, decimals half away from zero. Spark cuts off."""
        source = op.arg.dtype
        if to.is_integer() and source.is_floating():
            return self.cast(self.f.anon.rint(arg), to)
        if to.is_integer() and source.is_decimal():
            return self.cast(self.f.round(arg, 0), to)
        return super().visit_Cast(op, arg=arg, to=to)

    def visit_IsNull(self, op: Any, *, arg: Any) -> Any:
        """Null alone. Ibis' own for Spark also takes NaN, which no table holds."""
        del op
        return arg.is_(NULL)

    def visit_NotNull(self, op: Any, *, arg: Any) -> Any:
        """Not null. See above."""
        del op
        return arg.is_(sge.Not(this=NULL))

    def visit_Strip(self, op: Any, *, arg: Any) -> Any:
        """Without blanks, tabs and line ends around it."""
        del op
        return self.f.anon.btrim(arg, sge.convert(string.whitespace))

    def visit_ArgMax(self, op: Any, *, arg: Any, key: Any, where: Any) -> Any:
        """The value at the largest key among rows that have both; Spark's own would give the null of a row."""
        return self._arg("max_by", op, arg, key, where)

    def visit_ArgMin(self, op: Any, *, arg: Any, key: Any, where: Any) -> Any:
        """The value at the smallest key, likewise."""
        return self._arg("min_by", op, arg, key, where)

    def _arg(self, function: str, op: Any, arg: Any, key: Any, where: Any) -> Any:
        has_value = sge.Not(this=sge.Is(this=arg.copy(), expression=NULL)) if op.arg.dtype.nullable else None
        wanted = where if has_value is None else has_value if where is None else sg.and_(where, has_value)
        return self.f.anon[function](arg, key if wanted is None else self.if_(wanted, key, NULL))

    def visit_BitOr(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Bitwise or over rows, which Spark has and Ibis does not offer."""
        del op
        return self.f.anon.bit_or(arg if where is None else self.if_(where, arg, NULL))


@dataclass(frozen=True)
class Query:
    """A query for Spark in steps: each of `shared` is a subquery that later ones read several times, by name."""

    shared: tuple[tuple[str, str], ...]
    sql: str


def spark_query(expr: ir.Table, prefix: str) -> Query:
    """The Spark SQL of an expression, each column cast to its Ibis type. `prefix`: of the names of shared subqueries.

    Spark copies a subquery to wherever it is read, and plans every copy: a table whose steps read each other twice
    over ten steps would be planned a thousand times. So these subqueries stand apart.
    """
    compiler = SparkCompiler()
    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        tree = compiler.to_sqlglot(expr)
    finally:
        ibis.options.sql.fuse_selects = before
    bodies = {cte.alias: cte.this for cte in tree.find_all(sge.CTE)}
    main = tree.copy()
    main.set("with_", None)
    main.set("with", None)
    reads = {name: _names_read(body, bodies) for name, body in [*bodies.items(), ("", main)]}
    times = Counter(name for names in reads.values() for name in names)
    apart = {name: f"{prefix}_{name}" for name in bodies if times[name] > 1}

    def text(name: str, body: sg.Expression) -> str:
        needed = [n for n in bodies if n in _behind(name, reads, apart)]
        parts = ", ".join(f"`{n}` AS ({_text(bodies[n], apart, compiler)})" for n in needed)
        return (f"WITH {parts} " if parts else "") + _text(body, apart, compiler)

    shared = tuple((apart[name], text(name, bodies[name])) for name in bodies if name in apart)
    columns = ", ".join(f"CAST(`{n}` AS {type_name(t)}) AS `{n}`" for n, t in expr.schema().items())
    return Query(shared, f"SELECT {columns} FROM ({text('', main)})")


def _names_read(body: sg.Expression, subqueries: Container[str]) -> list[str]:
    """The subqueries that a query reads, as often as it does."""
    return [table.name for table in body.find_all(sge.Table) if table.name in subqueries]


def _behind(name: str, reads: Mapping[str, Sequence[str]], apart: Container[str]) -> set[str]:
    """The subqueries that one needs in its own text: those it reads, and they read, up to those that stand apart."""
    result: set[str] = set()
    ahead = [name]
    while ahead:
        for read in reads[ahead.pop()]:
            if read not in apart and read not in result:
                result.add(read)
                ahead.append(read)
    return result


def _text(body: sg.Expression, apart: Mapping[str, str], compiler: SparkCompiler) -> str:
    def renamed(node: sg.Expression) -> sg.Expression:
        if isinstance(node, sge.Table) and node.name in apart:
            node.set("this", sge.to_identifier(apart[node.name], quoted=True))
        return node

    return body.transform(renamed).sql(dialect=compiler.dialect)


def type_name(of: dt.DataType) -> str:
    """Spark's name of a type. A moment has no time zone; it is UTC."""
    return "TIMESTAMP_NTZ" if of.is_timestamp() else PySparkType.to_string(of)
