from datetime import date
from math import isclose
from types import SimpleNamespace

import pytest
from hypothesis import given as always
from hypothesis import settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.value import ValueTierPolicy
from segmentation_assets.scores.value import (
    TIERS,
    AccountValue,
    contributions,
    days_of_cuts,
)
from segmentation_assets.tables.as_of import days_read
from segmentation_assets.tables.contracts import conform
from segmentation_assets.tables.registry import CATALOGUE
from tests.companies import Company

POLICY = load_policy()
AS_OF = date(2026, 3, 31)
FREEZE_DAY = date(2025, 12, 31)
KNOWN_COSTS = {"support_cost_12m": 5_000.0, "csm_cost_12m": 10_000.0, "custom_development_cost_12m": 0.0}
UNFROZEN = POLICY.value_tier.model_copy(update={"freeze_per_quarter": False})


def valued(profiles, tenures=(), lifetimes=(), as_of=AS_OF):
    rows = [{"as_of": as_of, "is_live": True, **p} for p in profiles]
    tenures, lifetimes = ([{"as_of": as_of, **row} for row in rows] for rows in (tenures, lifetimes))
    return values_at(rows, as_of, tenures=tenures, lifetimes=lifetimes)


def values_at(profiles, *days, tenures=(), lifetimes=(), policy=POLICY):
    company = Company(policy, account_profiles=profiles, account_tenures=tenures, clv_lifetimes=lifetimes)
    return company.table("account_value", *days)


def rows_of(table):
    return [SimpleNamespace(**row) for row in table.to_pyarrow().to_pylist()]


def by_account(table):
    return {row.account_id: row for row in rows_of(table)}


def one(profile, **more):
    return by_account(valued([{"account_id": "a", **profile}], **more))["a"]


def test_value_by_hand():
    # 100,000 x 1.1 - 15,000; 60 of 400 addressable seats (1,000 x 0.4) captured, half of them active: x 1.25.
    result = one(
        {
            "arr": 100_000.0,
            "nrr_12m": 1.1,
            "cost_to_serve": 15_000.0,
            **KNOWN_COSTS,
            "seats": 60,
            "employees": 1000,
            "mau_seat_share": 0.5,
        }
    )
    assert result.value_before_multiplier == pytest.approx(95_000)
    assert result.captured_share == pytest.approx(0.15)
    assert result.whitespace_multiplier == 1.25
    assert result.value == pytest.approx(118_750)
    assert not result.nrr_is_assumed
    assert not result.cost_is_assumed


@pytest.mark.parametrize("missing", sorted(KNOWN_COSTS))
def test_a_part_of_the_cost_that_nobody_tells_counts_zero_and_is_flagged(missing):
    """15,000 is what the known parts come to; value = 100,000 x 1 - 15,000, and somebody should know of the gap."""
    account = {"arr": 100_000.0, "nrr_12m": 1.0, "cost_to_serve": 15_000.0, **KNOWN_COSTS}
    result = one(account | {missing: None})
    assert (result.cost_used, result.value, result.cost_is_assumed) == (15_000, 85_000, True)
    assert not one(account).cost_is_assumed


@pytest.mark.parametrize(("nrr", "used"), [(0.0, 0.0), (2.0, 2.0), (2.5, 2.0), (0.4, 0.4)])
def test_nrr_is_clipped(nrr, used):
    result = one({"arr": 10_000.0, "nrr_12m": nrr, "cost_to_serve": 0.0})
    assert (result.nrr_used, result.value) == (used, used * 10_000)
    assert not result.nrr_is_assumed


def test_without_a_base_nrr_is_one_and_without_costs_cost_is_zero_and_both_are_flagged():
    result = one({"arr": 10_000.0})
    assert (result.nrr_used, result.cost_used, result.value) == (1, 0, 10_000)
    assert result.nrr_is_assumed
    assert result.cost_is_assumed


