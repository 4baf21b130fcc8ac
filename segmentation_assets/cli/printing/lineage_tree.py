"""Column lineage for people's eyes: a tree in the terminal, a Mermaid graph, or JSON.

Here: showing a `Trace` or a table's neighbours. Not here: following lineage (`warehouse.lineage`) or deriving it
(`warehouse.tracing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.tree import Tree

from segmentation_assets.lineage.columns import KINDS, SPINE, Kind, Place, Role, Source, Step, Trace
from segmentation_assets.reading.catalogue import CatalogueFacts
from segmentation_assets.reading.escaping import escape

if TYPE_CHECKING:
    from segmentation_assets.extracts.sources import ExtractSource

MERMAID_EDGES = 500
"""Mermaid refuses to draw more by default (its `maxEdges`)."""
_DEPTH_UP, _DEPTH_DOWN = 3, 1
_STYLE: Mapping[Kind, str] = {"value": "bold", "computed": "yellow", "influence": "dim"}
_ARROW: Mapping[Kind, str] = {"value": "-->", "computed": "==>", "influence": "-.->"}
_LEGEND = (
    "[bold]bold[/]: its value comes from it; [yellow]yellow[/]: an input of the Python function that makes it; "
    "[dim]dim[/]: it only decides which rows there are (filter, join, group, order)"
)
_SPINE_WORDS = "the days that a run computes"
_ROW_ROLES = frozenset({"filter", "join", "group", "order", "partition", "rows"})
Direction = tuple[str, ...]
Branches = Mapping[Place, Sequence[tuple[Place, tuple[Role, ...], Kind]]]


def origin(place: Place, mapping: Mapping[str, ExtractSource]) -> str | None:
    """Where a raw field is read from, in words; None for what is no raw field, or not mapped."""
    source = mapping.get(place.table)
    return f"{source.place}: {source.said_of(place.column)}" if source else None


# -- a column


def print_column(
    console: Console,
    facts: CatalogueFacts,
    traces: Mapping[str, Trace],
    depth: int | None,
    mapping: Mapping[str, ExtractSource],
) -> None:
    """What a column means, what it is made from (`up`) and what is made from it (`down`), as far as asked."""
    start = next(iter(traces.values())).start
    column = _entry(facts, start)
    unit = f", {column.unit}" if column.unit else ""
    console.print(f"[bold]{escape(str(start))}[/] ({column.type}{unit}): {escape(column.description)}")
    if "up" in traces:
        _print_up(console, facts, traces["up"], depth or _DEPTH_UP, mapping)
    if "down" in traces:
        _print_down(console, traces["down"], depth or _DEPTH_DOWN)
    console.print(f"\n{_LEGEND}", highlight=False)


def _print_up(
    console: Console, facts: CatalogueFacts, trace: Trace, depth: int, mapping: Mapping[str, ExtractSource]
) -> None:
    start = trace.start
    table = facts.lineage.tables[start.table]
    if table.how == "landed":
        source = origin(start, mapping) or "a source that is not mapped"
        console.print(f"\nA raw field, landed from {escape(source)}")
        return
    _heading(console, "Made from")
    sources = [s for s in table.columns[start.column] if s.kind != "influence"]
    if not sources:
        console.print("  no column: a constant of the code or the policy, or of the rows below")
    else:
        console.print(_tree(start, _branches(trace, is_up=True), depth, mapping))
    _print_influence(console, facts.lineage.sources(start))
    _print_raw(console, facts, trace, mapping)
    policy = facts.lineage.policy_of(start.table)
    own = policy.get(start.table, ())
    further = sorted({section for name, sections in policy.items() if name != start.table for section in sections})
    _heading(console, "Policy sections")
    console.print(f"  of {start.table}: {', '.join(own) or 'none'}", highlight=False)
    if further:
        console.print(f"  [dim]of what it is made from: {', '.join(further)}[/]", highlight=False)


def _print_down(console: Console, trace: Trace, depth: int) -> None:
    _heading(console, "Used by")
    steps = _branches(trace, is_up=False)
    if not trace.steps:
        console.print("  no other column")
        return
    if steps.get(trace.start):
        console.print(_tree(trace.start, steps, depth, {}))
    rest = sorted({s.target for s in trace.steps if s.source == trace.start and s.kind == "influence"})
    for table, columns in _by_table(rest).items():
        shown = ", ".join(columns[:6]) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
        console.print(f"  [dim]decides rows of {table}: {shown}[/]", highlight=False)
    tables = {place.table for place in trace.reached} - {trace.start.table}
    console.print(f"  in all {len(trace.reached) - 1:,} columns of {len(tables)} tables", highlight=False)


def _branches(trace: Trace, *, is_up: bool) -> Branches:
    """Per place, what comes next on the way, influence left out."""
    branches: dict[Place, list[tuple[Place, tuple[Role, ...], Kind]]] = {}
    for step in trace.steps:
        if step.kind != "influence":
            at, to = (step.target, step.source) if is_up else (step.source, step.target)
            branches.setdefault(at, []).append((to, step.roles, step.kind))
    return branches


def _tree(start: Place, steps: Branches, depth: int, mapping: Mapping[str, ExtractSource]) -> Tree:
    """Each place is opened once, at its first mention; what many columns of one table share is one line."""
    tree = Tree(f"[bold]{escape(str(start))}[/]", guide_style="dim")
    seen = {start}
    waiting = [(tree, start, 0)]
    while waiting:
        branch, at, level = waiting.pop(0)
        nexts = steps.get(at, [])
        if level == depth:
            if nexts:
                branch.add(f"[dim]… {len(nexts)} more (--depth {depth + 1})[/]")
            continue
        for role, note in (("observed", "observed in"), ("read", "read by")):
            inputs = [place for place, roles, kind in nexts if kind == "computed" and role in roles]
            for table, columns in _by_table(inputs).items():
                branch.add(f"[yellow]{table}: {', '.join(columns)}[/]  [dim]{note} the Python function[/]")
        for place, roles, kind in nexts:
            if kind == "computed":
                continue
            source = origin(place, mapping)
            words = ", ".join(role for role in roles if role not in _ROW_ROLES)
            note = f"  [dim]{words}{f' ← {escape(str(source))}' if source else ''}[/]"
            opened = place not in seen
            child = branch.add(f"{_named(place, kind)}{note}{'' if opened or not steps.get(place) else ' [dim]↑[/]'}")
            if opened:
                seen.add(place)
                waiting.append((child, place, level + 1))
    return tree


def _named(place: Place, kind: Kind) -> str:
    return f"[{_STYLE[kind]}]{escape(str(place))}[/]"


def _print_influence(console: Console, sources: Iterable[Source]) -> None:
    rows = [s for s in sources if any(role in _ROW_ROLES for role in s.roles)]
    if not rows:
        return
    _heading(console, "Its rows are decided by")
    grouped: dict[str, list[str]] = {}
    for source in rows:
        roles = [role for role in source.roles if role in _ROW_ROLES]
        grouped.setdefault(source.place.table, []).append(f"{source.place.column} ({', '.join(roles)})")
    for table, columns in grouped.items():
        console.print(f"  [dim]{table}: {', '.join(columns)}[/]", highlight=False)


def _print_raw(console: Console, facts: CatalogueFacts, trace: Trace, mapping: Mapping[str, ExtractSource]) -> None:
    """The raw fields at the end, by extract, the strongest kinds first."""
    _heading(console, "Raw fields")
    for kind in KINDS:
        for table, columns in _by_table(trace.of_kind(kind)).items():
            if table == SPINE:
                console.print(f"  [{_STYLE[kind]}]{_SPINE_WORDS}[/]: {', '.join(columns)}", highlight=False)
                continue
            entry = facts.entries.get(table)
            if entry is None or facts.lineage.tables[table].how != "landed":
                continue
            source = mapping.get(table)
            where = f"  [dim]← {escape(source.place)}[/]" if source else ""
            console.print(f"  [{_STYLE[kind]}]{table}[/]: {', '.join(columns)}{where}", highlight=False)
            if kind != "influence":
                console.print(f"    [dim]{escape(entry.question)}[/]", highlight=False)


def _by_table(places: Iterable[Place]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for place in places:
        columns.setdefault(place.table, []).append(place.column)
    return columns


def _heading(console: Console, text: str) -> None:
    console.print(f"\n[bold cyan]{escape(text)}[/]")


def _entry(facts: CatalogueFacts, place: Place) -> Any:
    return next(c for c in facts.entries[place.table].columns if c.name == place.column)


# -- a table


def print_table_lineage(console: Console, facts: CatalogueFacts, table: str, directions: Direction) -> None:
    """A table's neighbours, and what each of its columns is made from one step up."""
    entry, one = facts.entries[table], facts.lineage.tables[table]
    words = {
        "landed": "an extract, landed from outside",
        "expression": "an expression",
        "frame": "a Python function of frames",
    }
    console.print(f"[bold]{table}[/] ({words[one.how]}): {escape(entry.question)}", highlight=False)
    if "up" in directions:
        console.print(f"  reads: {', '.join(one.inputs) or 'no table'}", highlight=False)
        console.print(f"  policy: {', '.join(one.policy) or 'none'}", highlight=False)
        raw = [name for name in facts.entries if name in _upstream(facts, table) and not facts.entries[name].inputs]
        if one.inputs:
            console.print(f"  in the end, of extracts: {', '.join(raw)}", highlight=False)
    if "down" in directions:
        readers = [name for name, other in facts.lineage.tables.items() if table in other.inputs]
        console.print(f"  read by: {', '.join(readers) or 'no table'}", highlight=False)
    if one.how != "landed":
        _print_columns(console, one.columns, one.rows)


