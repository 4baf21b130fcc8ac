"""The list of accounts that people search, and the data of each account's own page.

Here: gathering both for all accounts at once, as plain values that become JSON. Not here: the sentences
(`reading.explanations`), drawing (`report.js`), or packing (`document`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from segmentation_assets.reading.briefing import briefings
from segmentation_assets.reading.explanations.gathering import TABLES, Explanation, explanations
from segmentation_assets.reading.figures import in_currency, words
from segmentation_assets.reading.tasks import NAMES_FROM, Task, names_of_csms
from segmentation_assets.reading.timeline import OF_THE_DAY, open_opportunities, timelines
from segmentation_assets.report.actions import Action, next_action
from segmentation_assets.report.evidence import Evidence, Row

INDEX = (
    "account_id", "name", "segment", "tier", "micro", "cohort", "value_tier", "arr", "health", "weakest",
    "churn_risk", "expansion", "composite", "behavioral", "renewal_on", "csm_id", "csm", "account_executive",
    "override", "action", "why", "is_capped",
)  # fmt: skip
"""Columns of the list, in order."""

_DAYS_PER_MONTH = 365.25 / 12


def account_index(evidence: Evidence, tasks: Sequence[Task] = ()) -> dict[str, Any]:
    """The list: columns, rows (largest ARR first), and the actions, which rows name by number.

    The next action of an account is its most urgent play that is open, else the policy's advice.
    """
    actions: dict[tuple[str, str], int] = {}
    names = csm_names(evidence)
    rows = []
    first_plays = {
        task.account_id: Action(task.role, task.title, task.why)
        for task in sorted(tasks, key=lambda task: -task.place)
        if task.opened_on <= evidence.as_of
    }
    for row in segments_with_health(evidence):
        action = first_plays.get(row["account_id"]) or next_action(row, row, evidence.policy)
        rows.append(_entry(row, action, actions.setdefault((action.owner, action.action), len(actions)), names))
    return {
        "columns": INDEX,
        "rows": rows,
        "actions": [list(key) for key in actions],
        "as_of": evidence.as_of,
        "previous": evidence.previous,
        "history_days": history_days(evidence),
        "renewal_within_days": evidence.policy.report.renewal_within_days,
    }


def packed_sets(evidence: Evidence, index: dict[str, Any]) -> dict[str, Any]:
    """The accounts behind the numbers of the pages, by place in the list; those that have left follow the list."""
    place = {row[0]: i for i, row in enumerate(index["rows"])}
    gone = sorted(evidence.sets.members - place.keys())
    rows = _gone(evidence, gone)
    index["gone"] = [rows.get(account, _gone_entry(account, account)) for account in gone]
    place |= {account: len(index["rows"]) + i for i, account in enumerate(gone)}
    return evidence.sets.packed(place)


def _gone(evidence: Evidence, accounts: list[str]) -> dict[str, list[Any]]:
    """Accounts that are not live on the day, by id: name, segment, tier and CSM on the last day they were."""
    if not accounts:
        return {}
    marks = ", ".join("?" for _ in accounts)
    rows = evidence.rows(
        f"SELECT * FROM segments WHERE as_of < ? AND account_id IN ({marks}) ORDER BY as_of",
        evidence.as_of, *accounts,
    )  # fmt: skip
    return {row["account_id"]: _gone_entry(row["account_id"], row["account_name"], row) for row in rows}


def _gone_entry(account: str, name: str | None, row: Row | None = None) -> list[Any]:
    columns = {
        "segment": "segment",
        "tier": "coverage_tier",
        "csm_id": "csm_id",
        "account_executive": "account_executive",
    }
    entry: dict[str, Any] = {"account_id": account, "name": name or account}
    entry |= {column: row[source] for column, source in columns.items()} if row else {}
    return [entry.get(column) for column in INDEX]


def csm_names(evidence: Evidence) -> dict[str, str]:
    """CSMs' names by id, from the tables that have them."""
    return names_of_csms(evidence.connection, (t for t in NAMES_FROM if evidence.has(t)), evidence.as_of)


