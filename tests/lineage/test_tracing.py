"""Lineage held against what was worked out by hand, against another reader of the SQL, and against trying it out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd
import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.lineage.columns import SPINE, Place, TableLineage
from segmentation_assets.lineage.frames import FILE, Observed, code_of, is_changed, observed, read, write
from segmentation_assets.lineage.tracing import (
    _input_columns,
    _sources,
    lineage,
    table_lineage,
    trace,
    unbound,
    works_on_frames,
)
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Snapshot, column, ibis_schema, key_of
from segmentation_assets.tables.ledgers import Posting
from segmentation_assets.tables.registry import (
    BOOKED,
    POLICY_HASH,
    Frame,
    Table,
    TableSpec,
    _spec_of,
    call,
)
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.conftest import RAN_DAYS
from tests.lineage.observing import Seen, inputs_of, scenes, try_all
from tests.lineage.perturbing import changed
from tests.lineage.sql_lineage import COUNTED, Reader

POLICY = load_policy()
COMPUTED = [spec for spec in CATALOGUE if not spec.is_extract]
EXPRESSIONS = [spec for spec in COMPUTED if not works_on_frames(spec)]
FRAMES = [spec for spec in COMPUTED if works_on_frames(spec)]
OBSERVED = [spec for spec in FRAMES if (seen := observed(spec)) and seen.code]
BY_HAND = [spec for spec in FRAMES if spec not in OBSERVED]
_POSTED_AT = datetime(2026, 4, 3, 7, tzinfo=UTC).replace(tzinfo=None)
POSTING = Posting(RAN_DAYS[-1] + timedelta(days=1), _POSTED_AT, "another run", "")


class Orders(Snapshot):
    """Orders."""

    order_id: str = column("Id.")
    customer: str = column("Who.")
    amount: float = column("How much.")
    placed_on: Day = column("When.")
    known_from: Day = column("Since when known.")
    known_to: Day = column("Until when known.")

    class Config:
        unique = ["order_id", "known_from"]


class Customers(Snapshot):
    """Customers."""

    customer: str = column("Who.")
    name: str = column("Name.")
    country: str = column("Where.")

    class Config:
        unique = ["as_of", "customer"]


class Anything(Snapshot):
    """What the functions below make; its columns are of no interest here."""

    class Config:
        unique = ["as_of"]


def words(function: Callable[..., ir.Table], column: str) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What one column is made from and chosen by, and what decides the rows: place -> roles."""
    tables = {
        "orders": ibis.table(ibis_schema(Orders), name="orders"),
        "customers": ibis.table(ibis_schema(Customers), name="customers"),
        "spine": ibis.table(ibis_schema(Spine), name="spine"),
    }

    def any_table(spine: Table[Spine], orders: Table[Orders], customers: Table[Customers]) -> Table[Anything]:
        """Only its parameters count."""
        return function(spine, orders, customers)

    any_table.__annotations__ = {
        "spine": Table[Spine], "orders": Table[Orders], "customers": Table[Customers], "return": Table[Anything],
    }  # fmt: skip
    spec = _spec_of(any_table, "test", {}, "as_of")
    rows = trace(spec, function(**tables))
    cell = rows.columns[column]
    return (
        {str(s.place): set(s.roles) for s in _sources(cell.chosen, cell.sources)},
        {str(s.place): set(s.roles) for s in _sources({}, rows.decided)},
    )


def test_a_sum_of_a_group():
    own, rows = words(
        lambda spine, orders, customers: (
            orders.filter(orders.placed_on.year() > 2020).group_by("customer").agg(total=orders.amount.sum())
        ),
        "total",
    )
    assert own == {"orders.amount": {"aggregated"}}
    assert rows == {"orders.placed_on": {"filter"}, "orders.customer": {"group"}}


