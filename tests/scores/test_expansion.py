from datetime import date
from math import ceil
from types import SimpleNamespace

import pytest
from hypothesis import given as always
from hypothesis import settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.value import ExpansionPolicy, ExpansionWeights
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.expansion import contributions
from tests.companies import Company, typed

POLICY = load_policy()
AS_OF = date(2026, 3, 31)


def scored(accounts, policy=POLICY.expansion, as_of=(AS_OF,)):
    """accounts: profile columns, with `size_class`."""
    rows = [{"as_of": AS_OF, "is_live": True} | account for account in accounts]
    sizes = [{n: row.get(n) for n in ("as_of", "account_id", "size_class")} for row in rows]
    profiles = [{n: v for n, v in row.items() if n != "size_class"} for row in rows]
    company = Company(
        POLICY.model_copy(update={"expansion": policy}), account_profiles=profiles, firmographic_scores=sizes
    )
    return company.table("expansion_scores", *as_of)


def by_account(table):
    return {row["account_id"]: SimpleNamespace(**row) for row in table.to_pyarrow().to_pylist()}


def crowd(count, prefix="p", **columns):
    """`count` accounts of 10 employees with ARR per employee of 1, 2, 3, ..."""
    return [{"account_id": f"{prefix}{i}", "arr": 10.0 * (i + 1), "employees": 10} | columns for i in range(count)]


def test_seats_by_hand():
    accounts = [
        {"account_id": "room", "arr": 1.0, "seats": 100, "employees": 1000},
        {"account_id": "full", "arr": 1.0, "seats": 500, "employees": 1000},
        {"account_id": "nobody_knows", "arr": 1.0, "seats": 10},
        {"account_id": "no_seats", "arr": 1.0, "employees": 1000},
        {"account_id": "nothing", "arr": 1.0, "seats": 0, "employees": 0},
    ]
    result = by_account(scored(accounts))
    facts = {a: (r.captured_seats, r.addressable_seats, r.expansion_potential) for a, r in result.items()}
    assert facts == {
        "room": (100, 400, 0.75),
        "full": (500, 500, 0),  # more than 40 % of the employees have a seat already
        "nobody_knows": (10, None, None),
        "no_seats": (None, 400, None),
        "nothing": (0, 0, None),
    }


def test_the_percentile_is_the_smallest_value_that_three_quarters_of_the_others_do_not_exceed():
    # ARR per employee 1 to 12. Eleven others: 75 % of 11 is 8.25, so their 9th value. For 1 to 9 that is 10, for
    # 10 to 12 it is 9.
    result = by_account(scored(crowd(12)))
    assert [result[f"p{i}"].arr_per_employee_p75 for i in range(12)] == [10] * 9 + [9] * 3
    # Four others (3 of them): the 4th value for 1 to 3, the 3rd for 4 and 5. One other: that one. None: unknown.
    result = by_account(scored(crowd(5)))
    assert [result[f"p{i}"].arr_per_employee_p75 for i in range(5)] == [4, 4, 4, 3, 3]
    result = by_account(scored(crowd(2)))
    assert [result[f"p{i}"].arr_per_employee_p75 for i in range(2)] == [2, 1]
    assert by_account(scored(crowd(1)))["p0"].arr_per_employee_p75 is None


def test_equals_are_each_left_out_once():
    result = by_account(scored([account | {"arr": 70.0} for account in crowd(6)]))
    assert {row.arr_per_employee_p75 for row in result.values()} == {7}
    assert {row.whitespace for row in result.values()} == {0}


def test_whitespace_by_hand():
    # 10 employees each; the 75th percentile of the others is 10 (100 in all), of the three largest 9.
    result = by_account(scored(crowd(12)))
    assert [result[f"p{i}"].whitespace for i in range(12)] == [90, 80, 70, 60, 50, 40, 30, 20, 10, 0, 0, 0]
    assert result["p0"].whitespace_score == pytest.approx(90)
    assert result["p11"].whitespace_score == 0


def test_an_account_far_above_its_peers_does_not_lift_its_own_bar():
    result = by_account(scored([*crowd(10), {"account_id": "huge", "arr": 1e6, "employees": 10}]))
    assert result["huge"].arr_per_employee_p75 == 8  # of 1 to 10: the 8th value
    assert result["p0"].arr_per_employee_p75 == 9  # of 2 to 10 and the huge one: the 8th value


def test_peers_are_industry_and_size_if_there_are_ten_others_else_size_else_all():
    software = crowd(11, "s", industry="software", size_class="smb")
    retail = crowd(10, "r", industry="retail", size_class="smb")
    enterprise = crowd(3, "e", industry="software", size_class="enterprise")
    nobody_knows = crowd(20, "n")
    no_industry = crowd(1, "x", size_class="smb")
    result = by_account(scored([*software, *retail, *enterprise, *nobody_knows, *no_industry]))
    facts = {a: (result[a].peer_group, result[a].peers) for a in ("s0", "r0", "e0", "n0", "x0")}
    assert facts == {
        "s0": ("software, smb", 10),
        "r0": ("smb", 21),  # nine other retailers; the size class has all 22, those of software included
        "e0": ("all", 44),
        "n0": ("all", 44),
        "x0": ("smb", 21),
    }


