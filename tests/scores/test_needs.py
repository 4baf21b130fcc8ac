"""Each needs rule, their order, and what counts as knowing nothing."""

from __future__ import annotations

from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.scores import NeedsPolicy
from segmentation_assets.scores.needs import contributions, needs_scores
from tests.companies import spine
from tests.scores.profiles import DAY, assert_sums, by_account, profiles, stored

POLICY = load_policy().needs
PLAIN = {"products": 1, "features_used": 4, "departments_active": 1, "lifecycle_stage": "established"}
DEEP = {**PLAIN, "integration_need": "deeply_integrated"}

CASES = {
    "no goal met": ({**PLAIN, "goals_due": 2, "goals_met": 0, "goals_met_share": 0.0}, "goals_missed"),
    "under a quarter met": ({**PLAIN, "goals_due": 5, "goals_met_share": 0.2}, "goals_missed"),
    "a quarter met": ({**PLAIN, "goals_due": 4, "goals_met_share": 0.25}, "otherwise"),
    "no goal due": ({**PLAIN, "goals_due": 0, "goals_met_share": None}, "otherwise"),
    "nothing in use": ({**PLAIN, "features_used": 0}, "nothing_in_use"),
    "nothing in use yet": ({**PLAIN, "features_used": 0, "lifecycle_stage": "onboarding"}, "otherwise"),
    "three products, goals missed": (
        {**PLAIN, "products": 3, "goals_due": 1, "goals_met_share": 0.0},
        "goals_missed",
    ),
    "three products": ({**PLAIN, "products": 3}, "many_products"),
    "two products, deep": ({**DEEP, "products": 2}, "products_deeply_integrated"),
    "two products": ({**PLAIN, "products": 2}, "second_product"),
    "deep, mandated, three departments": (
        {**DEEP, "decision_process": "executive_mandate", "departments_active": 3},
        "mandated_platform",
    ),
    "deep, committee, three departments": (
        {**DEEP, "decision_process": "committee", "departments_active": 3},
        "mandated_platform",
    ),
    "deep, champion, three departments": (
        {**DEEP, "decision_process": "champion", "departments_active": 3},
        "otherwise",
    ),
    "spreading": ({**PLAIN, "departments_active": 3, "feature_breadth_share": 0.5}, "spreading"),
    "wide but shallow": ({**PLAIN, "departments_active": 3, "feature_breadth_share": 0.49}, "otherwise"),
    "new and standalone": (
        {**PLAIN, "maturity": "new_to_category", "integration_need": "standalone", "primary_use_case": "x"},
        "new_and_standalone",
    ),
    "use case known": ({**PLAIN, "maturity": "new_to_category", "primary_use_case": "x"}, "known_use_case"),
    "replacing": ({**PLAIN, "maturity": "replacing_incumbent"}, "replacing_incumbent"),
    "only usage known": (PLAIN, "otherwise"),
    "only the decision process known": ({"products": 1, "decision_process": "champion"}, "otherwise"),
    "nothing but one product": ({"products": 1, "lifecycle_stage": "established"}, None),
    "nothing but two products": ({"products": 2}, "second_product"),
    "nothing but goals to come": ({"products": 1, "goals_due": 0}, None),
}

PROFILE_OF = {
    "goals_missed": ("Value not realized", 0),
    "nothing_in_use": ("Value not realized", 0),
    "many_products": ("Platform", 100),
    "products_deeply_integrated": ("Platform", 100),
    "mandated_platform": ("Platform", 100),
    "second_product": ("Expanding use case", 80),
    "spreading": ("Expanding use case", 80),
    "known_use_case": ("Specific use case", 60),
    "replacing_incumbent": ("Specific use case", 60),
    "new_and_standalone": ("Basic need", 40),
    "otherwise": ("Basic need", 40),
    None: (None, None),
}


def test_every_rule_its_profile_and_its_score():
    inputs = profiles({name: columns for name, (columns, _) in CASES.items()})
    result = by_account(needs_scores(inputs, spine(DAY), POLICY))
    for name, (_, rule) in CASES.items():
        row = result.loc[name]
        assert (name, row.needs_rule) == (name, rule)
        assert (row.needs_profile, row.needs_score) == PROFILE_OF[rule]


def test_every_rule_of_the_policy_is_tested():
    assert {rule.name for rule in POLICY.rules} == set(PROFILE_OF) - {"otherwise", None}


def test_the_first_rule_wins():
    values = POLICY.model_dump()
    values["rules"] = list(reversed(values["rules"]))
    reversed_policy = NeedsPolicy.model_validate(values)
    both = profiles({"a": {**PLAIN, "products": 3, "primary_use_case": "x"}})
    assert by_account(needs_scores(both, spine(DAY), POLICY)).needs_rule["a"] == "many_products"
    assert by_account(needs_scores(both, spine(DAY), reversed_policy)).needs_rule["a"] == "known_use_case"


def test_contributions_sum_and_name_the_rule():
    scores = stored(
        needs_scores(profiles({name: columns for name, (columns, _) in CASES.items()}), spine(DAY), POLICY)
    )
    long = contributions(scores, POLICY)
    assert_sums(scores, long, {"needs_score": "needs_score"})
    assert long.execute().set_index("account_id").raw_text["three products"] == "many_products"
