"""No sentence contradicts a table: every number in a sentence is read out of it and looked up in what is published.

What a sentence may quote: a value of the account's or the company's rows, a count or sum over accounts that pandas
works out here, the difference of one column between two days, a bound of the policy. Nothing else.
"""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import segmentation_assets
from segmentation_assets import load
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.reading.explanations.gathering import explain
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.report.evidence import open_evidence
from segmentation_assets.report.executive import executive_page
from segmentation_assets.report.movement import movement_page
from segmentation_assets.report.quality import quality_page
from tests.conftest import RAN_DAYS
from tests.harness.quoting import numbers, unsupported, values_of

DAY, BEFORE = RAN_DAYS[-1], RAN_DAYS[-2]


def published(table: str, home: Path, day: date) -> pd.DataFrame:
    try:
        return load(table, day, home)
    except NotPublished:
        return pd.DataFrame()


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy()


def test_a_wrong_number_is_seen():
    assert unsupported(["ARR $62.1k of 3 accounts, 36.4% on 2026-03-31."], [62_105.0, 3.0, 0.3644]) == []
    assert unsupported(["ARR $62.1k of 4 accounts."], [62_105.0, 3.0]) == ["4 in: ARR $62.1k of 4 accounts."]
    assert unsupported(["by rule at_risk:2, from 60 on"], [60.0, 2.0]) == []


def test_explanations_quote_what_is_published(ran_home: Path, policy: Policy):
    bounds = list(values_of(policy.model_dump(mode="json")))
    tables = (
        "segments", "segment_inputs", "account_profiles", "behavioral_scores", "expansion_scores",
        "score_contributions", "value_scores", "segment_states",
    )  # fmt: skip
    now = {name: published(name, ran_home, DAY) for name in tables}
    then = {name: published(name, ran_home, BEFORE) for name in ("segments", "score_contributions")}
    wrong = []
    for account in now["segments"]["account_id"]:
        rows = {name: frame[frame["account_id"] == account] for name, frame in now.items() if len(frame)}
        old = {name: frame[frame["account_id"] == account] for name, frame in then.items()}
        pool = [*bounds, *(v for frame in rows.values() for v in values_of(frame))]
        pool += [v for frame in old.values() for v in values_of(frame)]
        pool += _changes(rows["segments"], old["segments"], "account_id")
        pool += _changes(
            rows["score_contributions"].assign(key=lambda f: f["score"] + f["part"]),
            old["score_contributions"].assign(key=lambda f: f["score"] + f["part"]), "key",
        )  # fmt: skip
        pool += _shortfalls(rows, policy)
        pool += [size for _, size, _ in numbers(str(rows["segments"].iloc[0].rule_id).replace(":", " "))]
        explanation = explain(account, DAY, home=ran_home, policy=policy)
        sentences = (
            *explanation.segment_reasons,
            *explanation.tier_reasons,
            *explanation.changes,
            *explanation.ways_up,
        )
        wrong += [f"{account}: {each}" for each in unsupported(sentences, pool)]
    assert wrong == []


def _changes(now: pd.DataFrame, old: pd.DataFrame, key: str) -> list[float]:
    both = now.merge(old, on=key, how="outer", suffixes=("", "_old"))
    pairs = [c for c in now.select_dtypes("number") if f"{c}_old" in both]
    return [float(v) for c in pairs for v in (both[c].fillna(0) - both[f"{c}_old"].fillna(0))]


def _shortfalls(rows: dict[str, pd.DataFrame], policy: Policy) -> list[float]:
    """What is lacking to a bound: of ARR, value and scores."""
    segment, candidate = rows["segments"].iloc[0], rows["segment_inputs"].iloc[0]
    bounds = {
        "arr": [policy.tier.growth_min_arr, policy.tier.long_tail_below_arr, candidate.strategic_cut,
                candidate.top_cut],
        "expansion_score": list(values_of(policy.model_dump(mode="json"))),
        "behavioral_score": list(values_of(policy.model_dump(mode="json"))),
        "health_score": list(values_of(policy.model_dump(mode="json"))),
    }  # fmt: skip
    lacking = [b - segment[c] for c, each in bounds.items() for b in each if pd.notna(segment[c]) and pd.notna(b)]
    lacking += [b - candidate.seat_activity for b in bounds["health_score"] if pd.notna(candidate.seat_activity)]
    if "lookalike" in rows["expansion_scores"]:
        lookalike = rows["expansion_scores"].iloc[0].lookalike
        lacking += [b - lookalike for b in bounds["health_score"] if pd.notna(lookalike)]
    value = rows["value_scores"].iloc[0]
    lacking += [value[c] - value["value"] for c in ("cut_silver", "cut_gold", "cut_platinum")
                if pd.notna(value[c]) and pd.notna(value["value"])]  # fmt: skip
    return lacking


def test_company_pages_quote_what_is_published(ran_home: Path, policy: Policy):
    now, then = load("segments", DAY, ran_home), load("segments", BEFORE, ran_home)
    pool = [*values_of(policy.model_dump(mode="json")), *_company(ran_home), *_sums(now), *_sums(then)]
    pool += _between(now, then)
    pool += _decided(ran_home, now, policy)
    with open_evidence(ran_home, DAY, policy) as evidence, in_currency("USD"):
        page = executive_page(evidence)
        sentences = [f"{h.value} {h.exact} {h.change} {h.note}" for h in page.headlines]
        sentences += [change.text for change in page.changes]
        sentences += [f"{d.title}. {d.worth}" for d in page.decisions]
        sentences += [line for d in page.decisions if d.kind in ("Protect", "Grow") for line in d.arithmetic]
        sentences += [one.why for d in page.decisions for one in d.accounts]
        sentences += movement_page(evidence, 0).summary
        sentences += quality_page(evidence).accounts
    assert len(sentences) > 12
    assert unsupported([s.replace("90 days", "").replace("×", " ") for s in sentences], pool) == []


