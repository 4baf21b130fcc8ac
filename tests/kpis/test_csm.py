"""What CSMs are held to, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests.kpis.alone import Row, alone, at

DAY, THEN = date(2026, 3, 31), date(2025, 3, 31)


def _state(day: date, account: str, csm: str | None, arr: float = 100.0) -> Row:
    return {"as_of": day, "account_id": account, "csm_id": csm, "arr": arr}


def _period(account: str, start: float, end: float, tier: str = "Core") -> Row:
    movement = "churn" if end == 0 else "expansion" if end > start else "contraction" if end < start else "flat"
    return {
        "as_of": DAY, "account_id": account, "window_months": 12, "starts_on": THEN, "start_arr": start,
        "end_arr": end, "resumed_arr": 0.0, "retained_arr": min(start, end), "expansion_arr": max(end - start, 0.0),
        "movement": movement,
        "expansion_volume_arr": max(end - start, 0.0), "expansion_product_arr": 0.0, "start_tier": tier,
    }  # fmt: skip


def test_retention_belongs_to_who_covered_the_account_at_the_start() -> None:
    states = [
        _state(THEN, "a", "ann"), _state(THEN, "b", "ann"), _state(THEN, "c", "bob"),
        _state(DAY, "a", "bob", 300.0), _state(DAY, "c", "bob"),
    ]  # fmt: skip
    periods = [_period("a", 100.0, 300.0), _period("b", 100.0, 0.0), _period("c", 100.0, 100.0)]
    rows = alone("csm_performance", DAY, segments=states, account_periods=periods)
    ann, bob = at(rows, csm_id="ann"), at(rows, csm_id="bob")
    assert (ann["accounts"], ann["arr"], ann["start_accounts"]) == (0, 0, 2)
    assert (ann["nrr"], ann["grr"], ann["logo_retention"], ann["expansion_rate"]) == (1.5, 0.5, 0.5, 0.5)
    assert (bob["accounts"], bob["arr"], bob["start_accounts"], bob["nrr"]) == (2, 400, 1, 1)
    assert bob["peer_expansion"] == 1  # ann's 200 on 200
    assert (bob["expansion_vs_peers"], ann["peer_expansion"], ann["expansion_vs_peers"]) == (0, 0, None)


def test_top_tiers_weigh_more() -> None:
    states = [_state(THEN, "s", "ann"), _state(THEN, "l", "ann")]
    periods = [_period("s", 100.0, 150.0, "Strategic"), _period("l", 100.0, 0.0, "Long-Tail")]
    row = alone("csm_performance", DAY, segments=states, account_periods=periods)[0]
    # weights 3 and 0.5: (3 x 150) / 350, (3 x 100) / 350
    assert row["nrr"] == 0.75
    assert (row["weighted_nrr"], row["weighted_grr"]) == (pytest.approx(450 / 350), pytest.approx(300 / 350))


def test_only_csms_with_enough_accounts_are_ranked_and_nobody_is_no_peer() -> None:
    states, periods = [], []
    for csm, n, end in (("ann", 10, 120.0), ("bob", 10, 110.0), ("few", 9, 200.0), (None, 10, 500.0)):
        for i in range(n):
            states.append(_state(THEN, f"{csm}{i}", csm))
            periods.append(_period(f"{csm}{i}", 100.0, end))
    rows = alone("csm_performance", DAY, segments=states, account_periods=periods)
    assert {r["csm_id"]: (r["rank"], r["is_best"]) for r in rows} == {
        "ann": (1, True), "bob": (2, False), "few": (None, False), "unassigned": (None, False),
    }  # fmt: skip
    # bob 100 on 1000 and few 900 on 900
    assert at(rows, csm_id="ann")["peer_expansion"] == pytest.approx(1000 / 1900)
    assert at(rows, csm_id="few")["low_n"]


def test_why_there_is_no_retention() -> None:
    now = [_state(DAY, "a", "ann"), _state(DAY, "b", "bob")]
    assert {r["reason"] for r in alone("csm_performance", DAY, segments=now)} == {"no_history"}
    then = [_state(THEN, "a", "ann")]
    rows = alone("csm_performance", DAY, segments=now + then, account_periods=[_period("a", 100.0, 100.0)])
    assert (at(rows, csm_id="bob")["reason"], at(rows, csm_id="bob")["nrr"]) == ("no_accounts_at_start", None)
    assert at(rows, csm_id="ann")["reason"] is None
