"""What an assistant gets: real figures with their day and source, refusals instead of inventions, marked texts."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from starlette.testclient import TestClient

from segmentation_assets.assistants.marking import OURS, harmless, marked, quoted, unquoted
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.segments import SEGMENTS
from segmentation_assets.reading.access import load
from segmentation_assets.reading.catalogue import read_catalogue
from segmentation_assets.running.assistants import http_application, server_for
from segmentation_assets.settings import find_settings
from tests.assistants.asking import HOSTILE, MARK, ask, facts, poisoned, refusal, text_of
from tests.conftest import YEAR_DAY

KEY = "k" * 43
_QUOTED = re.compile("«[^«»]*»")


@pytest.fixture(scope="module")
def hostile_home(year_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return poisoned(year_home, tmp_path_factory.mktemp("hostile") / "home")


# -- what is answered


def test_accounts_are_those_of_the_table_and_the_totals_count_all(year_home: Path):
    segments = load("segments", YEAR_DAY, year_home).query("segment == 'Growth'")
    answer = facts(year_home, "accounts", segment="Growth", limit=2)
    assert answer["data"]["accounts_in_all"] == len(segments) > 2
    assert answer["data"]["arr_in_all"] == round(segments.arr.sum(), 2)
    largest = segments.sort_values(["arr", "account_id"], ascending=[False, True]).account_id.tolist()
    assert [each["account_id"] for each in answer["data"]["accounts"]] == [quoted(each) for each in largest[:2]]
    assert answer["as_of"] == str(YEAR_DAY)
    assert {"table": "segments", "day": str(YEAR_DAY)}.items() <= answer["sources"][0].items()
    assert (year_home / answer["sources"][0]["file"]).is_file()


def test_pages_of_an_answer_are_all_rows_once_and_of_one_day(year_home: Path):
    every = load("segments", YEAR_DAY, year_home).account_id.tolist()
    seen: list[str] = []
    cursor: str | None = None
    while cursor or not seen:
        answer = facts(year_home, "accounts", limit=7, cursor=cursor)
        seen += [unquoted(each["account_id"]) for each in answer["data"]["accounts"]]
        cursor = answer.get("next_cursor")
    assert sorted(seen) == sorted(every)


def test_a_cursor_continues_its_own_question_only(year_home: Path):
    cursor = facts(year_home, "accounts", limit=3)["next_cursor"]
    assert "another question" in refusal(year_home, "accounts", limit=3, cursor=cursor, segment="Growth")
    assert "no cursor" in refusal(year_home, "accounts", cursor="2026")
    assert "another question" in refusal(year_home, "accounts", cursor=f"{YEAR_DAY}.-5.{cursor.split('.')[-1]}")


def test_filters_hold_for_every_row(year_home: Path):
    near = facts(year_home, "accounts", renews_within_days=120, least_churn_risk=0.001, order="churn_risk", limit=100)
    rows = near["data"]["accounts"]
    assert rows
    assert all(row["days_to_renewal"] <= 120 and row["churn_risk"] >= 0.001 for row in rows)
    assert [r["churn_risk"] for r in rows] == sorted((r["churn_risk"] for r in rows), reverse=True)
    csm = rows[0]["csm"]
    mine = facts(year_home, "accounts", person=csm, limit=100)["data"]
    assert {row["csm"] for row in mine["accounts"]} == {csm}
    assert facts(year_home, "accounts", search=rows[0]["account_name"])["data"]["accounts_in_all"] >= 1


def test_segments_count_what_the_table_counts(year_home: Path):
    segments = load("segments", YEAR_DAY, year_home)
    answer = facts(year_home, "segments")["data"]
    assert {each["segment"]: each["accounts"] for each in answer["segments"]} == {
        name: int((segments.segment == name).sum()) for name in SEGMENTS
    }
    assert sum(each["arr_share"] for each in answer["coverage_tiers"]) == pytest.approx(1, abs=1e-4)
    assert all(each["rule"] and each["go_to_market"] for each in answer["segments"])


def test_an_account_is_found_by_id_name_and_by_both_as_they_were_shown(year_home: Path):
    row = load("segments", YEAR_DAY, year_home).iloc[0]
    ways = [row.account_id, row.account_name, quoted(row.account_id), quoted(row.account_name)]
    answers = [facts(year_home, "account", account=each)["data"] for each in ways]
    assert {each["account_id"] for each in answers} == {quoted(row.account_id)}
    assert answers[0]["briefing"]
    reasons = facts(year_home, "explain", account=row.account_id)["data"]
    assert (reasons["segment"], reasons["account_name"]) == (row.segment, quoted(row.account_name))
    assert "no live account" in refusal(year_home, "explain", account="Nobody Inc")


def test_plays_are_those_of_the_person_and_everybody_is_listed(year_home: Path):
    plays = load("plays_due", YEAR_DAY, year_home).query("not is_held_out and owner_role != 'automation'")
    answer = facts(year_home, "plays_due", limit=100)["data"]
    assert {unquoted(each["person_id"]): each["plays"] for each in answer["people"] if each["plays"]} == dict(
        plays.groupby("owner").size()
    )
    person = max(answer["people"], key=lambda each: each["plays"])
    mine = facts(year_home, "plays_due", person=person["person"], limit=1)["data"]
    assert mine["in_all"] == person["plays"]
    assert "lists everybody" in refusal(year_home, "plays_due", person="Zoë Nobody")


def test_a_kpi_has_figures_definition_and_lineage(year_home: Path):
    tiers = load("tier_kpis", YEAR_DAY, year_home).query("window_months == 12").set_index("coverage_tier")
    answer = facts(year_home, "kpi", metric="grr", grouping="coverage_tier")["data"]
    for each in answer["figures"]:
        figure = tiers.grr[each["member"]]
        assert each["value"] == (None if pd.isna(figure) else pytest.approx(figure, abs=1e-6))
    assert answer["definition"].startswith("Gross revenue retention")
    assert "billing_subscriptions.mrr" in answer["raw_fields"]
    assert "retention" in answer["policy_sections"]
    assert {each["status"] for each in answer["figures"]} <= {"met", "missed", "no_target", "too_few", "unknown"}


def test_every_listed_kpi_can_be_asked_and_no_other(year_home: Path):
    listed = facts(year_home, "metrics")["data"]["metrics"]
    assert {"nrr", "arr", "utilisation", "magic_number"} <= {each["metric"] for each in listed}
    results = ask(year_home, *(("kpi", {"metric": m["metric"], "grouping": m["grouping"][-1]}) for m in listed))
    assert [text_of(each) for each in results if each.is_error] == []
    reason = refusal(year_home, "kpi", metric="net_dollar_happiness")
    assert "no KPI" in reason
    assert all(each["metric"] in reason for each in listed)
    assert "not for coverage_tier" in refusal(year_home, "kpi", metric="magic_number", grouping="coverage_tier")


def test_the_status_names_the_newest_day(year_home: Path):
    assert facts(year_home, "status")["as_of"] == str(YEAR_DAY)


def test_a_day_that_was_not_made_and_a_home_without_tables_are_refused(year_home: Path, tmp_path: Path):
    assert "has not been made for 2020-01-01" in refusal(year_home, "segments", as_of="2020-01-01")
    assert "is not a date" in refusal(year_home, "accounts", as_of="yesterday")
    assert "nothing is published" in refusal(tmp_path, "segments")


def test_all_tools_only_read_and_answers_are_bounded(year_home: Path):
    async def listing() -> Any:
        async with Client(server_for(find_settings(year_home))) as client:
            return (await client.list_tools()).tools

    before = {file: file.stat().st_mtime_ns for file in (year_home / "published").rglob("*")}
    tools = asyncio.run(listing())
    assert all(t.annotations.read_only_hint and not t.annotations.destructive_hint for t in tools)
    assert all(t.description for t in tools)
    account = load("segments", YEAR_DAY, year_home).account_id.iloc[0]
    arguments: dict[str, dict[str, Any]] = {"account": {"account": account}, "explain": {"account": account}}
    arguments["kpi"] = {"metric": "nrr", "grouping": "segment"}
    for tool in tools:
        full = {"limit": 100} if "limit" in tool.input_schema["properties"] else {}
        [result] = ask(year_home, (tool.name, full | arguments.get(tool.name, {})))
        assert not result.is_error, text_of(result)
        assert len(text_of(result)) < 70_000
        assert {"as_of", "sources", "notice"} <= json.loads(text_of(result)).keys()
    assert {file: file.stat().st_mtime_ns for file in (year_home / "published").rglob("*")} == before
    assert ask(year_home, ("accounts", {"limit": 101}))[0].is_error


# -- texts that would instruct


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_stays_between_its_marks(text: str):
    shown = quoted(text)
    assert _QUOTED.fullmatch(shown)
    assert len(shown) < 140
    assert shown.replace("\N{REPLACEMENT CHARACTER}", "").isprintable()
    assert not any(sign in shown for sign in ("<", ">", "](", "![", "`", "://", "www.e"))
    assert all(ord(c) < 0xE0000 for c in shown)


def test_no_answer_lets_a_text_of_data_out_of_its_marks(hostile_home: Path, year_home: Path):
    """Every text of data in the home is hostile, 50 kinds of them; every tool is asked for as much as it gives."""
    first = facts(hostile_home, "accounts", limit=100)["data"]["accounts"]
    accounts = [each["account_id"] for each in first]
    people = facts(hostile_home, "plays_due", limit=100)["data"]["people"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("accounts", {"limit": 100}), ("moves", {"limit": 100}), ("moves", {"limit": 100, "kind": "tier"}),
        ("segments", {}), ("kpi", {"metric": "nrr", "grouping": "segment"}),
        ("plays_due", {"limit": 100}), ("accounts", {"person": first[0]["csm"]}),
        *(("plays_due", {"person": each["person"]}) for each in people),
        *((name, {"account": each}) for each in accounts[:8] for name in ("account", "explain")),
    ]  # fmt: skip
    results = ask(hostile_home, *calls)
    assert [text_of(each) for each in results if each.is_error] == []
    texts = [text_of(each) for each in results]
    assert '"accounts_in_all":0' not in texts[6]
    for text in texts:
        assert MARK not in _QUOTED.sub("", text)
        assert not any(sign in text for sign in ("<img", "</", "](", "![", "```", "://", "www.e", "\x1b", "\\u001b"))
        assert text.replace("\N{REPLACEMENT CHARACTER}", "").isprintable()
    assert sum(text.count(MARK) for text in texts) > 200
    assert len(first) == len(load("segments", YEAR_DAY, year_home))


def test_a_refusal_does_not_repeat_texts_of_data(hostile_home: Path):
    for reason in (
        refusal(hostile_home, "explain", account="A"),
        refusal(hostile_home, "plays_due", person="e"),
        refusal(hostile_home, "kpi", metric="x"),
    ):
        assert MARK not in reason
    assert MARK not in _QUOTED.sub("", refusal(hostile_home, "explain", account=HOSTILE[1][:290]))


def test_keys_whose_text_is_ours_hold_no_text_that_an_extract_leaves_free(year_home: Path):
    """A column that an answer shows unmarked has closed words, or is copied from no free text of an extract."""
    catalogue = read_catalogue(load_policy(), year_home)
    extracts = {spec.name for spec in CATALOGUE if spec.is_extract}
    free = {
        (table, column.name)
        for table in extracts
        for column in catalogue.entries[table].columns
        if column.type == "text" and not column.allowed and not column.pattern
    }
    columns = {"why": "plays_due.micro_segment_reason", "cause_in_words": "segment_moves.cause_text"} | {
        name: f"segments.{name}" for name in OURS & {column.name for column in catalogue.entries["segments"].columns}
    }
    assert len(columns) > 12
    for place in columns.values():
        table, _, name = place.partition(".")
        copied = [
            (source.place.table, source.place.column)
            for source in catalogue.lineage.tables[table].columns[name]
            if "copied" in source.roles
        ]
        while copied:
            at = copied.pop()
            assert at not in free, f"{place} is copied from {at}"
            if at[0] in catalogue.lineage.tables:
                copied += [
                    (s.place.table, s.place.column)
                    for s in catalogue.lineage.tables[at[0]].columns.get(at[1], ())
                    if "copied" in s.roles
                ]


def test_marks_are_of_every_text_but_those_of_our_keys():
    assert marked({"title": "Call", "name": "Call", "deep": [{"title": ["a"], "x": ["b", None, 1.5, True]}]}) == {
        "title": "Call", "name": "«Call»", "deep": [{"title": ["a"], "x": ["«b»", None, 1.5, True]}],
    }  # fmt: skip
    assert marked({"x": float("nan"), "y": float("inf")}) == {"x": None, "y": None}
    assert harmless("a\u2028b\x00c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert quoted("Müller & Söhne (EU)") == "«Müller & Söhne (EU)»"


# -- over which it is answered


def test_over_standard_input_and_output(year_home: Path):
    """A process of its own, started as an assistant starts it."""
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "segmentation_assets.cli.main", "--home", str(year_home), "mcp"]
    )

    async def asking() -> tuple[str, Any]:
        async with Client(stdio_client(command)) as client:
            return client.server_info.name, await client.call_tool("segments", {})

    name, result = asyncio.run(asking())
    assert name == "segmentation"
    assert json.loads(text_of(result))["as_of"] == str(YEAR_DAY)


def test_serving_loads_neither_dagster_nor_the_chain(year_home: Path):
    script = (
        "import sys; from segmentation_assets.running.assistants import server_for; "
        "from segmentation_assets.settings import find_settings; "
        f"server_for(find_settings({str(year_home)!r})); "
        "print(sorted({n.split('.')[0] for n in sys.modules} & "
        "{'dagster', 'ibis', 'pandas', 'pandera', 'scipy', 'altair'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
_ACCEPT = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {KEY[:-1]}"}, 401),
        ({"authorization": f"Bearer {KEY}", "host": "evil.example:8765"}, 421),
        ({"authorization": f"Bearer {KEY}", "origin": "http://evil.example"}, 403),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"Bearer {KEY}", "origin": "http://127.0.0.1:8765"}, 200),
    ],
)
def test_over_http_only_who_has_the_key_and_comes_from_here_is_answered(
    year_home: Path, headers: dict[str, str], status: int
):
    application: Any = http_application(find_settings(year_home), 8765, KEY)
    with TestClient(application, base_url="http://127.0.0.1:8765") as client:
        response = client.post("/mcp", json=_LIST, headers=_ACCEPT | headers)
    assert response.status_code == status
    if status == 200:
        assert "accounts" in {tool["name"] for tool in response.json()["result"]["tools"]}
    else:
        assert KEY not in response.text
