"""The business case: every line of the shipped case by hand, and what a broken file says."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from segmentation_assets.capacity.scenario import Audit, Scenario, ScenarioError, audit, read_scenario
from segmentation_assets.policy.model import load_policy

CASE = Path(__file__).parents[2] / "data" / "scenarios" / "coverage_case.yaml"
POLICY = load_policy()


def audited(scenario: Scenario) -> Audit:
    return audit(scenario, POLICY.coverage, POLICY.scenario)


@pytest.fixture(scope="module")
def case() -> Audit:
    return audited(read_scenario(CASE))


# (scope, figure, when) -> verdict, nearest computed value, stated less computed
EXPECTED = {
    ("company", "accounts", "before"): ("supported", 400, 0),
    ("company", "arr", "before"): ("supported", 20e6, 0),
    ("company", "csms", "before"): ("supported", 8, 0),
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
    ("company", "csms", "after"): ("supported", 8, 0),
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
    ("Long-Tail", "cost_to_serve_change", "after"): ("not checkable", None, None),
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


def test_what_a_stated_nrr_would_ask_of_the_open_tier(case: Audit) -> None:
    line = next(x for x in case.lines if x.figure == "nrr")
    assert "Long-Tail at 55.0%" in line.arithmetic  # 20.4 - 19.85 on 1


def test_company_row_sums_the_tiers(case: Audit) -> None:
    company = case.tiers[-1]
    assert company["arr_after"] == {"low": pytest.approx(24.10e6), "high": pytest.approx(24.10e6)}
    assert company["fte_by_ratio"] == pytest.approx(4 + 100 / 30 + 2 + 0.12)


def test_json_has_no_infinity(case: Audit) -> None:
    assert "inf" not in repr(case.to_dict()).lower().replace("'", "")


def minimal(**changes: object) -> dict[str, object]:
    tier = {"tier": "Core", "accounts": 10, "arr": 1000, "csms": 1}
    return {"name": "x", "totals": {"accounts": 10, "arr": 1000, "csms": 1}, "tiers": [tier], **changes}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (minimal(tiers=[]), "tiers"),
        ({"name": "x", "totals": {"accounts": 1, "arr": 1, "csms": 1}}, "tiers: Field required"),
        (minimal(extra=1), "extra"),
        (minimal(stated=[{"figure": "nrr", "value": 1.0}]), "when"),
        (minimal(stated=[{"figure": "arr", "tier": "Platin", "value": 1.0}]), "no tier 'Platin'"),
        (minimal(tiers=[{"tier": "Core", "accounts": -1, "arr": 1, "csms": 1}]), "accounts"),
        (minimal(stated=[{"figure": "wages", "value": 1.0}]), "figure"),
    ],
)
def test_a_broken_file_says_what_and_where(tmp_path: Path, data: dict[str, object], message: str) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(ScenarioError, match=message) as raised:
        read_scenario(file)
    assert str(file) in str(raised.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such file"):
        read_scenario(tmp_path / "none.yaml")


def test_tiers_that_do_not_add_up_to_the_totals() -> None:
    data = minimal(totals={"accounts": 12, "arr": 1000, "csms": 1})
    lines = audited(Scenario.model_validate(data)).lines
    assert [(x.figure, x.verdict, x.difference) for x in lines[:3]] == [
        ("accounts", "not supported", 2),
        ("arr", "supported", 0),
        ("csms", "supported", 0),
    ]


def test_an_nrr_that_the_stated_expansion_cannot_give() -> None:
    tier = {"tier": "Core", "accounts": 10, "arr": 1000, "csms": 1}
    tier |= {"nrr": {"after": 1.3}, "expansion": {"after": 200}}
    lines = audited(Scenario.model_validate(minimal(tiers=[tier]))).lines
    line = next(x for x in lines if x.figure == "nrr")
    assert (line.verdict, line.computed and line.computed.high) == ("not supported", pytest.approx(1.2))


@example([(1, 124.5, 0.0, 0.0)])
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
    claims = [x for x in case.lines if x.scope == "company"]
    assert {x.verdict for x in claims} == {"supported"}