@pytest.mark.parametrize(
    ("change", "multiplier"),
    [
        ({}, 1.25),
        ({"seats": 120}, 1.0),  # 120 of 400 = 30 %: not less
        ({"seats": 119}, 1.25),
        ({"mau_seat_share": 0.39}, 1.0),
        ({"mau_seat_share": 0.40}, 1.25),
        ({"mau_seat_share": None}, 1.0),
        ({"employees": None}, 1.0),
        ({"seats": None}, 1.0),
        ({"cost_to_serve": 10_000.0}, 1.0),  # value 0
        ({"cost_to_serve": 10_001.0}, 1.0),  # value below 0 is not made worse
        ({"employees": 0, "seats": 0}, 1.0),
    ],
)
def test_the_premium_is_for_active_accounts_with_room_and_positive_value(change, multiplier):
    account = {"arr": 10_000.0, "nrr_12m": 1.0, "seats": 60, "employees": 1000, "mau_seat_share": 0.5}
    assert one(account | change).whitespace_multiplier == multiplier


def test_the_addressable_share_goes_by_industry():
    policy = POLICY.addressable.model_copy(update={"share_by_industry": {"Software": 0.8}})
    rows = [
        {"as_of": AS_OF, "is_live": True, "account_id": a, "arr": 1.0, "seats": 80, "employees": 200, "industry": i}
        for a, i in (("a", " software"), ("b", "retail"), ("c", None))
    ]
    result = values_at(rows, AS_OF, policy=POLICY.model_copy(update={"addressable": policy}))
    assert {a: r.captured_share for a, r in by_account(result).items()} == {"a": 0.5, "b": 1.0, "c": 1.0}


def test_clv_is_gross_margin_times_the_lifetime_of_cohort_and_tenure():
    smb = {"cohort": "smb", "method": "sBG", "is_flagged": False}
    lifetimes = [smb | {"tenure_years": 0, "derl": 3.0}, smb | {"tenure_years": 1, "derl": 4.0}]
    tenures = [{"account_id": a, "cohort": "smb", "renewals_made": n} for a, n in (("a", 0), ("b", 1), ("c", 1))]
    profiles = [
        {"account_id": "a", "arr": 1.0, "gross_margin": 1000.0},
        {"account_id": "b", "arr": 1.0, "gross_margin": -50.0},
        {"account_id": "c", "arr": 1.0},
    ]
    result = by_account(valued(profiles, tenures, lifetimes))
    assert (result["a"].clv, result["b"].clv) == (3000, -200)
    assert result["c"].clv is None
    # Mid-ranks of two: 0.5 / 2 and 1.5 / 2; who has no CLV has no rank and takes no place.
    assert (result["b"].clv_percentile, result["a"].clv_percentile) == (25, 75)
    assert result["c"].clv_percentile is None
    assert (result["a"].clv_method, result["a"].clv_is_flagged) == ("sBG", False)


def test_money_is_ranked_to_the_cent():
    # 0.1 + 0.2 and 0.3 are the same cost, however an engine added it up.
    result = by_account(
        valued([{"account_id": a, "arr": 50.0, "cost_to_serve": cost} for a, cost in (("a", 0.1 + 0.2), ("b", 0.3))])
    )
    assert result["a"].value == result["b"].value == 49.7
    assert {row.value_percentile for row in result.values()} == {50}


def test_churned_accounts_and_other_days_have_no_rows():
    rows = [
        {"as_of": AS_OF, "account_id": "live", "arr": 1.0, "is_live": True},
        {"as_of": AS_OF, "account_id": "churned", "arr": 0.0, "is_live": False},
        {"as_of": FREEZE_DAY, "account_id": "other_day", "arr": 1.0, "is_live": True},
    ]
    result = values_at(rows, AS_OF)
    assert by_account(result).keys() == {"live"}


