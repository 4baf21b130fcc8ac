"""The questions about accounts, segments, moves, plays and the state of a home, each as a function of plain values.

Here: what is read for each, and the plain values of the answer. Not here: KPIs (`metrics`), the form of an answer
(`answers`), or the protocol (`server`). The docstrings are what an assistant reads before it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
from pydantic import Field

from segmentation_assets.assistants import metrics
from segmentation_assets.assistants.answers import (
    MOST,
    answer,
    day_of,
    day_of_cursor,
    is_published,
    page_of,
    sources,
)
from segmentation_assets.assistants.marking import quoted, unquoted
from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.segments import SEGMENTS, TIERS, Segment, Tier
from segmentation_assets.reading.access import open_tables
from segmentation_assets.reading.briefing import briefings
from segmentation_assets.reading.catalogue import CatalogueFacts, read_catalogue
from segmentation_assets.reading.explanations.gathering import TABLES, UnknownAccount, explain, rule_in_words
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.reading.run_facts import Records
from segmentation_assets.reading.tasks import NAMES_FROM, PLAYS, Task, UnknownPerson, lists_of, names_of_csms
from segmentation_assets.reading.timeline import EXTRACTS, OF_THE_DAY, open_opportunities, timelines
from segmentation_assets.settings import Settings

Row = Mapping[str, Any]
AsOf = Annotated[str | None, Field(description="A published day such as 2026-03-31; without it, the newest.")]
Account = Annotated[str, Field(description="Id or name of an account, as `accounts` gives it.", max_length=300)]
Limit = Annotated[int, Field(description="Rows of this answer.", ge=1, le=MOST)]
Cursor = Annotated[str | None, Field(description="`next_cursor` of the answer before.", max_length=60)]
Micro = Literal["expansion_ready", "at_risk", "advocate", "stable"]
Order = Literal["arr", "churn_risk", "health_score", "expansion_score", "days_to_renewal"]
_ORDERS: Mapping[Order, str] = {
    "arr": "s.arr DESC", "churn_risk": "s.churn_risk DESC NULLS LAST", "health_score": "s.health_score NULLS LAST",
    "expansion_score": "s.expansion_score DESC NULLS LAST", "days_to_renewal": "p.days_to_renewal NULLS LAST",
}  # fmt: skip
_COLUMNS = (
    "account_id", "account_name", "segment", "coverage_tier", "micro_segment", "behavioral_cohort", "value_tier",
    "arr", "health_score", "weakest_dimension", "churn_risk", "expansion_score", "coverage_override", "csm_id",
    "account_executive",
)  # fmt: skip
_PROFILES = "account_profiles"
_MOST_PARTS = 6
_MOST_MOVES = 10
_MOST_PLAYS = 10
_MOST_EVENTS = 20
_MOST_TABLES = 30


class Questions:
    """What may be asked about one home. Nothing here writes anything."""

    def __init__(self, settings: Settings, policy: Callable[[], Policy], records: Callable[[], Records]) -> None:
        self._settings = settings
        self._policy = policy
        self._records = records
        self._catalogues: dict[str, CatalogueFacts] = {}

    @property
    def _home(self) -> Path:
        return self._settings.home

    def _catalogue(self) -> CatalogueFacts:
        """Dictionary and lineage under today's policy. The code of a process does not change, its policy may."""
        policy = self._policy()
        if policy.digest not in self._catalogues:
            self._catalogues = {policy.digest: read_catalogue(policy, self._home)}
        return self._catalogues[policy.digest]

    @property
    def all(self) -> tuple[Callable[..., dict[str, Any]], ...]:
        """Every question; its name and docstring are those of the tool."""
        return (
            self.status, self.segments, self.moves, self.accounts, self.account, self.explain, self.plays_due,
            self.metrics, self.kpi,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """Is the data current: the newest days, and which tables are stale, late, failed or missing, and why.

        Ask this first when a figure looks old or is missing.
        """
        from segmentation_assets.chain import CATALOGUE  # noqa: PLC0415 - takes seconds, and only this needs it
        from segmentation_assets.reading.status import status_of  # noqa: PLC0415

        now = status_of(self._settings, CATALOGUE, self._policy(), self._records())
        trouble = [table for table in now.tables if table.needs_attention]
        day = max((table.latest for table in now.tables if table.is_read and table.latest), default=None)
        data = {
            "is_current": now.is_fine,
            "last_complete_day": now.last_complete_day,
            "newest_day": day,
            "tables": len(now.tables),
            "tables_in_trouble": [
                {"table": each.table, "day": each.latest, "state": each.state, "causes": each.causes,
                 "reason": each.reason}
                for each in trouble[:_MOST_TABLES]
            ],
            "not_shown": max(0, len(trouble) - _MOST_TABLES),
            "last_run": now.last_run and {
                "job": now.last_run.job, "status": now.last_run.status, "ended_at": now.last_run.ended_at,
            },
            "failed_run": now.failed_run and now.failed_run.reason,
            "runs_now": [{"job": run.job, "status": run.status} for run in now.unfinished_runs],
        }  # fmt: skip
        return answer(day, [{"table": "run records", "day": None, "file": "dagster/history"}], data)

    def segments(self, as_of: AsOf = None) -> dict[str, Any]:
        """The segments and coverage tiers: what each means, its accounts and ARR, and what its accounts are due.

        A segment picks plays, pricing and messages. A tier says how much care an account gets. They are two things
        though some names are shared: the segment Growth is not the tier Growth.
        """
        day = day_of(self._home, "segments", TABLES, as_of)
        with open_tables({"segments": day}, self._home) as connection:
            by_segment = _counted(connection, "segment")
            by_tier = _counted(connection, "coverage_tier")
        policy = self._policy()
        data = {
            "currency": policy.company.reporting_currency,
            "segments": [
                {"segment": name, **by_segment.get(name, _NONE), "go_to_market": self._go_to_market(policy, name),
                 "rule": [rule_in_words(rule.id, name, policy)
                          for rule in policy.segment_rules.rules if rule.segment == name]}
                for name in SEGMENTS
            ],
            "coverage_tiers": [
                {"coverage_tier": name, "kind_of_care": policy.treatment.care_labels[name],
                 **by_tier.get(name, _NONE)}
                for name in TIERS
            ],
        }  # fmt: skip
        return answer(day, sources(self._home, ["segments"], day), data)

    @staticmethod
    def _go_to_market(policy: Policy, segment: Any) -> str:
        return policy.treatment.segments[segment].go_to_market

    def moves(
        self,
        direction: Annotated[
            Literal["up", "down", "into_risk", "out_of_risk"] | None, Field(description="Only these moves.")
        ] = None,
        kind: Annotated[Literal["segment", "tier"], Field(description="Moves of segment or of tier.")] = "segment",
        limit: Limit = 20,
        cursor: Cursor = None,
        as_of: AsOf = None,
    ) -> dict[str, Any]:
        """Which accounts moved to another segment or tier since the run before, and why, largest ARR first."""
        day = day_of(self._home, "segment_moves", ("segments",), day_of_cursor(cursor) or as_of)
        page = page_of({"moves": direction, "kind": kind, "as_of": as_of}, day, limit, cursor)
        with open_tables({"segment_moves": day, "segments": day}, self._home) as connection:
            rows = _rows(
                connection,
                "SELECT m.account_id, s.account_name, m.effective_on, m.moved_from, m.moved_to, m.direction, "
                "m.cause, m.cause_text AS cause_in_words, m.compared_with, m.arr_before, m.arr_after, s.csm_id FROM "
                "segment_moves m LEFT JOIN segments s USING (as_of, account_id) WHERE m.kind = ? AND "
                "(? IS NULL OR m.direction = ?) ORDER BY m.arr_after DESC, m.account_id, m.effective_on",
                kind, direction, direction,
            )  # fmt: skip
        data = {"moves_in_all": len(rows), "moves": rows[page.start : page.start + limit]}
        read = sources(self._home, ["segment_moves", "segments"], day)
        return answer(day, read, data, page.next_cursor(len(rows)))

    def accounts(
        self,
        segment: Annotated[Segment | None, Field(description="Only this segment.")] = None,
        coverage_tier: Annotated[Tier | None, Field(description="Only this coverage tier.")] = None,
        micro_segment: Annotated[Micro | None, Field(description="Only this micro-segment.")] = None,
        search: Annotated[str | None, Field(description="Part of an id or name.", max_length=300)] = None,
        person: Annotated[
            str | None, Field(description="Only the accounts of this CSM or account executive.", max_length=300)
        ] = None,
        renews_within_days: Annotated[int | None, Field(description="Renewal in so many days.", ge=0)] = None,
        least_churn_risk: Annotated[
            float | None, Field(description="Churn risk of 90 days from here on.", ge=0)
        ] = None,
        order: Annotated[Order, Field(description="The worst, or the largest, first.")] = "arr",
        limit: Limit = 20,
        cursor: Cursor = None,
        as_of: AsOf = None,
    ) -> dict[str, Any]:
        """Live accounts that meet all conditions, with segment, tier, ARR, scores, churn risk, renewal and owner.

        `accounts_in_all` and `arr_in_all` count all of them, also those that this answer does not list.
        """
        conditions = {
            "segment": segment, "coverage_tier": coverage_tier, "micro_segment": micro_segment, "search": search,
            "person": person, "renews_within_days": renews_within_days, "least_churn_risk": least_churn_risk,
            "order": order, "as_of": as_of,
        }  # fmt: skip
        day = day_of(self._home, "segments", TABLES, day_of_cursor(cursor) or as_of)
        page = page_of(conditions, day, limit, cursor)
        tables = ["segments", *(t for t in (_PROFILES, *NAMES_FROM) if is_published(self._home, t, day))]
        with open_tables(dict.fromkeys(tables, day), self._home) as connection:
            names = names_of_csms(connection, tables, day)
            rows = _filtered(connection, conditions, names, _PROFILES in tables)
        shown = [row | {"csm": names.get(row["csm_id"])} for row in rows[page.start : page.start + limit]]
        data = {
            "accounts_in_all": len(rows),
            "arr_in_all": round(sum(round(row["arr"] * 100) for row in rows) / 100, 2),
            "currency": self._policy().company.reporting_currency,
            "accounts": shown,
        }
        return answer(day, sources(self._home, tables, day), data, page.next_cursor(len(rows)))

    def account(self, account: Account, as_of: AsOf = None) -> dict[str, Any]:
        """One account before a call: who it is, how it does, what is due and open, what happened lately."""
        day = day_of(self._home, "segments", (_PROFILES, PLAYS), as_of)
        optional = (_PROFILES, PLAYS, *NAMES_FROM, *OF_THE_DAY, *EXTRACTS)
        tables = ["segments", *(t for t in optional if is_published(self._home, t, day))]
        policy = self._policy()
        with (
            open_tables({t: None if t in EXTRACTS else day for t in tables}, self._home) as connection,
            in_currency(policy.company.reporting_currency),
        ):
            chosen = _resolve(connection, account, day)
            names = names_of_csms(connection, tables, day)
            [row] = _filtered(connection, {"account_id": chosen}, names, _PROFILES in tables)
            sentences = briefings(connection, day, chosen, quoted) if _PROFILES in tables else {}
            days = policy.report.timeline_days
            events = timelines(connection, tables, day, days, _MOST_EVENTS, chosen, quoted).get(chosen, [])
            offers = open_opportunities(connection, day, chosen) if "opportunities" in tables else {}
        plays = lists_of(self._home, day).tasks if PLAYS in tables else ()
        data = {
            **row,
            "csm": names.get(row["csm_id"]),
            "currency": policy.company.reporting_currency,
            "briefing": sentences.get(chosen, ()),
            "plays": [_play(task) for task in plays if task.account_id == chosen][:_MOST_PLAYS],
            "opportunities": [
                {"kind": kind, "arr": arr, "open_since": since, "competitor": rival or None}
                for kind, arr, since, rival in offers.get(chosen, [])
            ],
            "timeline": [vars(event) for event in events],
        }
        return answer(day, sources(self._home, tables, day), data)

    def explain(self, account: Account, as_of: AsOf = None) -> dict[str, Any]:
        """Why an account has its segment and tier: rules, ways up, what changed, scores and their parts.

        The parts of a score add up to it; those of the churn risk in log-odds. `not_shown` counts smaller parts.
        """
        day = day_of(self._home, "segments", TABLES, as_of)
        with open_tables({"segments": day}, self._home) as connection:
            chosen = _resolve(connection, account, day)
        reasons = explain(chosen, day, home=self._home, policy=self._policy())
        data = {
            "account_id": reasons.account_id,
            "account_name": reasons.account_name,
            "segment": reasons.segment,
            "coverage_tier": reasons.coverage_tier,
            "segment_reasons": reasons.segment_reasons,
            "typical_account": [
                {"dimension": each.dimension, "this_account": each.value, "needed": each.needed, "meets": each.meets}
                for each in reasons.conditions
            ],
            "tier_reasons": reasons.tier_reasons,
            "ways_up": reasons.ways_up,
            "compared_with": reasons.compared_with,
            "changes": reasons.changes,
            "treatment": reasons.treatment,
            "scores": [
                {"score": each.name, "total": each.total,
                 "parts": [{"part": p.part, "input": p.raw, "points": p.points} for p in each.parts[:_MOST_PARTS]],
                 "not_shown": max(0, len(each.parts) - _MOST_PARTS)}
                for each in reasons.scores
            ],
            "moves": [
                {name: move[name] for name in ("effective_on", "kind", "moved_from", "moved_to", "direction")}
                | {"cause_in_words": move["cause_text"]}
                for move in reasons.moves[:_MOST_MOVES]
            ],
            "figures": reasons.figures,
        }  # fmt: skip
        tables = [name for name in TABLES if is_published(self._home, name, day)]
        return answer(day, sources(self._home, tables, day), data)

    def plays_due(
        self,
        person: Annotated[
            str | None, Field(description="Id or full name. Without it: who has how many plays.", max_length=300)
        ] = None,
        timing: Annotated[Literal["today", "this_week", "later"] | None, Field(description="Only these.")] = None,
        limit: Limit = 20,
        cursor: Cursor = None,
        as_of: AsOf = None,
    ) -> dict[str, Any]:
        """What a person has to do, the most urgent first, each play with its account, its day and its reason.

        Plays that automation does, and plays held out for comparison, are on nobody's list.
        """
        lists = lists_of(self._home, day_of_cursor(cursor) or as_of)
        page = page_of({"plays": person, "timing": timing, "as_of": as_of}, lists.as_of, limit, cursor)
        tables = [PLAYS, "segments", *(t for t in NAMES_FROM if is_published(self._home, t, lists.as_of))]
        read = sources(self._home, tables, lists.as_of)
        if person is None:
            people = [
                {"person": name, "person_id": key,
                 "plays": len(mine := [t for t in lists.of(key) if timing in (None, t.timing)]),
                 "overdue": sum(task.is_overdue for task in mine)}
                for key, name in lists.people.items()
            ]  # fmt: skip
            rows, shown = people, {"people": people[page.start : page.start + limit]}
        else:
            mine = [task for task in lists.of(_person(lists, person)) if timing in (None, task.timing)]
            rows, shown = mine, {"plays": [_play(task) for task in mine[page.start : page.start + limit]]}
        return answer(lists.as_of, read, {"in_all": len(rows), **shown}, page.next_cursor(len(rows)))

    def metrics(
        self, search: Annotated[str | None, Field(description="Part of a name or meaning.", max_length=60)] = None
    ) -> dict[str, Any]:
        """Every KPI that `kpi` knows, with its unit and what it means. There are no others."""
        return metrics.listed(self._catalogue(), self._home, search)

    def kpi(
        self,
        metric: Annotated[str, Field(description="Name of a KPI, as `metrics` lists it.", max_length=80)],
        grouping: Annotated[
            Literal["company", "coverage_tier", "segment"],
            Field(description="Of the company, or per tier or segment."),
        ] = "company",
        window_months: Annotated[Literal[1, 3, 12], Field(description="Length of the period.")] = 12,
        as_of: AsOf = None,
    ) -> dict[str, Any]:
        """A KPI's figures with its definition, target, benchmark, and the raw fields and policy it comes from.

        A metric that is not listed by `metrics` is refused: do not compute a substitute.
        """
        currency = self._policy().company.reporting_currency
        return metrics.kpi(self._catalogue(), self._home, currency, metric, grouping, window_months, as_of)


_NONE: Row = {"accounts": 0, "arr": 0.0, "arr_share": 0.0}


def _counted(connection: duckdb.DuckDBPyConnection, column: str) -> dict[str, Row]:
    rows = _rows(
        connection,
        f"SELECT {column} AS name, count(*) AS accounts, sum(arr::DECIMAL(18, 2))::DOUBLE AS arr, "
        f"(sum(arr::DECIMAL(18, 2)) / nullif(sum(sum(arr::DECIMAL(18, 2))) OVER (), 0))::DOUBLE AS arr_share "
        "FROM segments GROUP BY 1",
    )
    return {row["name"]: {name: row[name] for name in _NONE} for row in rows}


def _filtered(
    connection: duckdb.DuckDBPyConnection, conditions: Row, names: Mapping[str, str], has_profiles: bool
) -> list[dict[str, Any]]:
    """The accounts of the views that meet the conditions, in order."""
    tests: list[tuple[str, Sequence[Any]]] = [
        (f"s.{name} = ?", (conditions[name],))
        for name in ("account_id", "segment", "coverage_tier", "micro_segment")
        if conditions.get(name) is not None
    ]
    if search := conditions.get("search"):
        text = unquoted(search).casefold()
        tests.append(("(contains(lower(s.account_id), ?) OR contains(lower(s.account_name), ?))", (text, text)))
    if person := conditions.get("person"):
        keys = _keys_of(connection, person, names)
        tests.append(("(list_contains(?, s.csm_id) OR list_contains(?, s.account_executive))", (keys, keys)))
    if (days := conditions.get("renews_within_days")) is not None:
        tests.append(("p.days_to_renewal <= ?", (days,)))
    if (risk := conditions.get("least_churn_risk")) is not None:
        tests.append(("s.churn_risk >= ?", (risk,)))
    renewal = ("renewal_on", "days_to_renewal", "leaving_on")
    more = ", ".join(f"p.{name}" for name in renewal)
    joined = (
        "LEFT JOIN account_profiles p USING (as_of, account_id)"
        if has_profiles
        else "CROSS JOIN (SELECT " + ", ".join(f"NULL AS {name}" for name in renewal) + ") p"
    )
    return _rows(
        connection,
        f"SELECT {', '.join(f's.{name}' for name in _COLUMNS)}, {more} FROM segments s {joined} "
        f"WHERE {' AND '.join(test for test, _ in tests) or 'true'} "
        f"ORDER BY {_ORDERS[conditions.get('order', 'arr')]}, s.account_id",
        *(value for _, values in tests for value in values),
    )


def _keys_of(connection: duckdb.DuckDBPyConnection, person: str, names: Mapping[str, str]) -> list[str]:
    """How the accounts name a person, who was asked for by id or name, as it is or as an answer marked it."""
    owners = connection.execute("SELECT csm_id FROM segments UNION SELECT account_executive FROM segments").fetchall()
    wanted = unquoted(person).casefold()
    called = {key: (key, names.get(key, key)) for (key,) in owners if key is not None}
    return [
        key
        for key, both in called.items()
        if any(each.casefold() == wanted or quoted(each) == person for each in both)
    ]


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    result = connection.execute(sql, list(parameters))
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, values, strict=True)) for values in result.fetchall()]


