"""The digest: what is new, in which order, once, and without a sign in it being a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.policy.model import load_policy
from segmentation_assets.sync.calling import Clock as RealClock
from segmentation_assets.sync.calling import NoAnswer
from segmentation_assets.sync.digest import Digest, Line, Seen
from segmentation_assets.sync.records import SyncRefused
from segmentation_assets.sync.secrets import NoSecret, Secrets
from segmentation_assets.sync.slack import WEBHOOK, new_digest, post_digest
from tests.sync.hubspot_fake import Clock, Cut, served

POLICY = load_policy()
PATH = "/services/T000/B000/secret-secret"


@dataclass
class SlackFake:
    clock: Clock = field(default_factory=Clock)
    messages: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    port: int = 0

    def answer(self, method: str, url: str, token: str | None, body: Any) -> tuple[int, dict[str, str], Any]:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "cut":
            raise Cut
        if fault:
            return int(fault), {"Retry-After": "2"}, "rate_limited" if fault == "429" else "no_service"
        assert (method, url) == ("POST", PATH)
        self.messages.append(body)
        return 200, {}, "ok"

    def secrets(self) -> Secrets:
        return Secrets({WEBHOOK: f"http://127.0.0.1:{self.port}{PATH}"})


@pytest.fixture
def slack() -> Iterator[SlackFake]:
    with served(SlackFake()) as fake:
        yield fake


def alert(number: int, kind: str, **values: Any) -> dict[str, Any]:
    return {
        "number": number, "alert_id": f"id {number}", "kind": kind, "account_id": f"a{number}",
        "account_name": f"Account {number}", "moved_from": "Growth", "moved_to": "At-Risk",
        "effective_on": date(2026, 11, 23), "cause": "behavioral_cohort",
        "cause_text": "behavioral cohort Steady State to At Risk", "owner": "C001", "arr": 50_064.0,
        "renewal_on": date(2027, 2, 19), "as_of": date(2026, 11, 27), **values,
    }  # fmt: skip


def book(home: Path, *alerts: dict[str, Any]) -> None:
    _publish(home / "published" / "segment_alerts" / "part-0.parquet", list(alerts))


def fail(home: Path, run: str, failed_at: datetime, reason: str = "it broke") -> None:
    row = {"run_id": run, "job": "full_chain", "asked_by": None, "as_of": None, "failed_at": failed_at,
           "tables": "segments", "reason": reason}  # fmt: skip
    _publish(home / "published" / "run_failures" / f"{run}.parquet", [row])


def _publish(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False), file)


def post(home: Path, slack: SlackFake) -> Digest:
    clock = RealClock(slack.clock.now, slack.clock.now, slack.clock.sleep, lambda: 0.5)
    return post_digest(home, POLICY, slack.secrets(), clock)


def test_moves_into_at_risk_come_first_with_cause_and_owner(tmp_path: Path):
    kinds = ["billing_up", "segment_down", "segment_up", "renewal_at_risk", "into_risk", "out_of_risk", "tier_down"]
    book(tmp_path, *(alert(at, kind) for at, kind in enumerate(kinds, 1)))
    roster = {"csm_id": "C001", "csm_name": "Farah Okafor", "known_from": date(2020, 1, 1)}
    _publish(tmp_path / "published" / "csm_roster" / "part-0.parquet", [roster])
    text = new_digest(tmp_path, POLICY).as_text()
    headings = [line for line in text.splitlines() if line.endswith(")")]
    assert headings == [
        "Into At-Risk (1)", "Usage declines before a renewal (1)", "Up (2)", "Down (2)",
        "Billing thresholds crossed (1)",
    ]  # fmt: skip
    assert (
        "  Account 5: Growth to At-Risk since 23 Nov 2026; usage cohort Steady State to Declining usage; $50.1k ARR; "
        "renews 19 Feb 2027; owner: Farah Okafor"
    ) in text


def test_one_message_a_run_and_each_event_once(tmp_path: Path, slack: SlackFake):
    book(tmp_path, alert(1, "segment_up", as_of=date(2026, 11, 20)), alert(2, "into_risk"))
    fail(tmp_path, "old", datetime(2026, 11, 1))  # noqa: DTZ001 - UTC, as in the table
    assert post(tmp_path, slack).events == 1  # at first the newest posting alone: what is older is history
    assert post(tmp_path, slack).events == 0
    assert len(slack.messages) == 1
    book(tmp_path, alert(1, "segment_up"), alert(2, "into_risk"), alert(3, "tier_up"), alert(4, "into_risk"))
    fail(tmp_path, "new", datetime(2026, 11, 28), "line one\nline two")  # noqa: DTZ001
    assert post(tmp_path, slack).events == 3
    text = json.dumps(slack.messages[1])
    assert len(slack.messages) == 2
    assert text.index("Account 4") < text.index("Account 3") < text.index("line one line two")


@pytest.mark.parametrize("fault", ["429", "500", "cut"])
def test_a_passing_fault_is_tried_again(tmp_path: Path, slack: SlackFake, fault: str):
    book(tmp_path, alert(1, "into_risk"))
    slack.faults = [fault, fault]
    post(tmp_path, slack)
    assert len(slack.messages) == 1


@pytest.mark.parametrize("faults", [["404"], ["500"] * 6, ["cut"] * 6])
def test_what_slack_did_not_take_is_in_the_next_digest(tmp_path: Path, slack: SlackFake, faults: list[str]):
    book(tmp_path, alert(1, "into_risk"))
    slack.faults = faults
    with pytest.raises((SyncRefused, NoAnswer)) as error:
        post(tmp_path, slack)
    assert "secret-secret" not in str(error.value)
    assert post(tmp_path, slack).events == 1


def test_long_lists_are_counted_and_left_to_the_table(tmp_path: Path, slack: SlackFake):
    book(tmp_path, *(alert(at, "into_risk") for at in range(1, 31)))
    post(tmp_path, slack)
    text = json.dumps(slack.messages)
    assert text.count("Account ") == POLICY.orchestration.sensors.digest_lines == 20
    assert "and 10 more: segmentation show segment_alerts" in text
    assert "Into At-Risk (30)" in text


def test_an_empty_home_has_no_news(tmp_path: Path, slack: SlackFake):
    assert new_digest(tmp_path, POLICY).as_text().endswith("nothing new")
    assert post(tmp_path, slack).events == 0
    assert slack.messages == []


@pytest.mark.parametrize("value", ["", "hooks.slack.com/services/x", "ftp://hooks.slack.com/services/xyz"])
def test_a_webhook_that_is_none_is_refused_and_not_quoted(tmp_path: Path, value: str):
    with pytest.raises((SyncRefused, NoSecret)) as error:
        post_digest(tmp_path, POLICY, Secrets({WEBHOOK: value}))
    assert WEBHOOK in str(error.value)
    assert not value or value not in str(error.value)


@given(who=st.text(min_size=1), what=st.text())
def test_no_sign_of_a_name_is_a_command(who: str, what: str):
    digest = Digest(date(2026, 11, 27), [("Into At-Risk", [Line(who, what)])], Seen(1, datetime.min), 20)  # noqa: DTZ901
    message = digest.as_slack()
    assert message["text"] == "Accounts on 27 Nov 2026: 1 into at-risk"  # our words alone
    head, rich = message["blocks"]
    assert head["text"]["type"] == "plain_text"
    assert {element["type"] for element in rich["elements"]} == {"rich_text_section", "rich_text_list"}
    [bullets] = [element for element in rich["elements"] if element["type"] == "rich_text_list"]
    [item] = bullets["elements"]
    assert [part["type"] for part in item["elements"]] == ["text", "text"]  # never a link, a user, a broadcast
    assert item["elements"][0]["text"] == who
    assert item["elements"][1]["text"] == f": {what}"
