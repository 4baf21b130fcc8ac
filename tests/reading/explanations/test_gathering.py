"""Explanations name columns, scores and rules that there are."""

from __future__ import annotations

import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.segments import STRATEGIC_EVIDENCE, TIER_RULES, TIERS
from segmentation_assets.reading.explanations.gathering import (
    _SIGNS,
    FIGURES,
    TABLES,
    TREATMENT,
    _tier_rule,
)
from segmentation_assets.tables.contracts import ibis_schema

INPUTS = {"arr": 9e4, "strategic_cut": 8e4, "top_cut": 1.5e5, "expansion_score": 61.0, "lookalike": None}


def columns(table: str) -> set[str]:
    return set(ibis_schema(CATALOGUE[table].contract))


def test_what_is_shown_of_an_account_are_columns_of_the_catalogue():
    assert all(table in CATALOGUE for table in TABLES)
    assert {name for names in FIGURES.values() for name in names} <= columns("account_profiles")
    assert set(TREATMENT) <= columns("segments")


@pytest.mark.parametrize("rule", TIER_RULES, ids=lambda rule: rule.id)
def test_every_rule_of_the_tiers_has_words(rule):
    words = _tier_rule(rule.id, INPUTS, load_policy())
    assert "earlier" not in words
    assert ("begin at" in words) == (rule.tier == "Strategic")
    assert ("exit band" in words or "It stays" in words) == rule.is_kept


def test_rules_of_the_tiers_are_one_per_id_and_cover_every_tier():
    assert len({rule.id for rule in TIER_RULES}) == len(TIER_RULES)
    assert {rule.tier for rule in TIER_RULES} == set(TIERS)
    assert set(_SIGNS) | {"top_arr"} == set(STRATEGIC_EVIDENCE)


def test_a_rule_that_is_no_more_is_said_to_be_of_an_earlier_version():
    assert _tier_rule("platinum", INPUTS, load_policy()) == "ARR 90,000. A rule of an earlier version decided."