def _resolve(connection: duckdb.DuckDBPyConnection, account: str, day: date) -> str:
    """The id of an account by its id or name, as it is or as an answer marked it. Raises UnknownAccount.

    The message names no similar accounts, because names are data; `accounts` searches.
    """
    wanted = unquoted(account).casefold()
    rows = connection.execute("SELECT account_id, account_name FROM segments ORDER BY account_id").fetchall()
    for exact in ([i for i, _ in rows if i == unquoted(account)], [i for i, _ in rows if quoted(i) == account]):
        if exact:
            return exact[0]
    matches = [i for i, n in rows if wanted in (i.casefold(), (n or "").casefold()) or quoted(n or "") == account]
    if len(matches) == 1:
        return matches[0]
    why = f"{len(matches)} live accounts have this name" if matches else f"no live account {quoted(account)}"
    raise UnknownAccount(f"{why} on {day}: `accounts` with `search` lists ids")


def _person(lists: Any, person: str) -> str:
    try:
        return lists.find(unquoted(person))
    except UnknownPerson:
        marks = {quoted(each): key for key, name in lists.people.items() for each in (key, name)}
        if person in marks:
            return marks[person]
        raise UnknownPerson(
            f"nobody called {quoted(person)} has an account or a play on {lists.as_of}: `plays_due` without a person "
            "lists everybody"
        ) from None


def _play(task: Task) -> dict[str, Any]:
    return {
        "account_id": task.account_id, "account_name": task.account_name, "kind": task.kind, "title": task.title,
        "why": task.why, "material": task.material, "timing": task.timing, "due_on": task.due_on,
        "is_overdue": task.is_overdue, "arr": task.arr, "role": task.role, "owner": task.owner_name,
        "is_stand_in": task.is_stand_in, "last_done_on": task.last_done_on, "segment": task.segment,
        "coverage_tier": task.coverage_tier, "renewal_on": task.renewal_on,
    }  # fmt: skip
