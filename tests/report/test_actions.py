"""The next action that segment and weakest dimension of health call for."""

from __future__ import annotations

from segmentation_assets.policy.model import load_policy
from segmentation_assets.report.actions import next_action
from tests.report.worlds import segment

POLICY = load_policy()
ACTIONS = POLICY.next_actions


def test_the_weakest_dimension_decides():
    table = next_action(segment(segment="Efficient", weakest_dimension="outcome"), {"outcome_health": 30.0}, POLICY)
    assert (table.owner, table.action) == (
        ACTIONS.segments["Efficient"].outcome.owner,
        ACTIONS.segments["Efficient"].outcome.action,
    )
    assert table.why == "Efficient; weakest is outcome health 30"


def test_a_weakest_dimension_that_is_well_is_no_weakness():
    at, below = POLICY.health_bands.healthy_from, POLICY.health_bands.healthy_from - 0.01
    row = segment(segment="Strategic", weakest_dimension="product")
    assert next_action(row, {"product_health": at}, POLICY).action == ACTIONS.segments["Strategic"].healthy.action
    assert next_action(row, {"product_health": below}, POLICY).action == ACTIONS.segments["Strategic"].product.action


def test_an_override_comes_first_and_the_unknown_is_said():
    override = next_action(segment(coverage_override="high_touch", segment="Long-Tail"), {}, POLICY)
    assert override.action == ACTIONS.high_touch.action
    unknown = next_action(segment(segment="Growth", weakest_dimension=None), {}, POLICY)
    assert unknown.action == ACTIONS.segments["Growth"].unknown.action
    assert "no dimension of health is known" in unknown.why