def _print_columns(
    console: Console, columns: Mapping[str, Sequence[Source]], rows: Sequence[Source], most: int = 4
) -> None:
    listed = []
    for name, sources in columns.items():
        origins = [str(s.place) for s in sources if s.kind != "influence"]
        rest = f" and {len(origins) - most} more" if len(origins) > most else ""
        listed.append((name, (", ".join(origins[:most]) + rest) or "no column"))
    width = max(len(name) for name, _ in listed)
    _heading(console, "Columns, and what they are made from")
    for name, origins in listed:
        console.print(f"  [bold]{name:<{width}}[/]  {escape(origins)}", highlight=False, soft_wrap=True)
    _print_influence(console, rows)


def _upstream(facts: CatalogueFacts, table: str) -> set[str]:
    tables: set[str] = set()
    waiting = [table]
    while waiting:
        for name in facts.lineage.tables[waiting.pop()].inputs:
            if name not in tables:
                tables.add(name)
                waiting.append(name)
    return tables


# -- for programs, and for documents


def column_json(
    facts: CatalogueFacts, traces: Mapping[str, Trace], mapping: Mapping[str, ExtractSource]
) -> dict[str, Any]:
    """A column's traces as plain values: each step with its kind and roles, and the ends with where they are from."""
    start = next(iter(traces.values())).start
    record: dict[str, Any] = {"table": start.table, "column": start.column}
    for direction, trace in traces.items():
        record[direction] = {
            "steps": [_step_json(step) for step in trace.steps],
            "ends": [_end_json(place, trace.reached[place], mapping) for place in sorted(trace.ends)],
        }
    record["policy"] = {name: list(sections) for name, sections in facts.lineage.policy_of(start.table).items()}
    return record


