"""A table's column lineage as Dagster metadata: Dagster's own kind, and a Markdown table for people.

Here: turning lineage into metadata at materialization. Not here: deriving it (`lineage.tracing`). It is not part of
an asset's definition, because that would build every table's expression whenever the location loads.

Dagster's kind only has the columns that a value is made from, and the open-source UI does not show it. The Markdown
table shows everything, including influences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from segmentation_assets.extracts.sources import ExtractSource, own_columns
from segmentation_assets.lineage.columns import SPINE, Source, TableLineage
from segmentation_assets.lineage.tracing import table_lineage
from segmentation_assets.orchestration.descriptions import markdown_table
from segmentation_assets.reading.escaping import Markdown, in_markdown
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.compiled import Compiled

COLUMN_LINEAGE = "dagster/column_lineage"
_MOST = 6
"""Columns of one table named in a cell; `segmentation lineage` names all."""


def lineage_metadata(builder: Builder, spec: TableSpec) -> dict[str, Any]:
    """The lineage metadata of one materialization."""
    cache = Compiled(builder.compiled.folder, ".json")
    one = table_lineage(spec, builder.policy, cache, builder.expressions.pop(spec.name, None))
    return {COLUMN_LINEAGE: column_lineage(one), "lineage": dg.MarkdownMetadataValue(lineage_markdown(one))}


def column_lineage(one: TableLineage) -> dg.TableColumnLineage:
    """The columns of other assets that each column is made from, or may be made from (a function over frames)."""
    return dg.TableColumnLineage(
        deps_by_column={
            name: [
                dg.TableColumnDep(asset_key=source.place.table, column_name=source.place.column)
                for source in sources
                if source.kind != "influence" and source.place.table != SPINE
            ]
            for name, sources in one.columns.items()
        }
    )


def lineage_markdown(one: TableLineage) -> str:
    """A table of every column's sources, then the columns that decide the rows."""
    header = "made from" if one.how == "expression" else f"made by a Python function that {_verb(one)}"
    rows = [
        (
            Markdown(f"`{name}`"),
            _listed(s for s in sources if s.kind != "influence") or "a constant of the code or the policy",
            _listed(s for s in sources if s.kind == "influence"),
        )
        for name, sources in one.columns.items()
    ]
    table = markdown_table(("column", header, "chosen by"), rows)
    decided = f"\n\nIts rows are decided by {_listed(one.rows)}." if one.rows else ""
    policy = f"\n\nPolicy sections: {', '.join(one.policy)}." if one.policy else ""
    return f"{table}{decided}{policy}\n\nBack to raw fields: `segmentation lineage {one.table}.<column>`"


def _verb(one: TableLineage) -> str:
    is_declared = any("declared" in source.roles for sources in one.columns.values() for source in sources)
    return "declares" if is_declared else "reads"


def _listed(sources: Iterable[Source]) -> str:
    grouped: dict[str, list[str]] = {}
    for source in sources:
        grouped.setdefault(source.place.table, []).append(source.place.column)
    return "; ".join(f"{table}: {_cut(columns)}" for table, columns in grouped.items())


def _cut(columns: Sequence[str]) -> str:
    more = len(columns) - _MOST
    return ", ".join(columns[:_MOST]) + (f" and {more} more" if more > 0 else "")


def mapping_metadata(spec: TableSpec, mapping: Mapping[str, ExtractSource]) -> dict[str, Any]:
    """Which column of the source each column of an extract is read from; nothing for one that is not mapped."""
    source = mapping.get(spec.name)
    if source is None:
        return {}
    rows = [(Markdown(f"`{name}`"), source.said_of(name)) for name in own_columns(spec.name)]
    text = f"From {in_markdown(source.place)}\n\n{markdown_table(('column', 'read from'), rows)}"
    return {"lineage": dg.MarkdownMetadataValue(text)}