def test_peers_of_unknown_employees_do_not_count():
    # Ten software companies, one of them of unknown size: for the others, nine with employees are too few.
    software = crowd(10, "s", industry="software", size_class="smb")
    unknown = {"account_id": "u", "arr": 1e6, "industry": "software", "size_class": "smb"}
    zero = {"account_id": "z", "arr": 1e6, "employees": 0, "industry": "software", "size_class": "smb"}
    retail = crowd(5, "r", industry="retail", size_class="smb")
    result = by_account(scored([*software, unknown, zero, *retail]))
    assert (result["s0"].peer_group, result["s0"].peers, result["s0"].peers_with_employees) == ("smb", 16, 14)
    # The one of unknown size has ten others with employees; 75 % of them pay at most 8 an employee.
    row = result["u"]
    assert (row.peer_group, row.peers, row.peers_with_employees) == ("software, smb", 11, 10)
    assert (row.arr_per_employee_p75, row.whitespace, row.whitespace_score) == (8, None, None)
    assert result["z"].whitespace == 0


def test_lookalike_leaves_out_the_account_itself():
    # Of 5 accounts two expanded in the last 12 months: for those two, 1 of the 4 others; for the rest, 2 of 4.
    days = [date(2025, 4, 1), date(2026, 3, 31), date(2025, 3, 31), None, date(2020, 1, 1)]
    accounts = [account | {"last_expansion_on": day} for account, day in zip(crowd(5), days, strict=True)]
    result = by_account(scored(accounts))
    assert [result[f"p{i}"].lookalike for i in range(5)] == [0.25, 0.25, 0.5, 0.5, 0.5]
    assert {result[f"p{i}"].lookalike_lift for i in range(5)} == {1}  # all accounts are the peer group
    assert by_account(scored(crowd(1)))["p0"].lookalike is None


def test_lookalike_is_compared_with_all_other_accounts():
    # Software: 6 of 11 expanded; retail: none of 11. A software company that did not: 6 of 10 others, 6 of 21.
    grown = {"last_expansion_on": AS_OF}
    software = [a | (grown if i < 6 else {}) for i, a in enumerate(crowd(11, "s", industry="x", size_class="smb"))]
    retail = crowd(11, "r", industry="y", size_class="smb")
    result = by_account(scored([*software, *retail]))
    row = result["s10"]
    assert (row.lookalike, row.lookalike_base_rate) == (0.6, pytest.approx(6 / 21))
    assert row.lookalike_lift == pytest.approx(2.1)
    assert (result["r0"].lookalike, result["r0"].lookalike_lift) == (0, 0)
    nobody = by_account(scored(crowd(3)))["p0"]
    assert (nobody.lookalike, nobody.lookalike_base_rate, nobody.lookalike_lift) == (0, 0, None)


@pytest.mark.parametrize(
    ("users", "events", "score"),
    [
        (0.0, 0.0, 50),
        (0.5, 0.5, 100),
        (3.0, 0.5, 100),
        (-0.5, -0.9, 0),
        (0.1, -0.1, 50),
        (0.25, None, 75),
        (None, -0.25, 25),
        (None, None, None),
    ],
)
def test_trajectory(users, events, score):
    account = {"account_id": "a", "arr": 1.0, "users_trend_net": users, "events_trend_net": events}
    assert by_account(scored([account]))["a"].trajectory_score == (None if score is None else pytest.approx(score))


def test_score_by_hand_with_everything_known():
    accounts = [
        account | {"users_trend_net": 0.25, "events_trend_net": 0.25, "last_expansion_on": AS_OF}
        for account in crowd(11)
    ]
    row = by_account(scored(accounts))["p2"]
    # ARR 30 of 10 to 110: mid-rank 2.5 / 11. Trend +25 % -> 75. Of the ten others three quarters pay at most 9 an
    # employee (their 8th value), so whitespace is 60 of 90. All others expanded.
    assert row.arr_score == pytest.approx(2.5 / 11 * 100)
    points = (20 * 2.5 / 11, 30 * 0.75, 30 * 60 / 90, 20)
    assert (row.arr_points, row.trajectory_points, row.whitespace_points, row.lookalike_points) == pytest.approx(
        points
    )
    assert row.expansion_score == pytest.approx(sum(points))


def test_weights_of_what_is_unknown_go_to_the_rest():
    accounts = [{"account_id": a, "arr": arr} for a, arr in (("low", 1.0), ("high", 2.0))]
    result = by_account(scored(accounts))
    # ARR rank 20 and lookalike 20 (nobody expanded: 0) are left: half of 25 and of 75.
    assert (result["low"].expansion_score, result["high"].expansion_score) == (12.5, 37.5)
    assert (result["low"].trajectory_points, result["low"].whitespace_points) == (None, None)
    assert by_account(scored(accounts[:1]))["low"].expansion_score == 50  # the ARR rank of one account alone


