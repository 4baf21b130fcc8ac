"""The digest: what people should know since the last one, in one message, the most urgent first.

Here: which alerts and failed runs are new, their order, and their text, as lines and as Slack blocks. Not here: what
an alert is (`activation.alerts`), or posting to Slack (`slack`).

Names and reasons come from data. In Slack they stand in rich text alone, where no sign is a command: no mention, no
link, no formatting. The short text of the notification has only our own words and numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from segmentation_assets.reading.access import NotPublished, fetched, find_table, open_table, query
from segmentation_assets.reading.escaping import on_one_line
from segmentation_assets.reading.figures import day, label, money, words

ALERTS, FAILURES, ROSTER = "segment_alerts", "run_failures", "csm_roster"
GROUPS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("Into At-Risk", ("into_risk",)),
    ("Usage declines before a renewal", ("renewal_at_risk",)),
    ("Up", ("out_of_risk", "segment_up", "tier_up")),
    ("Down", ("segment_down", "tier_down")),
    ("Billing thresholds crossed", ("billing_down", "billing_up")),
)
"""Headings in the order of the digest, and the kinds of alert under each."""
FAILED = "Failed runs"
_LONGEST = 300
"""Characters of a line: a reason may be a page."""


@dataclass(frozen=True)
class Line:
    """One event: who, in bold, and what."""

    who: str
    what: str


@dataclass(frozen=True)
class Seen:
    """What was in a digest that was sent: the last alert's number, and when the last failure happened."""

    alert: int
    failed_at: datetime


@dataclass(frozen=True)
class Digest:
    """One message. `groups` are headings with all their lines; a message shows `shown` lines and counts the rest."""

    as_of: date | None
    groups: Sequence[tuple[str, Sequence[Line]]]
    seen: Seen
    shown: int

    @property
    def events(self) -> int:
        """Number of alerts and failures."""
        return sum(len(lines) for _, lines in self.groups)

    @property
    def summary(self) -> str:
        """The counts, in our own words: for the notification, and the subject of a mail."""
        counts = ", ".join(f"{len(lines)} {heading.lower()}" for heading, lines in self.groups)
        return f"Accounts on {day(self.as_of)}: {counts or 'nothing new'}"

    def parts(self) -> list[tuple[str, Sequence[Line]]]:
        """The headings with the lines that a message shows."""
        left, result = self.shown, []
        for heading, lines in self.groups:
            result.append((f"{heading} ({len(lines)})", lines[:left]))
            left -= len(lines[:left])
        return result

    @property
    def rest(self) -> str:
        """What the message leaves to the tables; empty if it shows all."""
        hidden = self.events - sum(len(lines) for _, lines in self.parts())
        return f"... and {hidden} more: segmentation show {ALERTS}" if hidden else ""

    def as_text(self) -> str:
        """Lines for a terminal or a mail."""
        lines = [self.summary]
        for heading, shown in self.parts():
            lines += ["", heading, *(f"  {line.who}: {line.what}" for line in shown)]
        return "\n".join([*lines, *(["", self.rest] if self.rest else [])])

    def as_slack(self) -> dict[str, Any]:
        """The message as Slack takes it: rich text, in which no sign of a name or reason is a command."""
        sections: list[dict[str, Any]] = []
        for heading, shown in self.parts():
            sections.append(_section([_text(heading, bold=True)]))
            if shown:
                items = [_section([_text(line.who, bold=True), _text(f": {line.what}")]) for line in shown]
                sections.append({"type": "rich_text_list", "style": "bullet", "elements": items})
        if self.rest:
            sections.append(_section([_text(self.rest)]))
        head = {"type": "header", "text": {"type": "plain_text", "text": self.summary[:150], "emoji": False}}
        return {"text": self.summary, "blocks": [head, {"type": "rich_text", "elements": sections}]}


