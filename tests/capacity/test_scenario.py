"""The business case: every line of the shipped case by hand, and what a broken file says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segmentation_assets.capacity.scenario.audit import Audit, audit
from segmentation_assets.capacity.scenario.model import Scenario
from segmentation_assets.capacity.scenario.reading import read_scenario
from segmentation_assets.cli.main import main
from segmentation_assets.policy.model import load_policy

CASE = Path(__file__).parents[2] / "data" / "scenarios" / "coverage_case.yaml"
POLICY = load_policy()


def audited(scenario: Scenario) -> Audit:
    return audit(scenario, POLICY.coverage, POLICY.targets, POLICY.scenario)


@pytest.fixture(scope="module")
def case() -> Audit:
    return audited(read_scenario(CASE, POLICY.scenario))


# (scope, figure, when) -> verdict, nearest computed value, stated less computed
EXPECTED = {
    ("company", "accounts", "before"): ("supported", 400, 0),
    ("company", "arr", "before"): ("supported", 20e6, 0),
    ("company", "accounts_per_csm", "before"): ("supported", 50, 0),
    # (10 x 1.10 + 6 x 1.00 + 3 x 0.95 + 1 x 0.85) / 20 = 20.70 / 20
    ("company", "nrr", "before"): ("not supported", 1.035, -0.015),
    ("company", "expansion", "before"): ("not supported", 1.24e6, 1.16e6),
    ("Strategic", "expansion_increment", ""): ("supported", 2.5e6, 0),
    ("Growth", "expansion_increment", ""): ("supported", 0.9e6, 0),
    ("Core", "expansion_increment", ""): ("supported", 60e3, 0),
    ("company", "expansion", "after"): ("not supported", 4.70e6, 60e3),
    # 4.70 / 1.24 - 1, although the two stated totals do give 4.76 / 2.40 - 1 = 98.3 %
    ("company", "expansion_growth", ""): ("not supported", 4.70 / 1.24 - 1, 0.98 - (4.70 / 1.24 - 1)),
    ("stated figures", "expansion_growth", ""): ("supported", 4.76 / 2.40 - 1, 0.98 - (4.76 / 2.40 - 1)),
    # 13.5 + 6.9 + 2.85 + 0.85 = 24.10 on 20
    ("company", "arr_growth", ""): ("not supported", 0.205, 0.195),
    ("stated figures", "arr_growth", ""): ("not supported", 0.238, 0.162),
    ("stated figures", "expansion_increment", ""): ("not supported", 3.46e6, -1.10e6),
    # 2.40 / 20 - 1.02 + 1 = 10 % lost; the tiers leave 13 % of Core's 3M and 0 to 1M of Long-Tail: 0.39 to 1.39 of 20
    ("stated figures", "churn_and_contraction", "before"): ("not supported", 1.39 / 20, 0.10 - 1.39 / 20),
    ("company", "csms", "after"): ("supported", 8, 0),
    ("company", "csms_change", "after"): ("implied", 0, None),
    # 60 accounts at 50 a CSM
    ("Long-Tail", "fte_freed", "after"): ("not supported", 1.2, 0.8),
    # 40/10 + 100/40 + 200/100 + 60/500 at the loosest
    ("company by ratio", "csms", "after"): ("not supported", 8.62, -0.62),
    ("Strategic", "churn_and_contraction", "before"): ("implied", 0.0, None),
    ("Strategic", "churn_and_contraction", "after"): ("implied", 0.0, None),
    ("Growth", "churn_and_contraction", "before"): ("implied", 0.0, None),
    ("Growth", "churn_and_contraction", "after"): ("implied", 0.0, None),
    ("Core", "churn_and_contraction", "before"): ("implied", 0.13, None),  # 8 % expanded, NRR 95 %
    ("Core", "churn_and_contraction", "after"): ("implied", 0.15, None),  # 10 % expanded, NRR 95 %
    ("Long-Tail", "churn_and_contraction", "after"): ("implied", 0.15, None),
    ("company", "churn_and_contraction", "before"): ("implied", 0.39 / 20, None),
    ("company", "churn_and_contraction", "after"): ("implied", (0.45 + 0.15) / 20, None),
    ("Long-Tail", "cost_to_serve_change", "after"): ("not checkable", None, None),
    # 1M / 60 = 16.7K an account, above Core's 3M / 200 = 15.0K
    ("Long-Tail", "arr_per_account", ""): ("questionable", 15_000, 1e6 / 60 - 15_000),
    # 1 - 13 % and 1 - 15 % lost, against the policy's 90 %
    ("Core", "grr", "before"): ("questionable", 0.87, 0.03),
    ("Core", "grr", "after"): ("questionable", 0.85, 0.05),
    # 8 CSMs before and after; the dedicated account executives are not among them
    ("Strategic", "headcount", "after"): ("questionable", None, None),
    # 24.1 / (20 x 1.02 = 20.4) - 1 = 18.1 %
    ("company", "arr_over_path", "after"): ("implied", 24.1 / 20.4 - 1, None),
}


def test_every_line_of_the_shipped_case(case: Audit) -> None:
    lines = {(line.scope, line.figure, line.when): line for line in case.lines}
    assert set(lines) == set(EXPECTED)
    assert len(lines) == len(case.lines)
    for key, (verdict, computed, difference) in EXPECTED.items():
        line = lines[key]
        assert line.verdict == verdict, key
        nearest = None
        if line.computed is not None:
            ends = [x for x in (line.computed.low, line.computed.high) if abs(x) != float("inf")]
            target = line.stated.low if line.stated else ends[0]
            nearest = min(ends, key=lambda x: abs(x - target))
        assert nearest == (None if computed is None else pytest.approx(computed, abs=1e-9)), key
        assert line.difference == (None if difference is None else pytest.approx(difference, abs=1e-6)), key


def test_what_does_not_go_together_is_said_with_its_arithmetic(case: Audit) -> None:
    lines = {(line.scope, line.figure, line.when): line.arithmetic for line in case.lines}
    assert lines["Long-Tail", "arr_per_account", ""].startswith("1M / 60, above Core's 3M / 200 = 15K: ")
    assert lines["Core", "grr", "after"] == "1 - churn and contraction of 15.0%; the target is the policy's"
    assert lines["Strategic", "headcount", "after"].startswith("account executive besides 3 CSMs: how many")
    assert lines["company", "arr_over_path", "after"].startswith("24.1M / (20M x 102.0% = 20.4M) - 1: ")


def test_tiers_in_order_with_sound_retention_and_csms_alone_are_not_questioned() -> None:
    tiers = [
        {"tier": "Growth", "accounts": 10, "arr": 1000.0, "csms": 1, "nrr": {"after": 1.0},
         "expansion": {"after": 0}},
        {"tier": "Core", "accounts": 10, "arr": 900.0, "csms": 1, "nrr": {"after": 0.95},
         "expansion": {"after": 0}},
    ]  # fmt: skip
    totals = {"accounts": 20, "arr": 1900.0, "csms": 2}
    stated = [{"figure": "csms", "when": "after", "value": 2}]
    case = audited(Scenario.model_validate({"name": "x", "totals": totals, "tiers": tiers, "stated": stated}))
    assert [line for line in case.lines if line.verdict == "questionable"] == []


def test_what_a_stated_nrr_would_ask_of_the_open_tier(case: Audit) -> None:
    line = next(x for x in case.lines if x.figure == "nrr")
    assert "Long-Tail at 55.0%" in line.arithmetic  # 20.4 - 19.85 on 1


def test_company_row_sums_the_tiers(case: Audit) -> None:
    company = case.tiers[-1]
    assert company["arr_after"] == {"low": pytest.approx(24.10e6), "high": pytest.approx(24.10e6)}
    assert company["fte_by_ratio"] == pytest.approx(4 + 100 / 30 + 2 + 0.12)


def test_json_has_no_infinity(case: Audit) -> None:
    words = case.to_dict()
    assert "inf" not in repr(words).lower().replace("'", "")
    company = words["tiers"][-1]
    assert company["nrr_before"] == {"low": 1.035, "high": None}
    assert company["nrr_after"] == {"low": 1.205, "high": 1.205}  # written as people would
    assert company["arr_after"] == {"low": 24_100_000.0, "high": 24_100_000.0}
    assert company["grr_after"] == {"low": 0.9275, "high": 0.97}  # 0.6 to 1.45 of 20M lost


def minimal(**changes: object) -> dict[str, object]:
    tier = {"tier": "Core", "accounts": 10, "arr": 1000, "csms": 1}
    return {"name": "x", "totals": {"accounts": 10, "arr": 1000, "csms": 1}, "tiers": [tier], **changes}


def test_tiers_that_do_not_add_up_to_the_totals() -> None:
    data = minimal(totals={"accounts": 12, "arr": 1000, "csms": 1})
    lines = audited(Scenario.model_validate(data)).lines
    assert [(x.figure, x.verdict, x.difference) for x in lines[:2]] == [
        ("accounts", "not supported", 2),
        ("arr", "supported", 0),
    ]


def test_an_nrr_that_the_stated_expansion_cannot_give() -> None:
    tier = {"tier": "Core", "accounts": 10, "arr": 1000, "csms": 1}
    tier |= {"nrr": {"after": 1.3}, "expansion": {"after": 200}}
    lines = audited(Scenario.model_validate(minimal(tiers=[tier]))).lines
    line = next(x for x in lines if x.figure == "nrr")
    assert (line.verdict, line.computed and line.computed.high) == ("not supported", pytest.approx(1.2))


@example([(1, 124.5, 0.0, 0.0)])
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.floats(1, 1e7), st.floats(0, 2), st.floats(0, 1)), min_size=1, max_size=6
    )
)
def test_figures_taken_from_the_parts_are_always_supported(parts: list[tuple[int, float, float, float]]) -> None:
    """Any number of tiers: state what the parts give, and nothing is found wrong but (perhaps) headcount."""
    tiers = [
        {
            "tier": f"T{i}", "accounts": n, "arr": arr, "csms": 1,
            "nrr": {"after": 1 + e - loss * min(1, 1 + e)}, "expansion": {"after": e * arr},
        }
        for i, (n, arr, e, loss) in enumerate(parts)
    ]  # fmt: skip
    arr = sum(t["arr"] for t in tiers)
    nrr = sum(t["arr"] * t["nrr"]["after"] for t in tiers) / arr
    stated = [
        {"figure": "nrr", "when": "after", "value": nrr},
        {"figure": "expansion", "when": "after", "value": sum(t["expansion"]["after"] for t in tiers)},
        {"figure": "arr_growth", "value": nrr - 1},
    ]
    totals = {"accounts": sum(t["accounts"] for t in tiers), "arr": arr, "csms": len(tiers)}
    case = audited(Scenario.model_validate({"name": "x", "totals": totals, "tiers": tiers, "stated": stated}))
    claims = [x for x in case.lines if x.scope == "company" and x.stated]
    assert {x.verdict for x in claims} == {"supported"}


# -- what a claim is about


def lines_of(*stated: dict[str, object], **changes: object) -> dict[tuple[str, str, str], tuple[str, object]]:
    """Verdict and computed value by (scope, figure, when), of two tiers with 40 and 60 of 100 accounts."""
    tiers = [
        {"tier": "A", "accounts": 40, "arr": 3000, "csms": 4, "nrr": {"before": 1.0, "after": 1.2},
         "expansion": {"before": 300, "after": 900}},
        {"tier": "B", "accounts": 60, "arr": 1000, "csms": 1, "nrr": {"before": 0.8, "after": 0.9},
         "expansion": {"before": 0, "after": 50}},
    ]  # fmt: skip
    data = {"name": "x", "totals": {"accounts": 100, "arr": 4000, "csms": 2}, "tiers": tiers, "stated": [*stated]}
    case = audited(Scenario.model_validate(data | changes))
    return {
        (x.scope, x.figure, x.when): (x.verdict, x.computed and (x.computed.low, x.computed.high)) for x in case.lines
    }


@pytest.mark.parametrize(
    ("claim", "computed"),
    [
        # A tier's own growth: 20 % of A, -10 % of B; 3600 + 900 - 4000 in all.
        ({"figure": "arr_growth", "tier": "A", "value": 0.2}, 0.2),
        ({"figure": "arr_growth", "tier": "B", "value": -0.1}, -0.1),
        ({"figure": "arr_growth", "value": 0.125}, 0.125),
        ({"figure": "arr_growth", "when": "before", "value": -0.05}, -0.05),
        ({"figure": "arr_after", "tier": "B", "value": 900}, 900),
        ({"figure": "arr", "when": "after", "tier": "A", "value": 3600}, 3600),
        ({"figure": "arr", "tier": "A", "value": 3000}, 3000),
        ({"figure": "expansion_growth", "tier": "A", "value": 2.0}, 2.0),
        # CSMs before are those of the totals, after those of the tiers.
        ({"figure": "csms", "when": "before", "value": 2}, 2),
        ({"figure": "csms", "when": "after", "value": 5}, 5),
        ({"figure": "accounts_per_csm", "when": "before", "value": 50}, 50),
        ({"figure": "accounts_per_csm", "when": "after", "value": 20}, 20),
        ({"figure": "accounts_per_csm", "tier": "A", "value": 10}, 10),
        # A expands 900 of 3000 at an NRR of 1.2: 10 % lost. B: 5 % expanded at 0.9, 15 %. (300 + 150) / 4000 in all.
        ({"figure": "grr", "when": "after", "tier": "A", "value": 0.9}, 0.9),
        ({"figure": "grr", "when": "after", "value": 0.8875}, 0.8875),
        ({"figure": "arr_share", "tier": "A", "value": 0.75}, 0.75),
        ({"figure": "accounts_share", "tier": "B", "value": 0.6}, 0.6),
    ],
)
def test_a_claim_is_held_against_what_it_is_about(claim: dict[str, object], computed: float) -> None:
    key = (str(claim.get("tier", "company")), str(claim["figure"]), str(claim.get("when", "")))
    verdict, value = lines_of(claim)[key]
    assert verdict == "supported"
    assert value == (pytest.approx(computed), pytest.approx(computed))
    off = claim | {"value": float(str(claim["value"])) * 1.1}
    assert lines_of(off)[key][0] == "not supported"


def test_csms_that_come_with_the_new_coverage_are_no_mistake_of_the_totals() -> None:
    lines = lines_of()
    assert ("company", "csms", "before") not in lines
    assert lines["company", "csms_change", "after"] == ("implied", (3, 3))


def test_nobody_knows_the_csms_of_a_tier_before() -> None:
    lines = lines_of({"figure": "csms", "when": "before", "tier": "A", "value": 1})
    assert lines["A", "csms", "before"] == ("not checkable", None)


def test_shares_of_all_tiers_are_the_whole() -> None:
    shares = [{"figure": "arr_share", "tier": t, "value": v} for t, v in (("A", 0.75), ("B", 0.35))]
    lines = lines_of(*shares)
    assert lines["B", "arr_share", ""] == ("not supported", (0.25, 0.25))
    assert lines["stated figures", "arr_share", ""] == ("not supported", (1, 1))  # 110 %


def test_more_lost_than_there_was() -> None:
    """A expands 30 % and ends at 20 %: 110 % would be gone."""
    tiers = [{"tier": "A", "accounts": 1, "arr": 100, "csms": 0, "nrr": {"after": 0.2}, "expansion": {"after": 30}}]
    lines = lines_of(tiers=tiers, totals={"accounts": 1, "arr": 100, "csms": 1})
    assert lines["A", "nrr", "after"] == ("not supported", (pytest.approx(0.3), pytest.approx(1.3)))
    assert ("A", "churn_and_contraction", "after") not in lines


def test_five_tiers_of_which_the_policy_knows_one_and_one_has_nothing() -> None:
    tiers = [{"tier": t, "accounts": 20, "arr": 100, "csms": 1} for t in ("Core", "X", "Y", "Z")]
    tiers.append({"tier": "empty", "accounts": 0, "arr": 0, "csms": 0, "fte_freed": 1})
    data = {"name": "x", "totals": {"accounts": 80, "arr": 400, "csms": 4}, "tiers": tiers}
    lines = audited(Scenario.model_validate(data)).lines
    ratio = next(x for x in lines if x.scope == "company by ratio")
    assert "20/100 by the policy's ratios = 0.20 FTE" in ratio.arithmetic
    assert "besides X, Y, Z, for which the policy has no ratio" in ratio.arithmetic
    assert next(x.verdict for x in lines if x.figure == "fte_freed") == "not supported"


# -- the command

HEAD = "name: x\ntotals: {accounts: 10, arr: 1000, csms: 1}\ntiers:\n"
TIER = "  - {tier: Core, accounts: 10, arr: 1000, csms: 1}\n"


def of_tier(*lines: str) -> str:
    """A file whose one tier, which starts in line 4, has these further lines from line 5 on."""
    return HEAD + "\n    ".join(["  - tier: Core", *lines]) + "\n"


def with_nrr(value: str) -> str:
    return of_tier("accounts: 10", "arr: 1", "csms: 1", f"nrr: {{after: {value}}}")


def stating(*claims: str) -> str:
    """The claims stand from line 6 on."""
    return HEAD + TIER + "stated:\n" + "".join(f"  - {{{claim}}}\n" for claim in claims)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (of_tier("accounts: 10", "arr: 10M", "csms: 1"), 6,
         "tiers.0.arr: Input should be a valid number, found '10M'; write a plain number such as 1200000 or 1.15"),
        (of_tier("accounts: 10", "arr: '1000'", "csms: 1"), 6, "tiers.0.arr: Input should be a valid number"),
        (of_tier("accounts: 10.5", "arr: 1000", "csms: 1"), 5, "tiers.0.accounts: Input should be a valid integer"),
        (of_tier("accounts: 10", "arr: -1", "csms: 1"), 6,
         "tiers.0.arr: Input should be greater than or equal to 0, found -1"),
        (of_tier("accounts: 10", "arr: 1000"), 4, "tiers.0.csms: key is missing"),
        (of_tier("acounts: 9", "accounts: 10", "arr: 1", "csms: 1"), 5, "tiers.0.acounts: unknown key, found 9"),
        (HEAD + TIER + TIER, 5, "tiers.1.tier: the tier stands twice, found 'Core'; give each tier one entry"),
        (HEAD + TIER + "name: y\n", 5, "name: the key stands twice"),
        (with_nrr("110 %"), 8, "tiers.0.nrr.after: Input should be a valid number, found '110 %'"),
        (with_nrr("110"), 8,
         "tiers.0.nrr.after: nrr is never above 10, found 110; write a ratio such as 1.10 for 110 %"),
        (with_nrr("{at_least: 2, at_most: 1}"), 8, "tiers.0.nrr.after: at_least 2.0 is above at_most 1.0"),
        (stating("figure: arr_growth, value: 0.4", "figure: nrr, value: 1.1"), 7,
         "stated.1: nrr needs `when: before` or `when: after`"),
        (stating("figure: arr, tier: Platin, value: 1"), 6, "stated.0.tier: no tier 'Platin'; the tiers are Core"),
        (stating("figure: arr_share, value: 1"), 6, "stated.0: arr_share needs a `tier`"),
        (stating("figure: wages, value: 1"), 6, "stated.0.figure: Input should be 'accounts'"),
        (stating("figure: grr, when: after, value: {at_most: -0.5}"), 6,
         "stated.0.value: grr is never below 0, found -0.5"),
        ("name: x\ntotals: [\n", 3, "not readable as YAML"),
        ("- a\n", 1, "expected a mapping of name, totals, tiers and stated, found list"),
        ("", 1, "expected a mapping of name, totals, tiers and stated, found nothing"),
        ("name: x\ntotals: {accounts: 1, arr: 1, csms: 1}\ntiers: []\n", 3, "tiers: List should have at least 1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, problem: str, form: str) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(text)
    result = command(tmp_path, str(file), "--format", form)
    assert result.exit_code == 1
    assert f"{file}:{line}: {problem}" in result.stderr
    assert result.stdout == ""


def test_one_tier_is_a_case_in_both_formats(tmp_path: Path) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(HEAD + TIER)
    table, json_ = (command(tmp_path, str(file), "--format", form) for form in ("table", "json"))
    assert (table.exit_code, json_.exit_code) == (0, 0)
    assert "company: accounts before: stated 10, computed 10" in table.stdout
    rows = json.loads(json_.stdout)
    assert [(x["figure"], x["verdict"]) for x in rows["audit"][:2]] == [
        ("accounts", "supported"),
        ("arr", "supported"),
    ]
    assert rows["tiers"][0]["fte_by_ratio"] == pytest.approx(0.1)


def test_no_file_is_wrong_use(tmp_path: Path) -> None:
    result = command(tmp_path, str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
    assert command(tmp_path, str(CASE), "--format", "xml").exit_code == 2


def command(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "scenario", *arguments])
