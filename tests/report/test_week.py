"""Each person's list, the file to mail and the calendar beside it, worked out by hand."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.tasks import Lists, Task, UnknownPerson, lists_of
from segmentation_assets.report.evidence import Evidence
from segmentation_assets.report.personal import events, lead, prune, write_personal
from segmentation_assets.report.week import AUTOMATED, packed_tasks, week_page, week_tasks
from tests.cli.calling import call
from tests.report.worlds import evidence, segment

DAY = date(2026, 3, 31)  # a Tuesday


def play(**values: Any) -> dict[str, Any]:
    """A row of `plays_due`: a call of Cem's, due tomorrow, unless said."""
    return {
        "account_id": "a1", "kind": "risk", "play_id": "intervention", "play": "intervention", "title": "Call",
        "step": None, "place": 1, "timing": "today", "opened_on": date(2026, 3, 30), "due_on": date(2026, 4, 1),
        "days_until_due": 1, "is_overdue": False, "owner_role": "csm", "owner": "C1", "is_stand_in": False,
        "reasons": "risk_since", "segment_since": date(2026, 3, 30), "material": "quick wins", "last_done_on": None,
        "last_interaction_id": None, "replanned_on": None, "play_segment": "Growth", "segment": "Growth",
        "coverage_tier": "Core", "lifecycle_stage": "established", "needs_profile": None, "renewal_on": None,
        "arr": 1000.0, "urgency": 0.8, "arr_urgency": 800.0, "is_held_out": False, **values,
    }  # fmt: skip


SUPPLY = [{"csm_id": "C1", "csm_name": "Cem Ito"}, {"csm_id": "C2", "csm_name": "Dora Lee"}]
PLAYS = [
    play(),
    play(
        account_id="a2", arr=9000.0, arr_urgency=4500.0, is_overdue=True, days_until_due=-3, due_on=date(2026, 3, 28)
    ),
    play(account_id="a2", kind="growth", timing="this_week", arr=9000.0, arr_urgency=3600.0, place=2),
    play(account_id="a3", owner="Ann", owner_role="account_executive", timing="later", arr_urgency=1.0),
    play(account_id="a3", kind="care", owner=None, owner_role="automation", arr_urgency=0.0),
    play(account_id="a1", kind="care", is_held_out=True),
]
SEGMENTS = [
    segment(),
    segment(account_id="a2", account_name="Bolt", csm_id="C1"),
    segment(account_id="a3", csm_id=None),
]


def world(**more: Any) -> Evidence:
    return evidence({"plays_due": PLAYS, "segments": SEGMENTS, "csm_supply": SUPPLY, **more})


def test_a_list_has_today_first_then_arr_times_urgency_and_nothing_held_out():
    tasks = week_tasks(world())
    assert [(t.account_id, t.kind, t.owner_name) for t in tasks] == [
        ("a2", "risk", "Cem Ito"), ("a1", "risk", "Cem Ito"), ("a3", "care", "Automated"),
        ("a2", "growth", "Cem Ito"), ("a3", "risk", "Ann"),
    ]  # fmt: skip
    assert tasks[0].due_in_words == "28 Mar 2026, 3 days overdue"
    assert tasks[0].why == "in At-Risk since 30 Mar 2026"


def test_each_person_has_a_line_and_automation_stands_last():
    table = world()
    page = week_page(table, week_tasks(table))
    assert [(p.key, p.name, p.counts, p.overdue, p.arr_today) for p in page.people] == [
        ("C1", "Cem Ito", (("today", 2), ("this_week", 1), ("later", 0)), 1, 10_000.0),
        ("Ann", "Ann", (("today", 0), ("this_week", 0), ("later", 1)), 0, 0.0),
        (AUTOMATED, "Automated", (("today", 1), ("this_week", 0), ("later", 0)), 0, 1000.0),
    ]
    assert page.held_out.startswith("1 play held out")
    assert len(packed_tasks(week_tasks(table))) == 5


def test_without_the_table_the_page_says_so():
    page = week_page(evidence({"segments": SEGMENTS}), [])
    assert page.gaps == ("plays_due has not been made yet",)


def lists(*tasks: Task) -> Lists:
    return Lists(DAY, tasks, {"C1": "Cem Ito", "C2": "Dora Lee", "Ann": "Ann"})


def test_a_person_is_found_by_name_or_id_and_similar_names_are_said():
    people = lists(*week_tasks(world()))
    assert people.find("cem  ito") == people.find("C1") == "C1"
    assert len(people.of("C1")) == 3
    assert people.busiest() == "C1"
    with pytest.raises(UnknownPerson, match="did you mean Cem Ito"):
        people.find("Cem")
    with pytest.raises(UnknownPerson, match="names: Ann, Cem Ito"):
        people.find("zzzz")