def test_copied_calculated_and_conditions_are_values():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        big = ibis.cases((orders.amount > 5, orders.customer), else_="none")
        return orders.select(copy="amount", twice=orders.amount * 2, big=big, fixed=ibis.literal(1))

    assert words(built, "copy") == ({"orders.amount": {"copied"}}, {})
    assert words(built, "twice") == ({"orders.amount": {"calculated"}}, {})
    assert words(built, "big") == ({"orders.amount": {"calculated"}, "orders.customer": {"calculated"}}, {})
    assert words(built, "fixed") == ({}, {})


def test_a_rank_is_what_it_orders_by_and_a_running_sum_is_not():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        window = ibis.window(group_by="customer", order_by="placed_on")
        return orders.select(place=ibis.row_number().over(window), so_far=orders.amount.sum().over(window))

    assert words(built, "place")[0] == {"orders.placed_on": {"aggregated"}, "orders.customer": {"partition"}}
    assert words(built, "so_far")[0] == {
        "orders.amount": {"aggregated"}, "orders.customer": {"partition"}, "orders.placed_on": {"order"},
    }  # fmt: skip


def test_the_left_side_owes_nothing_to_a_left_join_onto_one_row_per_key():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        return orders.left_join(customers, ["as_of", "customer"]).select("amount", "name")

    own, rows = words(built, "amount")
    assert own == {"orders.amount": {"copied"}}
    assert rows == {}
    owes, _ = words(built, "name")
    assert owes == {
        "customers.name": {"copied"}, "customers.as_of": {"join"}, "customers.customer": {"join"},
        "orders.as_of": {"join"}, "orders.customer": {"join"},
    }  # fmt: skip


def test_a_left_join_onto_several_rows_decides_how_often_the_left_side_comes():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        return orders.left_join(customers, "customer").select("amount", "name")

    _, rows = words(built, "amount")
    assert rows == {"customers.customer": {"join"}, "orders.customer": {"join"}}