def _company(home: Path) -> list[float]:
    pool: list[float] = []
    for table in ("company_kpis", "segment_mix", "capacity_plan", "goal_gap", "tier_migration_summary",
                  "coverage_leakage"):  # fmt: skip
        frames = [published(table, home, day) for day in (DAY, BEFORE)]
        pool += [v for frame in frames for v in values_of(frame)]
        pool += [float(frame[c].sum()) for frame in frames for c in frame.select_dtypes("number")]
    quality = published("account_data_quality", home, DAY)["quality_score"]
    pool += [float(quality.mean()), float(quality.min())]
    served = published("coverage_leakage", home, DAY)
    if len(served):
        pool += [
            float(group[c].sum()) for _, group in served.groupby("service") for c in group.select_dtypes("number")
        ]
        pool += [float(len(group)) for _, group in served.groupby("service")]
    kpis = [published("company_kpis", home, day).set_index("window_months") for day in (DAY, BEFORE)]
    both = kpis[0].select_dtypes("number") - kpis[1].select_dtypes("number")
    pool += [float(v) for v in both.to_numpy().ravel() if math.isfinite(v)]
    pool += [float(v) * 100 for v in both.to_numpy().ravel() if math.isfinite(v)]  # percentage points
    return pool


def _sums(frame: pd.DataFrame) -> list[float]:
    """Accounts, ARR and expected loss, of all and by what they are grouped by; and their shares of all."""
    frame = frame.assign(lost=frame["arr"] * frame["churn_risk"].fillna(0))
    groups = [frame, *(g for by in ("segment", "coverage_tier", "micro_segment") for _, g in frame.groupby(by))]
    groups += [frame[frame[c].isna()] for c in ("csm_id", "behavioral_score", "health_score")]
    groups += [frame[frame["data_completeness"] >= 1]]
    sums = [float(v) for g in groups for v in (len(g), g["arr"].sum(), g["lost"].sum())]
    return [*sums, *(s / frame["arr"].sum() for s in sums), float(frame["data_completeness"].mean())]


def _between(now: pd.DataFrame, then: pd.DataFrame) -> list[float]:
    both = now.merge(then, on="account_id", how="outer", suffixes=("", "_then"))
    new, lost = both[both["arr_then"].isna()], both[both["arr"].isna()]
    stayed = both.dropna(subset=["arr", "arr_then"])
    change = (stayed["arr"] - stayed["arr_then"]).astype(float)
    into = stayed[(stayed["segment"] == "At-Risk") & (stayed["segment_then"] != "At-Risk")]
    out = stayed[(stayed["segment"] != "At-Risk") & (stayed["segment_then"] == "At-Risk")]
    segments = stayed[stayed["segment"] != stayed["segment_then"]]
    tiers = stayed[stayed["coverage_tier"] != stayed["coverage_tier_then"]]
    pool = [float(len(g)) for g in (new, lost, stayed, into, out, segments, tiers)]
    pool += [float(g["arr"].sum()) for g in (new, into, out, tiers)]
    risk = [f.loc[f["segment"] == "At-Risk", "arr"].sum() for f in (now, then)]
    pool += [float(lost["arr_then"].sum()), change.clip(lower=0).sum(), change.clip(upper=0).sum(), risk[0] - risk[1]]
    return [*pool, float(len(now) - len(then)), float(now["arr"].sum() - then["arr"].sum())]


def _decided(home: Path, now: pd.DataFrame, policy: Policy) -> list[float]:
    """The products and quotients that decisions show: worked out here from the tables."""
    risky = now[now["segment"] == "At-Risk"]
    lost = float((risky["arr"] * risky["churn_risk"].fillna(0)).sum())
    supply = published("csm_supply", home, DAY)
    paid = supply[supply["hourly_cost"].notna() & (supply["available_hours"] > 0)] if len(supply) else supply
    rate = (
        float((paid["hourly_cost"] * paid["available_hours"]).sum() / paid["available_hours"].sum())
        if len(paid)
        else policy.costs.csm_hourly_rate
    )
    cost = len(risky) * policy.care.override_hours_per_month * policy.report.save_months * rate
    pool = [lost, rate, cost, cost / lost if lost else 0.0, float(risky["churn_risk"].isna().sum())]
    pool += [float(v) for v in (risky["arr"] * risky["churn_risk"].fillna(0))]
    pool += [float(v) for c in ("arr", "churn_risk") for v in risky[c].dropna()]
    ready = now[now["micro_segment"] == "expansion_ready"].merge(load("expansion_scores", DAY, home), on="account_id")
    space = ready.loc[ready["whitespace"] > 0, "whitespace"].astype(float)
    pool += [float(len(space)), float(space.sum()), *space]
    goal = published("goal_gap", home, DAY)
    gap = float(goal["gap"].iloc[0]) if len(goal) and pd.notna(goal["gap"].iloc[0]) else 0.0
    if gap > 0 and space.sum() > 0:
        pool += [min(gap / space.sum(), 1), space.sum() / gap]
    return pool


def test_nothing_but_the_segment_is_called_at_risk():
    """ARR x churn risk is the expected loss, the usage cohort declines, and a micro-segment needs attention."""
    package = Path(segmentation_assets.__file__).parent
    files = [
        file
        for room in ("report", "reading", "cli", "sync", "exports")
        for file in (package / room).rglob("*")
        if file.suffix in (".py", ".html", ".js")
    ]
    assert len(files) > 50
    wrong = [file.name for file in files if re.search(r"\bat risk\b", file.read_text(encoding="utf-8"))]
    assert wrong == [], "say expected loss, declining usage or needs attention"
