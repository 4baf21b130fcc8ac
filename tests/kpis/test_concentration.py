"""The weight of the largest accounts and of engaged use, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from math import exp, sqrt

import pytest

from tests.kpis.alone import Row, alone

DAY, THEN = date(2026, 3, 31), date(2025, 3, 31)


def _profile(account: str, arr: float, hours: float | None = None) -> Row:
    return {"as_of": DAY, "account_id": account, "arr": arr, "is_live": arr > 0, "csm_hours_12m": hours}


def _then(account: str, seat_activity: float | None, touches: int | None) -> Row:
    return {"as_of": THEN, "account_id": account, "mau_seat_share": seat_activity, "touches_90d": touches}


def _period(account: str, start: float, expansion: float) -> Row:
    return {
        "as_of": DAY, "account_id": account, "window_months": 12, "starts_on": THEN, "start_arr": start,
        "expansion_arr": expansion, "movement": "expansion" if expansion else "flat", "end_arr": start + expansion,
        "expansion_volume_arr": 0.0, "expansion_product_arr": expansion,
    }  # fmt: skip


def test_share_of_the_largest_tenth() -> None:
    profiles = (
        [_profile("big", 600.0, 30.0)] + [_profile(f"s{i}", 50.0, 5.0) for i in range(8)] + [_profile("x", 0.0)]
    )
    whitespace = [{"as_of": DAY, "account_id": "big", "whitespace": 300.0}]
    whitespace.append({"as_of": DAY, "account_id": "s1", "whitespace": 100.0})
    row = alone("concentration", DAY, account_profiles=profiles, expansion_scores=whitespace)[0]
    # a tenth of nine accounts rounds up to one; the half rounds down to four
    assert (row["accounts"], row["top_accounts"], row["bottom_accounts"]) == (9, 1, 4)
    assert (row["arr"], row["top_arr_share"], row["bottom_arr_share"]) == (1000, 0.6, 0.2)
    assert row["top_whitespace_share"] == 0.75
    assert (row["csm_hours"], row["top_csm_hours_share"]) == (70, pytest.approx(30 / 70))
    assert (row["top_hours_per_account"], row["bottom_hours_per_account"], row["top_to_bottom_hours"]) == (30, 5, 6)
    assert row["low_n"]


def test_a_tenth_of_thirty_is_three() -> None:
    row = alone("concentration", DAY, account_profiles=[_profile(f"a{i:02}", 1.0) for i in range(30)])[0]
    assert (row["top_accounts"], row["top_arr_share"]) == (3, pytest.approx(0.1))


def test_expansion_is_that_of_the_top_accounts_at_its_start() -> None:
    periods = [_period("was_big", 500.0, 60.0)] + [_period(f"s{i}", 10.0, 5.0) for i in range(8)]
    row = alone("concentration", DAY, account_profiles=[_profile("s1", 900.0)], account_periods=periods)[0]
    assert (row["expansion_arr"], row["start_top_expansion_share"]) == (100, 0.6)


def test_lift_of_engaged_use_and_its_interval() -> None:
    periods = [_period(f"e{i}", 10.0, 1.0 if i < 6 else 0.0) for i in range(10)]
    periods += [_period(f"o{i}", 10.0, 1.0 if i < 4 else 0.0) for i in range(20)]
    periods += [_period("unknown", 10.0, 1.0)]
    then = [_then(f"e{i}", 0.6, 3) for i in range(10)]
    then += [_then(f"o{i}", 0.9, 2) if i % 2 else _then(f"o{i}", 0.59, 9) for i in range(20)]
    then += [_then("unknown", None, 9)]
    row = alone("concentration", DAY, account_profiles=[_profile("e1", 1.0), *then], account_periods=periods)[0]
    assert (row["engaged_accounts"], row["engaged_expansion_rate"]) == (10, 0.6)
    assert (row["other_accounts"], row["other_expansion_rate"]) == (20, 0.2)
    half = 1.959964 * sqrt(1 / 6 - 1 / 10 + 1 / 4 - 1 / 20)
    assert row["expansion_lift"] == pytest.approx(3)
    assert row["expansion_lift_low"] == pytest.approx(3 * exp(-half))
    assert row["expansion_lift_high"] == pytest.approx(3 * exp(half))
    assert (row["expansion_lift_low_n"], row["expansion_lift_reason"]) == (False, None)


def test_why_there_is_no_lift() -> None:
    profiles = [_profile("a", 1.0)]
    assert alone("concentration", DAY, account_profiles=profiles)[0]["expansion_lift_reason"] == "no_history"
    periods = [_period("a", 1.0, 1.0), _period("b", 1.0, 0.0)]
    row = alone("concentration", DAY, account_profiles=profiles, account_periods=periods)[0]
    assert row["expansion_lift_reason"] == "no_accounts_to_compare"
    facts = [*profiles, _then("a", 1.0, 9), _then("b", 0.1, 0)]
    row = alone("concentration", DAY, account_profiles=facts, account_periods=periods)[0]
    assert (row["expansion_lift_reason"], row["expansion_lift"]) == ("nobody_expanded", None)
