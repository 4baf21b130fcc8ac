"""Which accounts a filter keeps: by hand, and the rule that a filter only ever takes away."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.app.filters import Filters


def accounts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": ["a1", "a2", "a3", "a4"],
            "account_name": ["Zeta (EU)", None, "alpha", "Beta"],
            "segment": ["Strategic", "Growth", "At-Risk", "Growth"],
            "coverage_tier": ["Strategic", "Core", "Core", "Growth"],
            "micro_segment": ["stable", "at_risk", "at_risk", "advocate"],
            "csm_id": ["c1", None, "c2", "c1"],
            "arr": [900.0, 100.0, 100.0, 250.0],
            "health_score": [80.0, None, 20.0, 50.0],
            "days_to_renewal": pd.array([30, 31, None, -4], "Int64"),
        }
    )


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(), ["a1", "a4", "a2", "a3"]),
        (Filters(search=" ALPHA "), ["a3"]),
        (Filters(search="a2"), ["a2"]),
        (Filters(search="(eu"), ["a1"]),  # text, not a pattern
        (Filters(segments=("Growth",)), ["a4", "a2"]),
        (Filters(segments=("Growth",), tiers=("Core",)), ["a2"]),
        (Filters(micro_segments=("at_risk", "advocate")), ["a4", "a2", "a3"]),
        (Filters(csms=("c1",)), ["a1", "a4"]),
        (Filters(min_arr=100, max_arr=250), ["a4", "a2", "a3"]),
        (Filters(min_health=50), ["a1", "a4"]),
        (Filters(max_health=50), ["a4", "a3"]),
        (Filters(renews_within_days=30), ["a1", "a4"]),
        (Filters(search="nobody"), []),
    ],
)
def test_what_a_filter_keeps(filters: Filters, kept: list[str]):
    assert filters.of(accounts())["account_id"].tolist() == kept


@given(
    st.builds(
        Filters,
        search=st.text("aAZ24( ", max_size=3),
        segments=st.lists(st.sampled_from(["Strategic", "Growth", "At-Risk"])).map(tuple),
        min_arr=st.none() | st.floats(0, 1000),
        max_health=st.none() | st.floats(0, 100),
    )
)
def test_two_filters_keep_what_both_keep(filters: Filters):
    parts = [
        Filters(search=filters.search),
        Filters(segments=filters.segments),
        Filters(min_arr=filters.min_arr),
        Filters(max_health=filters.max_health),
    ]
    each = [set(part.of(accounts())["account_id"]) for part in parts]
    assert set(filters.of(accounts())["account_id"]) == set.intersection(*each)