def ranked(values_by_day):
    """account_value rows with their percentiles, by counting: {day: {account: value}}."""
    rows = []
    for day, values in values_by_day.items():
        for account, value in values.items():
            below = sum(v < value for v in values.values())
            equal = sum(v == value for v in values.values())
            percentile = (below + equal / 2) / len(values) * 100
            rows.append({"as_of": day, "account_id": account, "value": float(value), "value_percentile": percentile})
    return rows


def scores_at(ranked_values, *days, policy=POLICY.value_tier):
    company = Company(POLICY.model_copy(update={"value_tier": policy}), account_value=ranked_values)
    return company.table("value_scores", *days)


def tiers(values_by_day, policy=POLICY.value_tier, as_of=AS_OF):
    result = by_account(scores_at(ranked(values_by_day), as_of, policy=policy))
    return {a: r.value_tier for a, r in result.items()}


def numbered(values):
    return {f"a{i}": v for i, v in enumerate(values)}


def test_shares_of_ten_different_values():
    result = tiers({AS_OF: numbered(range(10))}, UNFROZEN)
    assert [result[f"a{i}"] for i in range(10)] == ["Bronze"] * 4 + ["Silver"] * 3 + ["Gold"] * 2 + ["Platinum"]


def test_equals_share_a_tier_where_the_cut_falls_between_them():
    # 10 accounts, the top two equal: mid-rank (8 + 1) / 10 = 0.9, both Platinum. The top three: 0.85, all Gold.
    assert tiers({AS_OF: numbered([*range(8), 8, 8])}, UNFROZEN)["a8"] == "Platinum"
    result = tiers({AS_OF: numbered([*range(7), 8, 8, 8])}, UNFROZEN)
    assert [result[a] for a in ("a7", "a8", "a9", "a6")] == ["Gold", "Gold", "Gold", "Silver"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, ["Silver"]),  # mid-rank 0.5
        (2, ["Bronze", "Gold"]),  # 0.25, 0.75
        (3, ["Bronze", "Silver", "Gold"]),  # 0.17, 0.5, 0.83
        (5, ["Bronze", "Bronze", "Silver", "Gold", "Platinum"]),  # 0.1, 0.3, 0.5, 0.7, 0.9
    ],
)
def test_fewer_than_ten_accounts(count, expected):
    result = tiers({AS_OF: numbered(range(count))}, UNFROZEN)
    assert [result[f"a{i}"] for i in range(count)] == expected


def test_all_equal_are_all_silver():
    assert set(tiers({AS_OF: numbered([7] * 25)}, UNFROZEN).values()) == {"Silver"}


def test_frozen_cuts_are_values_of_the_quarters_end():
    # Frozen: Platinum from 9, Gold from 7, Silver from 4.
    then = numbered(range(10))
    now = {"a0": 9, "new": 8.99, "a9": 6.99, "a8": 3.99, "a7": 100}
    result = by_account(scores_at(ranked({FREEZE_DAY: then, AS_OF: now}), AS_OF))
    assert {a: r.value_tier for a, r in result.items()} == {
        "a0": "Platinum", "new": "Gold", "a9": "Silver", "a8": "Bronze", "a7": "Platinum",
    }  # fmt: skip
    row = result["new"]
    assert (row.cut_platinum, row.cut_gold, row.cut_silver, row.frozen_on) == (9, 7, 4, FREEZE_DAY)
    # The score stays the rank of the day: 3rd of 5.
    assert row.value_score == 50


def test_unfrozen_the_days_own_ranks_decide():
    now = numbered(range(10, 20))
    rows = ranked({FREEZE_DAY: numbered(range(10)), AS_OF: now})
    result = by_account(scores_at(rows, AS_OF, policy=UNFROZEN))
    assert result["a0"].value_tier == "Bronze"
    assert (result["a0"].cut_platinum, result["a0"].frozen_on) == (19, None)
    assert set(tiers({FREEZE_DAY: numbered(range(10)), AS_OF: now}).values()) == {"Platinum"}