def _section(elements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": elements}


def _text(text: str, bold: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": text or " ", **({"style": {"bold": True}} if bold else {})}


def find_digest(home: Path, shown: int, seen: Seen | None) -> Digest:
    """What is new since `seen`; None: what the newest posting booked, and no failures, which are history."""
    alerts, last = _alerts(home, seen)
    failures, failed_at = _failures(home, seen)
    names = _owner_names(home)
    groups = [
        (heading, [_alert_line(alert, names) for kind in kinds for alert in alerts if alert["kind"] == kind])
        for heading, kinds in GROUPS
    ]
    groups.append((FAILED, [_failure_line(failure) for failure in failures]))
    as_of = max((alert["as_of"] for alert in alerts), default=_newest_day(home))
    return Digest(as_of, [(heading, lines) for heading, lines in groups if lines], Seen(last, failed_at), shown)


def _alerts(home: Path, seen: Seen | None) -> tuple[list[dict[str, Any]], int]:
    """The new alerts in the order of booking, and the number of the last one ever."""
    with suppress(NotPublished), open_table(ALERTS, home=home) as connection:
        _, [(last, newest)] = fetched(connection, f"SELECT coalesce(max(number), 0), max(as_of) FROM {ALERTS}")
        is_new = f"number > {seen.alert}" if seen else f"as_of = DATE '{newest}'" if newest else "false"
        columns, rows = fetched(connection, query(connection, ALERTS, is_new))
        alerts = [dict(zip(columns, row, strict=True)) for row in rows]
        return sorted(alerts, key=lambda alert: alert["number"]), last
    return [], seen.alert if seen else 0


def _failures(home: Path, seen: Seen | None) -> tuple[list[dict[str, Any]], datetime]:
    since = seen.failed_at if seen else datetime.min  # noqa: DTZ901 - UTC without a zone, as in the table
    with suppress(NotPublished), open_table(FAILURES, home=home) as connection:
        columns, rows = fetched(connection, query(connection, FAILURES))
        failures = [dict(zip(columns, row, strict=True)) for row in rows]
        newest = max((failure["failed_at"] for failure in failures), default=since)
        new = sorted((f for f in failures if seen and f["failed_at"] > since), key=lambda f: f["failed_at"])
        return new, max(since, newest)
    return [], since


def _owner_names(home: Path) -> Mapping[str, str]:
    with suppress(NotPublished), open_table(ROSTER, home=home) as connection:
        _, rows = fetched(connection, f"SELECT csm_id, max_by(csm_name, known_from) FROM {ROSTER} GROUP BY 1")
        return {csm: name for csm, name in rows if name}
    return {}


def _newest_day(home: Path) -> date | None:
    with suppress(NotPublished):
        return find_table("segments", home).days[-1]
    return None


def _alert_line(alert: Mapping[str, Any], names: Mapping[str, str]) -> Line:
    """Who; from where to where and since when; why; the ARR and the renewal; the owner."""
    moved = f"{alert['moved_from']} to {alert['moved_to']}" if alert["moved_from"] else str(alert["moved_to"])
    facts = [f"{words(moved)} since {day(alert['effective_on'])}", words(str(alert["cause_text"]))]
    if alert["arr"] is not None:
        facts.append(f"{money(alert['arr'])} ARR")
    if alert["renewal_on"] is not None:
        facts.append(f"renews {day(alert['renewal_on'])}")
    owner = names.get(alert["owner"], alert["owner"]) if alert["owner"] else "nobody"
    facts.append(f"owner: {owner}")
    return Line(_short(alert["account_name"] or alert["account_id"]), _short("; ".join(facts)))


def _failure_line(failure: Mapping[str, Any]) -> Line:
    what = f"{failure['tables'] or 'the run as a whole'}: {failure['reason']}"
    return Line(_short(f"{label(failure['job'])}, {failure['failed_at']:%Y-%m-%d %H:%M} UTC"), _short(what))


def _short(text: str) -> str:
    text = on_one_line(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def read_seen(file: Path) -> Seen | None:
    """What the last digest had; None: none was sent."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return Seen(int(facts["alert"]), datetime.fromisoformat(facts["failed_at"]))
    except FileNotFoundError:
        return None


def write_seen(file: Path, seen: Seen) -> None:
    """Remember what a digest had, in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    staged = file.with_suffix(".new")
    staged.write_text(json.dumps({"alert": seen.alert, "failed_at": seen.failed_at.isoformat()}), encoding="utf-8")
    staged.replace(file)