def _step_json(step: Step) -> dict[str, Any]:
    return {"source": str(step.source), "target": str(step.target), "kind": step.kind, "roles": list(step.roles)}


def _end_json(place: Place, kind: Kind, mapping: Mapping[str, ExtractSource]) -> dict[str, Any]:
    source = mapping.get(place.table)
    where = {"source": source.place, "source_column": source.said_of(place.column)} if source else {}
    return {"table": place.table, "column": place.column, "kind": kind, **where}


def table_json(facts: CatalogueFacts, table: str, directions: Direction) -> dict[str, Any]:
    """A table's neighbours and one step up from each column, as plain values."""
    one = facts.lineage.tables[table]
    record: dict[str, Any] = {"table": table, "how": one.how, "policy": list(one.policy)}
    if "up" in directions:
        record["reads"] = list(one.inputs)
    if "down" in directions:
        record["read_by"] = [name for name, other in facts.lineage.tables.items() if table in other.inputs]
    return record | {"columns": one.to_json()["columns"], "rows": one.to_json()["rows"]}


def mermaid_of_column(traces: Mapping[str, Trace]) -> str:
    """A Mermaid graph of columns; of tables alone where the columns are more than Mermaid draws.

    Influence is drawn for the column asked for alone.
    """
    start = next(iter(traces.values())).start
    steps = {
        (s.source, s.target): s
        for trace in traces.values()
        for s in trace.steps
        if s.kind != "influence" or start in {s.source, s.target}
    }
    if len(steps) > MERMAID_EDGES:
        edges = {(s.source.table, s.target.table) for s in steps.values() if s.source.table != s.target.table}
        note = f"%% {len(steps)} steps between columns are more than the {MERMAID_EDGES} that Mermaid draws: tables"
        return "\n".join([*_mermaid_head(), f"  {note}", *(f"  {a} --> {b}" for a, b in sorted(edges))])
    places = sorted({place for pair in steps for place in pair})
    lines = _mermaid_head()
    for table, columns in _by_table(places).items():
        lines += [f"  subgraph {table}_[{table}]", *(f'    {table}__{c}["{c}"]' for c in columns), "  end"]
    lines += [f"  {_node(s.source)} {_ARROW[s.kind]} {_node(s.target)}" for s in steps.values()]
    return "\n".join([*lines, f"  style {_node(start)} stroke-width:3px"])


def mermaid_of_table(facts: CatalogueFacts, table: str, directions: Direction) -> str:
    """A Mermaid graph of the tables that a table is made from, or that are made from it."""
    edges = [(input_name, name) for name, one in facts.lineage.tables.items() for input_name in one.inputs]
    kept: set[tuple[str, str]] = set()
    for direction, (near, far) in (("up", (1, 0)), ("down", (0, 1))):
        if direction in directions:
            kept |= set(_reached(table, edges, near, far))
    return "\n".join([*_mermaid_head(), f"  {table}", *(f"  {a} --> {b}" for a, b in edges if (a, b) in kept)])


def _reached(table: str, edges: Sequence[tuple[str, str]], near: int, far: int) -> Iterator[tuple[str, str]]:
    seen, waiting = {table}, [table]
    while waiting:
        at = waiting.pop()
        for edge in edges:
            if edge[near] == at:
                yield edge
                if edge[far] not in seen:
                    seen.add(edge[far])
                    waiting.append(edge[far])


def _mermaid_head() -> list[str]:
    return ["flowchart LR"]


def _node(place: Place) -> str:
    return f"{place.table}__{place.column}"