def segments_with_health(evidence: Evidence) -> list[Row]:
    """One row per live account: its row of `segments`, its dimensions of health, and its renewal."""
    health = ("product_health", "relationship_health", "outcome_health", "financial_health", "is_capped")
    columns, joins, days = [], [], [evidence.as_of]
    if evidence.has("health_scores"):
        columns += [f"h.{name}" for name in health]
        joins.append("LEFT JOIN health_scores h ON h.account_id = s.account_id AND h.as_of = s.as_of")
    else:
        columns += [f"NULL AS {name}" for name in health]
    if evidence.has("account_profiles"):
        columns += ["p.renewal_on", "p.days_to_renewal"]
        joins.append("LEFT JOIN account_profiles p ON p.account_id = s.account_id AND p.as_of = s.as_of")
    else:
        columns += ["NULL AS renewal_on", "NULL AS days_to_renewal"]
    return evidence.rows(
        f"SELECT s.*, {', '.join(columns)} FROM segments s {' '.join(joins)} WHERE s.as_of = ? "
        "ORDER BY s.arr DESC, s.account_id",
        *days,
    )


def _entry(row: Row, action: Action, number: int, names: Mapping[str, str]) -> list[Any]:
    csm = row["csm_id"]
    return [
        row["account_id"], row["account_name"] or row["account_id"], row["segment"], row["coverage_tier"],
        row["micro_segment"], row["behavioral_cohort"], row["value_tier"], round(row["arr"]),
        _rounded(row["health_score"], 1), row["weakest_dimension"], _rounded(row["churn_risk"], 4),
        _rounded(row["expansion_score"], 1), _rounded(row["composite_score"], 1),
        _rounded(row["behavioral_score"], 1), _iso(row["renewal_on"]), csm, names.get(csm, csm) if csm else None,
        row["account_executive"], bool(row["coverage_override"]), number, action.why,
        bool(row["is_capped"]),
    ]  # fmt: skip


def history_days(evidence: Evidence) -> list[date]:
    """Evenly spread days with published revenue, up to as_of, over the policy's months."""
    if not evidence.has("account_revenue"):
        return [evidence.as_of]
    months, points = evidence.policy.report.history_months, evidence.policy.report.history_points
    published = [row["as_of"] for row in evidence.rows(
        "SELECT DISTINCT as_of FROM account_revenue WHERE as_of <= ? ORDER BY as_of", evidence.as_of)]  # fmt: skip
    step = timedelta(days=months * _DAYS_PER_MONTH / (points - 1))
    targets = [evidence.as_of - i * step for i in range(points)]
    days = [day for day in published if day >= targets[-1]]
    nearest = {min(days, key=lambda day, target=target: abs(day - target), default=None) for target in targets}
    return sorted({day for day in nearest if day is not None} | {evidence.as_of})


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


# -- an account's own page


