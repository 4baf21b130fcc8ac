"""The page "Does it predict": what it says of rows worked out by hand, and what it says where nothing is known."""

from __future__ import annotations

from datetime import date

from segmentation_assets.reading.figures import in_currency
from segmentation_assets.report.executive import executive_page
from segmentation_assets.report.prediction import TABLES, last_quarter, prediction_page
from tests.report.worlds import evidence, segment

QUARTER = {
    "starts_on": date(2025, 12, 31), "ends_on": date(2026, 3, 31), "accounts": 395, "predicted_leavers": 9.34,
    "predicted_deviation": 2.96, "left_accounts": 12, "start_arr": 2e7, "predicted_arr_lost": 312_000.0,
    "predicted_arr_deviation": 150_000.0, "arr_lost": 401_000.0,
}  # fmt: skip
GROUP = {
    "window_months": 12, "grouping": "coverage_tier", "member": "Strategic", "windows": 1, "accounts": 40,
    "different_accounts": 40, "low_n": False, "left_accounts": 1, "churn_rate": 0.025, "churn_rate_low": 0.0,
    "churn_rate_high": 0.05, "start_arr": 1e7, "end_arr": 1.19e7, "nrr": 1.19, "nrr_low": 1.12, "nrr_high": 1.26,
    "grr": 0.97, "expansion_rate": 0.5, "confidence": 0.8,
}  # fmt: skip
SCORE = {
    "window_months": 3, "score": "churn_risk", "outcome": "left", "accounts": 1500, "different_accounts": 430,
    "events": 41, "auc": 0.843, "auc_low": 0.81, "auc_high": 0.88, "gini": 0.686, "top_accounts": 150,
    "top_events": 22.0, "lift": 5.37, "reason": None, "confidence": 0.8,
}  # fmt: skip
MODEL = {
    "is_trained": True, "reason": None, "accounts": 449, "account_windows": 2698, "leavers": 57, "test_windows": 5,
    "test_accounts": 1814, "test_leavers": 38, "predicted_leavers": 42.1, "auc": 0.849, "auc_low": 0.813,
    "auc_high": 0.889, "points_auc": 0.754, "brier": 0.02, "brier_of_mean": 0.021, "confidence": 0.8,
    "test_reason": None,
}  # fmt: skip
TERM = {
    "term": "seat_activity", "coefficient": -0.81, "later_coefficient": -1.92, "known_share": 0.894,
    "status": "fitted",
}  # fmt: skip


def page(**tables):
    return prediction_page(evidence(tables))


def test_what_last_quarters_report_said_and_what_happened():
    older = QUARTER | {"starts_on": date(2025, 9, 30), "ends_on": date(2025, 12, 31), "left_accounts": 99}
    with in_currency("USD"):
        said = last_quarter(evidence({"risk_backtest": [older, QUARTER]}))
        rows = page(risk_backtest=[older, QUARTER]).quarters
    assert said == (
        "On 31 Dec 2025 the churn risk said that 9.3 (± 3.0) of 395 accounts and $312.0k (± $150.0k) of ARR would "
        "leave. By 31 Mar 2026, 12 had left, with $401.0k."
    )
    assert [row.left for row in rows] == ["12", "99"]  # the newest first
    assert (rows[0].said, rows[0].lost_arr) == ("9.3 ± 3.0", "$401.0k")


def test_the_executive_page_says_it_in_one_sentence():
    with in_currency("USD"):
        whole = evidence({"segments": [segment()], "risk_backtest": [QUARTER]})
        assert executive_page(whole).last_quarter == last_quarter(whole)
        assert executive_page(evidence({"segments": [segment()]})).last_quarter == ""


def test_higher_tiers_are_compared_with_their_intervals():
    lowest = GROUP | {"member": "Long-Tail", "nrr": 0.87, "nrr_low": 0.8, "nrr_high": 0.94}
    company = GROUP | {"grouping": "company", "member": "company"}
    apart = page(segment_backtest=[lowest, GROUP, company]).sentences
    assert apart == (
        "Do higher tiers keep more? NRR of 12 months: Strategic 119.0% (112.0% to 126.0%), Long-Tail 87.0% (80.0% to "
        "94.0%), by the tier at the start. The intervals do not overlap: the difference is more than chance.",
    )
    (chance,) = page(segment_backtest=[lowest | {"nrr_high": 1.13}, GROUP]).sentences
    assert chance.endswith("The intervals overlap, so chance may explain the difference.")
    assert page(segment_backtest=[lowest | {"low_n": True}, GROUP]).sentences == ()