def test_equal_arr_has_equal_rank():
    result = by_account(scored([account | {"arr": 7.0} for account in crowd(6)]))
    assert {row.arr_score for row in result.values()} == {50}


def test_churned_accounts_and_other_days_are_no_peers():
    gone = {"account_id": "gone", "arr": 0.0, "employees": 10, "is_live": False}
    other = [account | {"as_of": date(2026, 3, 30)} for account in crowd(9, "o")]
    result = by_account(scored([*crowd(3), gone, *other]))
    assert result.keys() == {"p0", "p1", "p2"}
    assert {row.peers for row in result.values()} == {2}


def test_a_lone_day_equals_a_backfill():
    days = [date(2026, 3, 23), date(2026, 3, 30), AS_OF]
    accounts = [
        account | {"as_of": day, "arr": account["arr"] + i, "last_expansion_on": date(2025, 3, 30)}
        for i, day in enumerate(days)
        for account in crowd(11 + i, industry="software", size_class="smb")
    ]
    together = scored(accounts, as_of=days).to_pyarrow().to_pylist()
    for day in days:
        alone = by_account(scored([a for a in accounts if a["as_of"] == day], as_of=(day,)))
        assert {r["account_id"]: SimpleNamespace(**r) for r in together if r["as_of"] == day} == alone


expanding = st.none() | st.sampled_from([date(2025, 6, 1), date(2024, 6, 1)])
accounts_at_random = st.lists(
    st.fixed_dictionaries(
        {
            "arr": st.integers(1, 50).map(float),
            "employees": st.none() | st.integers(0, 20),
            "seats": st.none() | st.integers(0, 30),
            "industry": st.sampled_from(["software", "retail", None]),
            "size_class": st.sampled_from(["smb", "enterprise", None]),
            "last_expansion_on": expanding,
            "users_trend_net": st.none() | st.floats(-1, 5),
            "events_trend_net": st.none() | st.floats(-1, 5),
        }
    ),
    min_size=1,
    max_size=40,
)


def naive(account, accounts, policy):
    """Peer group, percentile, whitespace and lookalike by plain loops."""
    size, industry = account["size_class"], account["industry"]
    everybody = [a for a in accounts if a is not account]
    same_size = [a for a in everybody if size and a["size_class"] == size]
    same = [a for a in same_size if industry and a["industry"] == industry]
    enough = (g for g in (same, same_size) if len([a for a in g if a["employees"]]) >= policy.min_peers)
    others = next(enough, everybody)
    ratios = sorted(a["arr"] / a["employees"] for a in others if a["employees"])
    p75 = ratios[ceil(0.75 * len(ratios)) - 1] if ratios else None
    truth = p75 is not None and account["employees"] is not None

    def share(of):
        grown = [a["last_expansion_on"] is not None and a["last_expansion_on"] > date(2025, 3, 31) for a in of]
        return sum(grown) / len(of) if of else None

    lookalike, base = share(others), share(everybody)
    return {
        "peers": len(others),
        "peers_with_employees": len(ratios),
        "arr_per_employee_p75": p75,
        "whitespace": max(p75 * account["employees"] - account["arr"], 0.0) if truth else None,
        "lookalike": lookalike,
        "lookalike_base_rate": base,
        "lookalike_lift": lookalike / base if base else None,
    }


@settings(max_examples=12, deadline=None)
@always(accounts=accounts_at_random)
def test_against_plain_loops_and_the_parts_sum(accounts):
    policy = POLICY.expansion.model_copy(update={"min_peers": 4})
    accounts = [account | {"account_id": f"a{i}"} for i, account in enumerate(accounts)]
    frame = scored(accounts, policy)
    result = by_account(frame)
    for account in accounts:
        row = vars(result[account["account_id"]])
        for name, value in naive(account, accounts, policy).items():
            to_the_cent = 0.005 + 1e-9 if name == "whitespace" else None
            assert row[name] == (None if value is None else pytest.approx(value, abs=to_the_cent)), name
        assert 0 <= row["expansion_score"] <= 100
    profiles = typed(
        AccountProfiles, [{"as_of": AS_OF, "account_id": a["account_id"], "arr": a["arr"]} for a in accounts]
    )
    parts = contributions(frame, profiles, policy).execute()
    sums = parts.groupby("account_id").points.sum()
    weights = parts.groupby("account_id").weight.sum()
    for account, row in result.items():
        assert sums[account] == pytest.approx(row.expansion_score, abs=1e-9)
        assert weights[account] == pytest.approx(1)


def test_weights_must_sum():
    with pytest.raises(ValueError, match="must sum to 100, they sum to 90"):
        ExpansionWeights(arr=20, trajectory=30, whitespace=30, lookalike=10)


def test_a_percentile_over_one_hundred_is_refused():
    values = POLICY.expansion.model_dump() | {"whitespace_percentile": 101}
    with pytest.raises(ValueError, match="less than or equal to 100"):
        ExpansionPolicy.model_validate(values)