def account_details(evidence: Evidence) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each live account by id: the explanation as plain values, its history, and the figures of its peers."""
    tables = [name for name in TABLES if evidence.has(name)]
    if not evidence.has("segment_inputs"):
        return
    history, peers = _history(evidence), _peers(evidence)
    has_profiles = evidence.has("account_profiles")
    briefs = briefings(evidence.connection, evidence.as_of) if has_profiles else {}
    events, offers = _timelines(evidence)
    reasons = explanations(evidence.connection, tables, evidence.as_of, evidence.previous, evidence.policy)
    for each in reasons:
        yield (
            each.account_id,
            {
                **_plain(each),
                "briefing": briefs.get(each.account_id, ()),
                "timeline": events.get(each.account_id, ()),
                "opportunities": offers.get(each.account_id, ()),
                "history": history.get(each.account_id, {}),
                "peers": peers.get(each.account_id),
            },
        )


def _timelines(evidence: Evidence) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """By account, what happened lately and which opportunities are open, as plain values."""
    policy = evidence.policy.report
    tables = [*evidence.landed, *(name for name in OF_THE_DAY if evidence.has(name))]
    with in_currency(evidence.policy.company.reporting_currency):
        events = timelines(evidence.connection, tables, evidence.as_of, policy.timeline_days, policy.timeline_events)
    offers = open_opportunities(evidence.connection, evidence.as_of) if "opportunities" in evidence.landed else {}
    return (
        {account: [[each.on, each.kind, each.what] for each in listed] for account, listed in events.items()},
        {account: [[k, _short(arr), on, rival] for k, arr, on, rival in each] for account, each in offers.items()},
    )


def _plain(explanation: Explanation) -> dict[str, Any]:
    return {
        "segment_reasons": explanation.segment_reasons,
        "tier_reasons": explanation.tier_reasons,
        "ways_up": explanation.ways_up,
        "changes": explanation.changes,
        "conditions": [[c.dimension, c.value, c.needed, c.meets] for c in explanation.conditions],
        "treatment": {name: _short(each) for name, each in explanation.treatment.items() if each not in (None, "")},
        "scores": [
            [
                score.name,
                _short(score.total),
                [[p.part, _short(p.raw), p.weight, _short(p.points)] for p in score.parts],
            ]
            for score in explanation.scores
        ],
        "moves": [
            [
                m["effective_on"],
                m["kind"],
                m["moved_from"],
                m["moved_to"],
                m["direction"],
                words(m["cause_text"] or ""),
            ]
            for m in explanation.moves
        ],
        "figures": {
            topic: {name: _short(value) for name, value in figures.items() if value is not None}
            for topic, figures in explanation.figures.items()
        },
    }


def _short(value: Any) -> Any:
    """A number rounded for reading. The exact one is in the table."""
    return round(value, 2 if abs(value) >= 100 else 4) if isinstance(value, float) else value


_SERIES = (
    ("account_revenue", "arr", "arr", 0),
    ("account_usage", "active_users_28d", "users", 0),
    ("account_usage", "mau_seat_share", "seat_share", 4),
    ("health_scores", "health_score", "health", 1),
)


def _history(evidence: Evidence) -> dict[str, dict[str, list[Any]]]:
    """By account and series: a value for each of `history_days`; null without one."""
    days = history_days(evidence)
    place = {each: i for i, each in enumerate(days)}
    series_of: dict[str, dict[str, list[Any]]] = {}
    for table, column, name, digits in _SERIES:
        if not evidence.has(table):
            continue
        marks = ", ".join("?" for _ in days)
        condition = f'as_of IN ({marks}) AND "{column}" IS NOT NULL'
        rows = evidence.connection.execute(
            f'SELECT account_id, as_of, "{column}" FROM "{table}" WHERE {condition}', days
        ).fetchall()
        for account, at, value in rows:
            series = series_of.setdefault(account, {}).setdefault(name, [None] * len(days))
            series[place[at]] = round(value, digits) if digits else round(value)
    return series_of


_COMPARED = ("arr", "health_score", "behavioral_score", "expansion_score", "churn_risk", "composite_score")


def _peers(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """By account: its peer group, the number of accounts in it, and their medians."""
    if not evidence.has("expansion_scores"):
        return {}
    medians = ", ".join(f"median(s.{name}) AS {name}" for name in _COMPARED)
    groups = {
        row["peer_group"]: row
        for row in evidence.rows(
            f"SELECT e.peer_group, count(*) AS accounts, {medians} FROM segments s JOIN expansion_scores e "
            "ON e.account_id = s.account_id AND e.as_of = s.as_of WHERE s.as_of = ? GROUP BY 1",
            evidence.as_of,
        )
    }
    rows = evidence.rows("SELECT account_id, peer_group FROM expansion_scores WHERE as_of = ?", evidence.as_of)
    return {
        row["account_id"]: {
            "group": row["peer_group"],
            "accounts": groups[row["peer_group"]]["accounts"],
            "medians": {name: _short(groups[row["peer_group"]][name]) for name in _COMPARED},
        }
        for row in rows
        if row["peer_group"] in groups
    }