def test_an_account_does_not_move_because_others_did():
    then = numbered(range(10))
    crowd = {f"n{i}": 1000 + i for i in range(90)}
    before = tiers({FREEZE_DAY: then, AS_OF: then})
    after = tiers({FREEZE_DAY: then, AS_OF: then | crowd})
    assert {a: after[a] for a in then} == before


def test_a_company_younger_than_the_quarter_goes_by_its_own_ranks():
    result = by_account(scores_at(ranked({AS_OF: numbered(range(10))}), AS_OF))
    assert result["a9"].value_tier == "Platinum"
    assert result["a9"].frozen_on is None


def test_a_tier_that_nobody_reached_has_no_cut_until_the_next_quarter():
    result = by_account(scores_at(ranked({FREEZE_DAY: {"a": 1, "b": 2}, AS_OF: {"a": 1, "b": 50}}), AS_OF))
    assert result["b"].cut_platinum is None
    assert (result["b"].cut_gold, result["b"].cut_silver, result["b"].value_tier) == (2, 2, "Gold")


def test_the_freeze_day_itself_goes_by_the_quarter_before():
    # 31 December belongs to the fourth quarter, whose cut-offs are of 30 September.
    rows = ranked({date(2025, 9, 30): numbered(range(10)), FREEZE_DAY: {"a": 9}})
    assert by_account(scores_at(rows, FREEZE_DAY))["a"].value_tier == "Platinum"


def test_a_lone_day_equals_a_backfill():
    days = [date(2026, 2, 2), AS_OF, date(2026, 4, 6)]
    rows = ranked({FREEZE_DAY: numbered(range(12)), **{d: numbered(range(i, 15 + i)) for i, d in enumerate(days)}})
    together = rows_of(scores_at(rows, *days))
    for day in days:
        alone = by_account(scores_at(rows, day))
        assert {r.account_id: r for r in together if r.as_of == day} == alone


def test_account_value_of_a_lone_day_equals_a_backfill():
    days = [AS_OF, date(2026, 4, 6), date(2026, 4, 13)]
    rows = [
        {"as_of": day, "is_live": True, "account_id": f"a{i}", "arr": 100.0 * (i + j), "gross_margin": 50.0 - i}
        for j, day in enumerate(days)
        for i in range(6 + j)
    ]
    tenures = [
        {"as_of": r["as_of"], "account_id": r["account_id"], "cohort": "smb", "renewals_made": 0} for r in rows
    ]
    smb = {"cohort": "smb", "tenure_years": 0, "method": "sBG", "is_flagged": False}
    lifetimes = [smb | {"as_of": day, "derl": 3.0 + j} for j, day in enumerate(days)]

    def frame(*requests):
        return rows_of(values_at(rows, *requests, tenures=tenures, lifetimes=lifetimes))

    together = {(r.as_of, r.account_id): r for r in frame(*days)}
    assert len(together) == 6 + 7 + 8
    for day in days:
        assert {(r.as_of, r.account_id): r for r in frame(day)} == {k: r for k, r in together.items() if k[0] == day}


def test_the_days_that_are_read():
    assert list(days_of_cuts(is_frozen=True)(AS_OF)) == [FREEZE_DAY, AS_OF]
    assert list(days_of_cuts(is_frozen=False)(AS_OF)) == [AS_OF]
    look_back = next(i.reads for i in CATALOGUE["value_scores"].inputs if i.name == "account_value")
    for policy, days in ((POLICY.value_tier, [FREEZE_DAY, AS_OF]), (UNFROZEN, [AS_OF])):
        assert list(days_read(look_back, AS_OF, {ValueTierPolicy: policy})) == days


value_lists = st.lists(st.integers(-5, 30), min_size=1, max_size=40)