def test_what_is_overdue_stands_in_the_calendar_on_the_next_working_day():
    mine = lists(*week_tasks(world())).of("C1")
    days = {(e.summary, e.on) for e in events(mine, DAY)}
    assert days == {
        ("Overdue: Bolt: Call", date(2026, 4, 1)), ("Acme: Call", date(2026, 4, 1)), ("Bolt: Call", date(2026, 4, 1)),
    }  # fmt: skip
    friday = events(mine[:1], date(2026, 4, 3))
    assert friday[0].on == date(2026, 4, 6)
    assert lead(mine).startswith("2 plays due today for accounts with 10.0k ARR, 1 of them overdue; 1 more this week")
    assert lead([]) == "Nothing is due."


def test_the_list_of_one_person_is_written_with_its_calendar(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(ran_home, home)
    everything = lists_of(home)
    person = next(key for key in everything.people if everything.of(key))
    result = call("report", "--for", everything.people[person].upper(), home=home)
    assert result.exit_code == 0, result.stderr
    page, calendar = map(Path, result.stdout.split("\n")[:2])
    text = page.read_text(encoding="utf-8")
    mine = everything.of(person)
    assert text.count("<li>") + text.count('<li class="late">') == len(mine)
    assert text.count("<script") == 0
    assert calendar.read_bytes().count(b"BEGIN:VEVENT") == len(mine)
    assert b"\r\r" not in calendar.read_bytes()
    written = write_personal(home, load_policy(), person, file=tmp_path / "mine.html")
    assert (written.tasks, written.calendar) == (len(mine), tmp_path / "mine.ics")
    wrong = call("report", "--for", "Nobody At All", home=home)
    assert wrong.exit_code == 1
    assert "nobody called 'Nobody At All' has an account or a task" in wrong.stderr


def test_lists_of_old_days_are_removed(tmp_path: Path):
    names = [
        f"2026-03-{n:02d}-{who}.{kind}" for n in range(1, 6) for who in ("ann", "bob") for kind in ("html", "ics")
    ]
    for name in (*names, "notes.txt"):
        (tmp_path / name).touch()
    prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names[-8:], "notes.txt"]


def test_promises_by_tier_and_for_the_company():
    def line(tier: str, kind: str, due: int, in_time: int, late: int, median: float | None) -> dict[str, Any]:
        return {
            "coverage_tier": tier, "kind": kind, "starts_on": date(2025, 12, 31), "due": due,
            "done_in_time": in_time, "done_late": late, "not_done": due - in_time - late,
            "in_time_share": in_time / due, "median_days_late": median, "low_n": False,
        }  # fmt: skip

    rows = [
        line("Core", "renewal", 8, 6, 1, 3.0),
        line("Core", "all", 8, 6, 1, 3.0),
        line("all", "all", 8, 6, 1, 3.0),
    ]
    page = week_page(world(play_adherence=rows), [])
    assert [each.name for each in page.promises] == ["Core", "Company"]
    assert [kind and kind["due"] for kind in page.promises[0].kinds] == [8, None, None, None, None, None]
    assert page.promises_lead == (
        "Of 8 plays that opened and fell due since 31 Dec 2025, 75.0% were done in time, 1 late, half of those late "
        "by 3 days or more; 1 not."
    )
    assert week_page(world(), []).promises == ()


def test_leads_stand_by_team_with_what_the_likely_segment_rests_on():
    def lead(name: str, team: str, **values: Any) -> dict[str, Any]:
        return {
            "lead_id": name, "company": name, "created_on": date(2026, 3, 2), "industry": "software",
            "size_class": "smb", "peers_by": "size", "peers": 15, "likely_segment": "Growth",
            "likely_share": 7 / 15, "team": team, "low_n": False,
        } | values  # fmt: skip

    rows = [
        lead("a", "inside sales", size_class=None, peers_by="nobody", peers=0, likely_segment=None, likely_share=None,
             low_n=True),
        lead("b", "field sales"),
        lead("c", "field sales", created_on=date(2026, 3, 9), peers=4, likely_share=0.5, low_n=True),
    ]  # fmt: skip
    page = week_page(world(lead_routes=rows), [])
    assert [(each.row["lead_id"], each.why) for each in page.leads] == [
        ("c", "50% of 4 accounts of its size; few accounts"),
        ("b", "47% of 15 accounts of its size"),
        ("a", "size not known"),
    ]
    assert page.leads_lead == "3 recent leads by team: field sales 2, inside sales 1."
    assert week_page(world(), []).leads == ()
