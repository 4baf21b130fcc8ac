"""No sentence in the terminal contradicts a table: `explain`, `status` and the summary of a run.

Every number is read out of what is printed, and looked up among what is published, or what pandas works out from it
here. Not here: the sentences of the report (`tests/report/test_sentences`).
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from itertools import product
from pathlib import Path

import pandas as pd
from rich.console import Console

from segmentation_assets import load
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.printing.summary import print_summary
from segmentation_assets.extracts.standing import landed_counts
from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.segments.causes import RELABELS
from segmentation_assets.warehouse.store import Store
from tests.cli.calling import call
from tests.conftest import RAN_DAYS
from tests.harness.quoting import unsupported, values_of

BEFORE, DAY = RAN_DAYS[-2:]
_NO_FIGURES = re.compile(r"`[^`]*`|\S+/\S+|\b\S*_\S*\b|\b[a-z]+\d\w*\b|90 days|12 months|24x7", re.IGNORECASE)


def without_names(lines: list[str], *names: str) -> list[str]:
    """The lines without commands, paths, column names, and these names."""
    for name in sorted({*names} - {""}, key=len, reverse=True):
        lines = [line.replace(name, "") for line in lines]
    return [_NO_FIGURES.sub("", line) for line in lines]


def of_day(table: str, home: Path, day=DAY) -> pd.DataFrame:
    return load(table, day, home)


def summary_of(home: Path) -> list[str]:
    console = Console(width=250, record=True, file=io.StringIO())
    print_summary(console, home, DAY, "USD")
    return console.export_text().splitlines()


def test_the_summary_quotes_what_is_published(ran_home: Path):
    now, then, moves = (
        of_day("segments", ran_home),
        of_day("segments", ran_home, BEFORE),
        of_day("segment_moves", ran_home),
    )
    pool: list[float] = []
    for segment, tier in product((None, *SEGMENTS), (None, *TIERS)):
        cell = now[(now["segment"] == segment) | (segment is None)]
        cell = cell[(cell["coverage_tier"] == tier) | (tier is None)]
        pool += [float(len(cell)), float(cell["arr"].sum())]
    pool += [float(n) for n in moves["direction"].value_counts()] + [float(v) for v in moves["arr_after"]]
    pool += [float(n) for n in moves[moves["cause_kind"].isin(RELABELS)].groupby(["cause_kind", "kind"]).size()]
    both = now.merge(then, on="account_id", suffixes=("", "_then"))
    for column in ("segment", "coverage_tier"):
        changed = both[both[column] != both[f"{column}_then"]]
        pool += [float(len(changed)), *changed["arr"].astype(float)]
    for table in ("tier_kpis", "company_kpis", "capacity_plan"):
        rows = of_day(table, ran_home)
        pool += values_of(rows)
        pool += [float(rows[c].sum()) for c in rows.select_dtypes("number")]
    plan = of_day("capacity_plan", ran_home)
    pool.append(float(plan["required_fte"].sum() - plan["available_fte"].sum()))
    pool += [  # what stays after moves and hiring
        float(v) for v in plan["gap_fte"] + plan["rebalanced_in_fte"] + plan["hired_fte"] - plan["rebalanced_out_fte"]
    ]
    counts = {spec.name: landed_counts(Store(ran_home), spec) for spec in CATALOGUE if spec.is_extract}
    refused = {name: each for name, each in counts.items() if each and each.quarantined}
    pool += [float(n) for each in refused.values() for n in each]
    pool += [float(sum(each[side] for each in refused.values())) for side in (0, 1)]
    lines = summary_of(ran_home)
    causes = [str(text) for text in moves["cause_text"]]
    ids = [*now["account_id"], *(name for name in now["account_name"].dropna())]
    assert len(lines) > 20
    assert unsupported(without_names(lines, *causes, *ids), pool) == []


def test_refused_rows_in_the_summary_are_the_rows_of_the_quarantine(ran_home: Path):
    line = next(line for line in summary_of(ran_home) if line.startswith("Refused: "))
    rows = pd.concat([pd.read_parquet(file) for file in (ran_home / "published" / "quarantine").glob("*.parquet")])
    listed = dict(re.findall(r"(\w+) ([\d,]+)(?=[,)])", line))
    assert {name: int(n.replace(",", "")) for name, n in listed.items()} == dict(Counter(rows["extract"]))
    assert line.startswith(f"Refused: {len(rows):,} row")


def test_moves_in_the_summary_are_those_of_segment_moves(ran_home: Path):
    moves = of_day("segment_moves", ran_home)
    own = moves[~moves["cause_kind"].isin(RELABELS)]
    line = next(
        line for line in summary_of(ran_home) if "moved since the last Monday" in line or line.startswith("Moves")
    )
    counts = [int(n) for n in re.findall(r"(\d+) [a-z]", line)]
    assert sorted(counts) == sorted(own["direction"].value_counts().tolist())


def test_explain_quotes_what_is_published(ran_home: Path):
    """All that `explain` prints: sentences, conditions, treatment, moves, parts of scores, raw figures."""
    policy = list(values_of(load_policy().model_dump(mode="json")))
    names = (
        "segments", "segment_inputs", "account_profiles", "behavioral_scores", "expansion_scores", "value_scores",
        "score_contributions", "segment_states", "segment_moves",
    )  # fmt: skip
    now = {name: of_day(name, ran_home) for name in names}
    then = {name: of_day(name, ran_home, BEFORE) for name in ("segments", "score_contributions")}
    wrong = []
    for account in now["segments"]["account_id"]:
        own = {name: rows[rows["account_id"] == account] for name, rows in now.items()}
        old = {name: rows[rows["account_id"] == account] for name, rows in then.items()}
        pool = [*policy, 4.0]  # the four conditions of an archetype
        for rows in (*own.values(), *old.values()):
            pool += values_of(rows)
        pool += [float(v) for v in own["score_contributions"].groupby("score")["points"].sum()]
        pool += _differences(own, old)
        pool += _shortfalls(own, policy)
        texts = [
            str(own["segments"].iloc[0][c]) for c in ("account_name", "rule_id", "candidate_rule_id", "tier_rule_id")
        ]
        texts += [str(t) for t in own["segment_moves"]["cause_text"]] + [str(account)]
        texts += [str(own["segments"].iloc[0][c]) for c in ("segment_cause_text", "tier_cause_text")]
        result = call("explain", account, home=ran_home)
        assert result.exit_code == 0
        lines = without_names(result.stdout.splitlines(), *texts)
        wrong += [f"{account}: {each}" for each in unsupported(lines, pool)]
    assert wrong == []


def _differences(own: dict[str, pd.DataFrame], old: dict[str, pd.DataFrame]) -> list[float]:
    """The change of every figure since the day before."""
    pool = []
    for name, key in (("segments", ["account_id"]), ("score_contributions", ["account_id", "score", "part"])):
        both = own[name].merge(old[name], on=key, how="outer", suffixes=("", "_old"))
        for column in (c for c in own[name].select_dtypes("number") if f"{c}_old" in both):
            pool += [float(v) for v in (both[column].fillna(0) - both[f"{column}_old"].fillna(0))]
    return pool


def _shortfalls(own: dict[str, pd.DataFrame], bounds: list[float]) -> list[float]:
    """What a figure lacks to a bound of the policy, or to a cut of the day."""
    segment, inputs, value = (own[n].iloc[0] for n in ("segments", "segment_inputs", "value_scores"))
    cuts = [*bounds, *(float(inputs[c]) for c in ("strategic_cut", "top_cut") if pd.notna(inputs[c]))]
    held = [(segment, c) for c in ("arr", "expansion_score", "behavioral_score", "health_score")]
    held += [(inputs, "seat_activity"), (own["expansion_scores"].iloc[0], "lookalike")]
    pool = [b - float(row[c]) for row, c in held if pd.notna(row[c]) for b in cuts]
    tiers = ("cut_silver", "cut_gold", "cut_platinum")
    return pool + [float(value[c] - value["value"]) for c in tiers if pd.notna(value[c]) and pd.notna(value["value"])]


def test_status_quotes_what_is_there(ran_home: Path):
    """Tables per stage, their states, refused rows and shares: against the same command's JSON and the files."""
    words = json.loads(call("status", "--format", "json", home=ran_home).stdout)
    output = call("status", "--all", home=ran_home).stdout
    tables = words["tables"]
    assert {t["table"] for t in tables} == {spec.name for spec in CATALOGUE}
    for stage, group in pd.DataFrame(tables).groupby("stage"):
        line = next(line for line in output.splitlines() if line.startswith(f"{stage} "))
        counts = [int(n) for n in re.findall(r"(?<![\d-])\d+(?![\d-])", line)]
        assert counts == [len(group), *(n for n in (int((group["state"] == s).sum()) for s in STATES) if n)], line
    for table in tables:
        folder = ran_home / "published" / table["table"]
        days = sorted(path.name.partition("=")[2] for path in folder.glob("*=*"))
        assert table["latest"] == (days[-1] if days else None), table
    rows = pd.concat([pd.read_parquet(file) for file in (ran_home / "published" / "quarantine").glob("*.parquet")])
    refused = Counter(rows["extract"])
    assert {t["table"]: t["rows_quarantined"] for t in tables if t["rows_quarantined"]} == dict(refused)
    for name, count in refused.items():
        read = next(t["rows_read"] for t in tables if t["table"] == name)
        assert re.search(rf"^{name} +{count:,} +{read:,} +{count / read:.2%}", output, re.MULTILINE), name


STATES = ("fresh", "late", "stale", "missing", "failed")
"""In the order of the columns."""
