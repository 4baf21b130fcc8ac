"""What the policy of the analyses beside the KPIs refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from segmentation_assets.policy.model import Policy, load_policy


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("adoption", {"loved_from": 0.2, "untouched_up_to": 0.2}, "untouched_up_to must be below loved_from"),
        ("adoption", {"missing_cohorts": ["Power User"]}, "cannot be both"),
        ("adoption", {"loving_cohorts": []}, "at least 1 item"),
        ("csm", {"tier_weights": {"Strategic": 1, "Growth": 1, "Core": 1}}, "missing: Long-Tail"),
        ("csm", {"tier_weights": {"Strategic": 0, "Growth": 0, "Core": 0, "Long-Tail": 0}}, "at least one above 0"),
        ("data_quality", {"validity_weight": 40}, "must sum to 100, they sum to 110"),
        ("data_quality", {"worst_quarantined_share": 0}, "greater than 0"),
        ("traits", {"confidence": 1}, "less than 1"),
        ("renewals", {"quarters": 0}, "greater than or equal to 1"),
        ("goals", {"win_rate": 1.1}, "less than or equal to 1"),
        ("goals", {"expansion_target": 0}, "greater than 0"),
        ("reconciliation", {"tolerance_share": -0.1}, "greater than or equal to 0"),
        ("cohorts", {"usage_quarters": 0}, "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(section: str, values: dict[str, Any], message: str) -> None:
    data = load_policy().model_dump()
    with pytest.raises(ValidationError, match=message):
        Policy.model_validate(data | {section: data[section] | values})