def test_groups_stand_in_their_order_with_their_number_of_accounts():
    rows = [GROUP | {"member": name} for name in ("Core", "Growth", "Strategic")]
    ((period, groups),) = page(segment_backtest=rows).groups
    assert (period, groups[0][0]) == ("12 months", "Coverage tier")
    assert [row.member for row in groups[0][1]] == ["Strategic", "Growth", "Core"]
    row = groups[0][1][0]
    assert (row.accounts, row.churn) == ("40", "2.5% (0.0% to 5.0%), 1 left")
    one = page(segment_backtest=[GROUP | {"nrr_low": None, "nrr_high": None}]).groups[0][1][0][1][0]
    assert one.nrr == "119.0% (interval not known)"


def test_a_score_that_cannot_be_judged_says_why():
    unknown = SCORE | {
        "score": "health_score", "auc": None, "auc_low": None, "auc_high": None, "gini": None, "lift": None,
        "top_accounts": None, "top_events": None, "reason": "few_events", "events": 2,
    }  # fmt: skip
    ((_, (risk, health)),) = page(score_backtest=[SCORE, unknown]).scores
    assert (risk.auc, risk.gini, risk.lift) == ("0.84 (0.81 to 0.88)", "0.69", "5.4 (22.0 of 150)")
    assert risk.accounts == "1,500, 41 left"
    assert (health.auc, health.lift) == ("not known: too few accounts left or stayed", "–")


def test_what_the_model_was_trained_on_and_how_it_did():
    table = page(churn_model_quality=[MODEL], churn_model=[TERM])
    assert table.model[0] == (
        "The churn model is trained on 2,698 accounts at the start of each past window (449 different), of which 57 "
        "left."
    )
    assert (
        "AUC 0.85 (0.81 to 0.89, 80% interval); the points rule alone has 0.75. 42.1 leavers were" in table.model[1]
    )
    assert (table.terms[0].term, table.terms[0].now, table.terms[0].known_share) == ("Seat activity", "−0.81", "89%")
    rule = MODEL | {"is_trained": False, "reason": "few_leavers", "auc": None, "test_reason": "no_test"}
    said = page(churn_model_quality=[rule]).model
    assert said[0].startswith("The points rule is in force, not a trained model: too few accounts left in the past")
    assert said[1].endswith("too few accounts had left before any window that could be predicted.")


def test_without_tables_the_page_says_what_is_missing():
    table = page()
    assert (table.sentences, table.groups, table.scores, table.model) == ((), (), (), ())
    assert table.gaps == tuple(f"{name} has not been made yet" for name in TABLES)


def test_effects_say_what_stands_behind_them():
    def effect(play: str, value: float | None, method: str, verdict: str) -> dict:
        return {
            "play_id": play, "outcome": "stayed", "method": method, "treated_accounts": 40, "compared_accounts": 30,
            "treated_mean": 0.9, "compared_mean": 0.8, "effect": value, "confidence": 0.95, "verdict": verdict,
            "effect_low": None if value is None else value - 0.05,
            "effect_high": None if value is None else value + 0.05,
        }  # fmt: skip

    rows = [
        effect("check_in", 0.1, "experiment", "raises"),
        effect("intervention", -0.02, "matched", "unclear"),
        effect("override", None, "matched", "too_small"),
    ]
    shown = page(play_effect=rows)
    assert [(row.effect, row.verdict, row.method) for row in shown.effects] == [
        ("+10.0 pp (+5.0 pp to +15.0 pp)", "higher with the play", "experiment: held back at random"),
        ("\N{MINUS SIGN}2.0 pp (\N{MINUS SIGN}7.0 pp to +3.0 pp)", "may be none", "matched, not proven"),
    ]
    assert shown.effects_lead == (
        "Of 3 plays on past lists, 1 had too few accounts to conclude; 1 play with an experiment. Intervals of 95% "
        "hold however often one looks."
    )
    assert page().effects_lead == ""