@settings(max_examples=15, deadline=None)
@always(values=value_lists)
def test_tiers_hold_their_shares_but_for_one_account_and_ties_and_never_fall_as_value_rises(values):
    result = tiers({AS_OF: numbered(values)}, UNFROZEN)
    by_rank = sorted(range(len(values)), key=lambda i: values[i])
    places = [TIERS.index(result[f"a{i}"]) for i in by_rank]
    assert places == sorted(places, reverse=True)
    for share, reached in ((0.1, 0), (0.3, 1), (0.6, 2)):
        members = sum(place <= reached for place in places)
        ties = max(values.count(v) for v in values)
        assert abs(members - share * len(values)) <= 0.5 + ties / 2
    for value in set(values):
        assert len({result[f"a{i}"] for i, v in enumerate(values) if v == value}) == 1


@settings(max_examples=15, deadline=None)
@always(values=value_lists)
def test_on_the_freeze_days_own_values_frozen_and_unfrozen_agree(values):
    then = numbered(values)
    assert tiers({FREEZE_DAY: then, AS_OF: then}) == tiers({AS_OF: then}, UNFROZEN)


money = st.floats(0, 1e7).map(lambda x: round(x, 2))
profile_rows = st.lists(
    st.fixed_dictionaries(
        {
            "arr": money,
            "nrr_12m": st.none() | st.floats(0, 5),
            "cost_to_serve": st.none() | money,
            "seats": st.none() | st.integers(0, 500),
            "employees": st.none() | st.integers(0, 5000),
            "mau_seat_share": st.none() | st.floats(0, 2),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=8, deadline=None)
@always(profiles=profile_rows)
def test_the_parts_sum_to_the_value_and_to_its_rank(profiles):
    frame = valued([p | {"account_id": f"a{i}"} for i, p in enumerate(profiles)])
    rows = by_account(frame)
    parts = contributions(frame).execute()
    sums = parts.groupby(["score", "account_id"]).points.sum()
    for account, row in rows.items():
        assert isclose(sums["value", account], row.value, abs_tol=1e-9 * max(1.0, row.arr))
        assert sums["value_score", account] == row.value_percentile
    assert parts.groupby("score").account_id.nunique().to_dict() == {"value": len(rows), "value_score": len(rows)}


@settings(max_examples=10, deadline=None)
@always(profiles=profile_rows, factor=st.floats(1, 3))
def test_more_arr_or_less_cost_is_never_worth_less(profiles, factor):
    variants = {
        AS_OF: {},
        date(2026, 4, 1): {"arr": lambda p: p["arr"] * factor},
        date(2026, 4, 2): {"cost_to_serve": lambda p: (p["cost_to_serve"] or 0) / factor},
    }
    rows = [
        p | {name: change(p) for name, change in changes.items()} | {"as_of": day, "account_id": f"a{i}"}
        for day, changes in variants.items()
        for i, p in enumerate(profiles)
    ]
    result = values_at([row | {"is_live": True} for row in rows], *variants)
    values = {(row.as_of, row.account_id): row.value for row in rows_of(result)}
    for (day, account), value in values.items():
        assert value >= values[AS_OF, account] - 1e-6, day


def test_the_functions_keep_to_their_contracts():
    result = valued([{"account_id": "a", "arr": 1.0}])
    assert conform(AccountValue, result).execute().shape[0] == 1


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("value_tier", {"platinum_share": 0.5, "gold_share": 0.4, "silver_share": 0.2}, r"sum to 1\.1, more than 1"),
        ("value", {"nrr_floor": 1.5}, "must be in ascending order"),
        ("value", {"nrr_ceiling": 0.5}, "must be in ascending order"),
        ("value", {"whitespace_multiplier": 0.8}, "greater than or equal to 1"),
        ("addressable", {"share_by_industry": {"Software": 0.5, "software ": 0.6}}, "stands twice: software"),
        ("addressable", {"default_share": 0}, "greater than 0"),
        ("lifetime", {"min_renewals": 1}, "greater than or equal to 2"),
        ("lifetime", {"discount_rate": 0}, "greater than 0"),
    ],
)
def test_what_the_policy_refuses(section, change, message):
    values = getattr(POLICY, section)
    with pytest.raises(ValueError, match=message):
        type(values).model_validate(values.model_dump() | change)
