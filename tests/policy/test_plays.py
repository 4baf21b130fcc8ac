"""The catalogue of plays: what is refused, with its line, and which accounts a play covers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from segmentation_assets.policy.model import PolicyError, load_policy
from segmentation_assets.policy.plays import PLAY_KINDS, PlayEntry
from segmentation_assets.policy.segments import SEGMENTS, TIERS

DEFAULT = load_policy().plays
ENTRY = (
    "{id: one, kind: risk, play: call, owner: csm, trigger: this_week, title: Call, again_after_days: 9, "
    "reasons: [health]}"
)


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError) as error:
        load_policy(file)
    assert "mine.yaml:1" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("plays: {order: [renewal, override, onboarding, risk, growth]}", "order must name each of renewal"),
        ("plays: {urgency: {renewal: 1.5}}", "less than or equal to 1"),
        ("plays: {due_working_days: {risk: {Core: 0}}}", "greater than or equal to 1"),
        ("plays: {due_working_days: {sales: {Core: 1}}}", "plays.due_working_days.sales"),
        ("plays: {holdout_shares: {expansion: 0.1}}", "expansion is no play of the catalogue"),
        ("plays: {holdout_shares: {expansion_outreach: 1.1}}", "less than or equal to 1"),
        ("plays: {waits_for: {growth: [growth]}}", "a kind that others wait for must itself wait for none"),
        ("plays: {waits_for: {growth: [risk], risk: [override]}}", "waits_for.growth"),
        ("plays: {catalogue: []}", "at least 1 item"),
        (f"plays: {{catalogue: [{ENTRY}]}}", "no renewal play for Strategic in tier Strategic"),
        (f"plays: {{catalogue: [{ENTRY}, {ENTRY}]}}", "one stands twice"),
    ],
)
def test_a_catalogue_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, problem: str):
    assert problem in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"trigger": "before_renewal"}, "needs steps"),
        ({"steps": {30: "Call"}}, "needs a title, and no steps"),
        ({"again_after_days": None}, "or it would be due every week"),
        ({"trigger": "care"}, "leave out again_after_days"),
        ({"trigger": "segment_since"}, "must name its segments"),
        ({"trigger": "after_start", "title": None, "steps": {0: "Call"}}, "leave out again_after_days"),
        ({"owner": "somebody"}, "csm"),
        ({"reasons": []}, "at least 1 item"),
        ({"segments": []}, "at least 1 item"),
        ({"id": "One Two"}, "match pattern"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(change: dict, problem: str):
    with pytest.raises(ValueError, match=problem):
        PlayEntry.model_validate(yaml.safe_load(ENTRY) | change)


def test_an_entry_that_takes_all_hides_no_other(tmp_path: Path):
    entries = [entry.model_dump(mode="json") for entry in DEFAULT.catalogue]
    everybody = yaml.safe_load(ENTRY)
    place = next(i for i, entry in enumerate(entries) if entry["kind"] == "risk")
    text = yaml.safe_dump({"plays": {"catalogue": [*entries[:place], everybody, *entries[place:]]}})
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError, match="one has no condition, so no risk play after it is ever due"):
        load_policy(file)


def test_a_rhythm_of_care_that_no_tier_is_entitled_to_is_refused(tmp_path: Path):
    tiers = ", ".join(f"{tier}: [{{play: call, every_months: 1, hours: 1}}]" for tier in TIERS)
    assert "business_review, check_in counts from care" in refusal(tmp_path, f"care: {{plays: {{{tiers}}}}}")


def test_renewal_outreach_is_so_many_days_ahead():
    """SPEC: Strategic 180/120/60, Growth 120/60, Core and Efficient 90/30, Long-Tail 30 automated."""
    expected = {"Strategic": (180, 120, 60), "Growth": (120, 60), "Efficient": (90, 30), "Long-Tail": (30,)}
    for segment, days in expected.items():
        for tier in TIERS:
            assert _renewal(segment, tier).step_days == days
    assert _renewal("Long-Tail", "Long-Tail").owner == "automation"
    of_tier = {"Strategic": (180, 120, 60), "Growth": (120, 60), "Core": (90, 30), "Long-Tail": (90, 30)}
    for tier, days in of_tier.items():
        assert _renewal("At-Risk", tier).step_days == days


def _renewal(segment, tier) -> PlayEntry:
    return next(entry for entry in DEFAULT.catalogue if entry.kind == "renewal" and entry.covers(segment, tier))


def test_every_kind_has_a_play_and_no_holdout_is_on_by_default():
    assert {entry.kind for entry in DEFAULT.catalogue} == {*PLAY_KINDS}
    assert DEFAULT.holdout_shares == {}
    assert DEFAULT.order[:5] == ("renewal", "override", "onboarding", "risk", "growth")
    assert all(_renewal(segment, tier) for segment in SEGMENTS for tier in TIERS)