def test_an_inner_join_and_an_anti_join_decide_all_rows():
    def inner(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        here = customers.filter(customers.country == "US")
        return orders.join(here, ["as_of", "customer"]).select("amount")

    def anti(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        here = customers.filter(customers.country == "US")
        return orders.anti_join(here, ["as_of", "customer"]).select("amount")

    for built in (inner, anti):
        _, rows = words(built, "amount")
        assert rows == {
            "orders.as_of": {"join"}, "orders.customer": {"join"}, "customers.as_of": {"join"},
            "customers.customer": {"join"}, "customers.country": {"filter"},
        }  # fmt: skip


def test_what_was_known_on_a_day_is_one_row_per_day_and_natural_key():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        facts = spine.select("as_of").join(
            orders.drop("as_of"), (orders.known_from <= spine.as_of) & (spine.as_of < orders.known_to)
        )
        latest = facts.select(day="as_of", order="order_id", figure="amount")
        base = customers.select("as_of", order=customers.name)
        return base.left_join(latest, [("as_of", "day"), "order"]).select("as_of", "figure")

    assert words(built, "as_of") == ({"customers.as_of": {"copied"}}, {})


def test_counting_rows_counts_their_key():
    own, _ = words(lambda spine, orders, customers: customers.group_by("country").agg(n=ibis._.count()), "n")
    assert own == {"customers.as_of": {"aggregated"}, "customers.customer": {"aggregated"}}


def test_a_union_is_made_from_both_sides():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        return orders.select("customer").union(customers.select("customer"))

    assert words(built, "customer")[0] == {"orders.customer": {"copied"}, "customers.customer": {"copied"}}


def test_the_first_row_of_each_is_one_row_per_key():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        order = ibis.window(group_by="customer", order_by=ibis.desc("amount"))
        largest = orders.mutate(place=ibis.row_number().over(order)).filter(ibis._.place == 0)
        return customers.left_join(largest, "customer").select(customers.name, largest.amount)

    assert words(built, "name") == ({"customers.name": {"copied"}}, {})
    assert words(built, "amount")[0]["orders.amount"] == {"copied", "filter"}


def test_fields_of_a_struct_are_told_apart():
    def built(spine: ir.Table, orders: ir.Table, customers: ir.Table) -> ir.Table:
        pair = ibis.struct({"a": orders.amount, "b": orders.customer})
        rows = orders.select(entry=ibis.array([pair, pair]).unnest())
        return rows.select(a=rows.entry["a"], b=rows.entry["b"])

    assert words(built, "a") == ({"orders.amount": {"copied"}}, {})
    assert words(built, "b") == ({"orders.customer": {"copied"}}, {})


def test_an_operation_that_nobody_told_it_about_is_no_silence():
    with pytest.raises(TypeError, match="lineage of Sample is not known"):
        words(lambda spine, orders, customers: orders.sample(0.5), "amount")


# -- the whole catalogue


def sources(one: TableLineage, name: str) -> set[tuple[str, str]]:
    return {(s.place.table, s.place.column) for s in one.sources(name)}


@pytest.fixture(scope="module")
def whole() -> Any:
    return lineage(CATALOGUE, POLICY)


# What the other reader cannot tell apart: structs that are unnested.
STRUCTS = {"score_contributions": {"part", "raw_number", "raw_text", "weight", "points"}}


@pytest.mark.parametrize("spec", EXPRESSIONS, ids=lambda spec: spec.name)
def test_another_reader_of_the_sql_finds_the_same(spec: TableSpec):
    """Differences, and why: `count(*)` names no column, so the key that is counted is only here; within a struct
    the other reader takes all for all."""
    expression = unbound(spec, POLICY.sections)
    lists = {node.name: list(node.schema) for node in expression.op().find(ops.InMemoryTable)}
    leaves = {i.name: list(ibis_schema(i.contract)) for i in spec.inputs}
    read = Reader(str(ibis.to_sql(expression, dialect="duckdb")), leaves | {SPINE: list(ibis_schema(Spine))} | lists)
    theirs, mine = read.read(), trace(spec, expression)
    decided = {(p.table, p.column) for p in mine.decided}
    broader = set()
    assert set(theirs.own) == set(mine.columns)
    for name, cell in mine.columns.items():
        built = {(p.table, p.column) for p in cell.sources}
        chosen = {(p.table, p.column) for p in cell.chosen}
        listed = {place for place in theirs.own[name] if place[0] not in lists} - {COUNTED}
        if listed - built - chosen - decided:
            broader.add(name)
        only_here = built - theirs.own[name] - theirs.chosen[name]
        assert not only_here or COUNTED in theirs.own[name] | theirs.chosen[name], (name, only_here)
    assert broader == STRUCTS.get(spec.name, set())
    keys = {(i.name, key) for i in spec.inputs for key in key_of(i.contract)} if COUNTED in theirs.rows else set()
    assert decided - keys <= theirs.rows  # a count may also decide which rows there are


@pytest.fixture(scope="module")
def ran(ran_home: Path) -> Any:
    """A builder over the small company, and what its tables are read with."""
    with open_connection(Store(ran_home)) as connection:
        yield Builder(Engine(connection, Store(ran_home)), CATALOGUE, POLICY)


TRIED = ("account_hierarchy", "account_revenue", "account_costs", "value_scores", "tier_cuts", "tier_migration")


@pytest.mark.parametrize("table", TRIED)
def test_what_changes_with_a_column_is_in_its_lineage(table: str, ran: Builder, whole: Any):
    spec = CATALOGUE[table]
    sql = ran.engine.sql(ran.expression(spec, [RAN_DAYS[-1]]))
    seen = 0
    for arguments, name, columns in changed(
        ran.engine.connection, spec, sql, {i.name: f"input_{i.name}" for i in spec.inputs}
    ):
        seen += len(columns)
        missed = {c for c in columns if (arguments, name) not in sources(whole.tables[table], c)}
        assert not missed, f"{arguments}.{name} changes {missed}"
    assert seen > 5


def test_the_file_of_what_was_observed_fits_the_catalogue():
    seen = read(FILE)
    assert set(seen) == {spec.name for spec in FRAMES}
    for spec in FRAMES:
        own, inputs = set(ibis_schema(spec.contract)), inputs_of(spec)
        if not spec.is_ledger:
            own -= {POLICY_HASH}
        arguments = {f"{name}.{column}" for name, contract in inputs.items() for column in ibis_schema(contract)}
        one = seen[spec.name]
        assert set(one.columns) == own, f"{spec.name} has other columns now: run make lineage"
        assert {text for texts in (one.rows, one.unseen, *one.columns.values()) for text in texts} <= arguments, (
            spec.name
        )


@pytest.mark.parametrize("spec", OBSERVED, ids=lambda spec: spec.name)
def test_what_changes_with_a_column_of_a_changed_frame_function_is_in_its_lineage(
    spec: TableSpec, ran: Builder, whole: Any
):
    """Of code that is the one observed there is nothing to try: `make lineage` tried far more."""
    if not is_changed(spec):
        return
    seen = Seen()
    for scene in islice(scenes(ran, spec), 2):
        try_all(spec, scene, seen, most_ways=1)
    arguments = _input_columns(spec)
    for name, texts in seen.columns.items():
        facts = sources(whole.tables[spec.name], name)
        missed = {text for text in texts | seen.rows if (arguments[text].table, arguments[text].column) not in facts}
        assert not missed, f"{spec.name}.{name} changes with {sorted(missed)}: run make lineage"


@pytest.mark.parametrize("spec", BY_HAND, ids=lambda spec: spec.name)
def test_what_changes_with_a_column_of_a_frame_is_in_its_lineage(spec: TableSpec, ran: Builder, whole: Any):
    """Changing an input column changes no column that lacks it as a source, also of a ledger's own entries."""
    arguments = ran.inputs_of(spec, RAN_DAYS[-1:] if spec.is_ledger else RAN_DAYS)
    inputs = {item.name: (item.name, item.contract) for item in spec.inputs}
    if spec.is_ledger:
        arguments |= {BOOKED: ran.engine.execute(ran.engine.read(spec)), "posting": POSTING}
        inputs[BOOKED] = (spec.name, spec.contract)

    def built(tables: dict[str, Any]) -> dict[str, list[str]]:
        frame = call(spec, tables, POLICY.sections, "")
        return {name: sorted(map(str, frame[name])) for name in ibis_schema(spec.contract) if name != POLICY_HASH}

    before, tried = built(arguments), 0
    for name, (source, contract) in inputs.items():
        frame: pd.DataFrame = arguments[name]
        for column_name in ibis_schema(contract):
            is_name = column_name in key_of(contract) and not pd.api.types.is_float_dtype(frame[column_name])
            if is_name or len(frame[column_name].map(str).unique()) < 2:
                continue
            other = frame.assign(**{column_name: frame[column_name].to_numpy()[::-1]})
            tried += 1
            after = built(arguments | {name: other.astype(frame.dtypes.to_dict())})
            changes = {c for c, values in after.items() if values != before[c]}
            missed = {c for c in changes if (source, column_name) not in sources(whole.tables[spec.name], c)}
            assert not missed, f"{source}.{column_name} changes {missed}"
    assert tried


def test_lineage_of_every_table_ends_in_raw_fields(whole: Any):
    for place in [p for p in whole.places() if p.table in {"tier_kpis", "account_profiles", "segments", "goal_gap"}]:
        ends = whole.up(place.table, place.column).ends
        assert all(end.table == SPINE or CATALOGUE[end.table].is_extract or not _table(whole, end) for end in ends)
    assert {one.table for one in whole.tables.values()} == {spec.name for spec in CATALOGUE}


def _table(whole: Any, place: Place) -> bool:
    """Whether it is more than a constant whose rows something decides."""
    return any(source.kind != "influence" for source in whole.sources(place))


def test_a_figure_back_to_the_fields_it_is_made_from(whole: Any):
    raw = set(map(str, whole.up("account_profiles", "arr").of_kind("value")))
    assert raw == {
        "billing_subscriptions.mrr", "billing_subscriptions.currency", "billing_subscriptions.start_date",
        "billing_subscriptions.end_date", "billing_subscriptions.end_known_on", "billing_subscriptions.known_from",
        "billing_subscriptions.known_to", "fx_rates.rate", "spine.as_of",
    }  # fmt: skip
    assert "billing_subscriptions.account_id" in map(str, whole.up("account_profiles", "arr").of_kind("influence"))
    assert Place("segments", "arr") in whole.down("billing_subscriptions", "mrr").reached


def test_a_path_is_as_strong_as_its_weakest_step(whole: Any):
    reached = whole.up("segments", "coverage_tier").reached
    assert reached[Place("segment_states", "coverage_tier")] == "value"
    assert reached[Place("billing_subscriptions", "mrr")] == "computed"
    assert reached[Place("crm_accounts", "industry")] == "influence"


def test_policy_sections_of_a_table_and_of_what_it_is_made_from(whole: Any):
    sections = whole.policy_of("segment_states")
    assert sections["segment_states"] == ("segment_rules", "behavioral", "tier", "stability")
    assert "behavioral" in sections["segment_inputs"]


def narrow(spine: Frame[Spine], customers: Frame[Customers]) -> Frame[Anything]:
    """A frame function that reads two columns of its input."""
    return customers[["as_of"]].assign(length=customers["name"].str.len())


def test_a_frame_function_reads_the_columns_that_its_code_names():
    spec = _spec_of(narrow, "test", {}, "as_of")
    one = table_lineage(spec, POLICY)
    assert one.how == "frame"
    assert {str(s.place) for s in one.columns["as_of"]} == {"customers.as_of", "customers.name", "spine.as_of"}
    assert {s.kind for s in one.columns["as_of"]} == {"computed"}


def test_sources_of_a_frame_function_are_those_observed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    spec, file = _spec_of(narrow, "test", {}, "as_of"), tmp_path / "frames.json"
    monkeypatch.setattr("segmentation_assets.lineage.frames.FILE", file)
    write(file, {"narrow": Observed(code_of(spec), ["customers.name"], {"as_of": ["spine.as_of"]})})
    one = table_lineage(spec, POLICY)
    assert [(str(s.place), s.roles, s.kind) for s in one.columns["as_of"]] == [
        ("spine.as_of", ("observed",), "computed")
    ]
    assert [(str(s.place), s.kind) for s in one.rows] == [("customers.name", "influence")]
    write(file, {"narrow": Observed("", [], {"as_of": ["spine.as_of"]})})
    by_hand = table_lineage(spec, POLICY).columns["as_of"]
    assert [(str(s.place), s.roles) for s in by_hand] == [("spine.as_of", ("read",))]


def test_a_ledgers_own_entries_are_a_source_of_it(whole: Any):
    reached = whole.up("threshold_ledger", "arr_before").reached
    assert {Place("threshold_ledger", "arr_seen"), Place("billing_subscriptions", "mrr")} <= set(reached)
    own = {str(s.place) for s in whole.tables["threshold_ledger"].columns["arr_before"]}
    assert own == {"threshold_ledger.arr_before", "threshold_ledger.arr_seen"}


def test_a_segment_is_made_without_the_evidence_of_a_tier(whole: Any):
    built = {str(s.place) for s in whole.tables["segment_states"].columns["segment"]}
    assert "segment_inputs.value" in built
    assert not built & {
        "segment_inputs.lookalike", "segment_inputs.top_cut", "segment_grid.tier_since",
    }  # fmt: skip


@pytest.mark.usefixtures("texts_of_its_own")
def test_lineage_reads_back_and_is_kept_until_the_policy_changes(tmp_path: Path):
    kept, spec = Compiled(tmp_path / "home" / "compiled", ".json"), CATALOGUE["tier_cuts"]
    kept.folder.parent.mkdir()
    first = table_lineage(spec, POLICY, kept)
    assert table_lineage(spec, POLICY, kept) == first
    assert len(list(kept.folder.iterdir())) == 1
    other = POLICY.model_copy(update={"tier": POLICY.tier.model_copy(update={"grace_days": 3})})
    table_lineage(spec, other, kept)
    assert len(list(kept.folder.iterdir())) == 1
