"""What really depends on what, found by trying: change one input column, and see which columns come out different.

It knows nothing of expressions or lineage, so lineage is held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb

from segmentation_assets.tables.contracts import ibis_schema, key_of
from segmentation_assets.tables.registry import TableSpec

BIJECTIONS = {"string": "{c} || '~'", "date": "{c} + 7", "int64": "{c} + 1000", "float64": "{c} * 3 + 1"}


def changed(
    connection: duckdb.DuckDBPyConnection, spec: TableSpec, sql: str, inputs: Mapping[str, str]
) -> Iterator[tuple[str, str, set[str]]]:
    """Per input and column, the columns of `sql` whose values are others when that column's are.

    `inputs` are, per input, the view that `sql` reads. What identifies rows is renamed one to one, so that the
    contract's promise of unique keys still holds; other columns are shuffled, so that they stay possible.
    """
    for view in inputs.values():
        connection.execute(f'CREATE OR REPLACE TEMP TABLE "kept_{view}" AS SELECT * FROM "{view}"')
        connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS SELECT * FROM "kept_{view}"')
    before = columns_of(connection, sql)
    for item in spec.inputs:
        view, key = inputs[item.name], key_of(item.contract)
        for name, kind in ibis_schema(item.contract).items():
            if name == "known_to":  # shuffled, it would make a row known twice on a day, which no extract ever is
                value = 'CASE WHEN hash(kept) % 3 = 0 THEN "known_from" ELSE "known_to" END'
                source = f'SELECT * REPLACE ({value} AS "{name}") FROM "kept_{view}" AS kept'
            elif name in key:
                value = BIJECTIONS.get(str(kind), "{c}").format(c=f'"{name}"')
                source = f'SELECT * REPLACE ({value} AS "{name}") FROM "kept_{view}"'
            else:
                other = f'lead("{name}", 7) OVER (ORDER BY hash(kept), "{name}")'
                source = (
                    f'SELECT * EXCLUDE (kept) REPLACE (coalesce({other}, first_value("{name}") OVER (ORDER BY '
                    f'"{name}" NULLS LAST)) AS "{name}") FROM (SELECT *, kept FROM "kept_{view}" AS kept)'
                )
            connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS {source}')
            after = columns_of(connection, sql)
            yield item.name, name, {column for column, values in after.items() if values != before[column]}
        connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS SELECT * FROM "kept_{view}"')


def columns_of(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, list[str]]:
    """Each column's values in an order of its own; the last digits of sums are no difference."""
    result = connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    rows = result.fetchall()
    return {name: sorted(_words(row[i]) for row in rows) for i, name in enumerate(names)}


def _words(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
