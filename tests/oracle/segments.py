"""Segments in plain pandas from published scores, profiles and standings, each held by its own oracle.

Not here: where an account stands after many weeks (`segment_grid`, `segment_states`), which depends on the path.
"""

from __future__ import annotations

import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN, SEGMENTS, TIERS, over
from tests.oracle.revenue import money
from tests.oracle.scores import cohort_measures, freeze_day, holds, live, mid_ranks

TROUBLE = ("Dormant", "At Risk")


def _of(company: Company, table: str, names: list[str], ids: pd.Index) -> pd.DataFrame:
    return company.published(table).set_index("account_id")[names].reindex(ids)


def tier_cuts(company: Company) -> pd.DataFrame:
    """The ARR of the largest accounts on the last day of the previous quarter."""
    rules, day = POLICY["tier"], freeze_day(company)
    rows = company.published("account_revenue", day.date())
    rows = rows[rows["is_live"]]
    ranks = mid_ranks(rows["arr"])
    cuts = {
        name: rows["arr"][ranks >= 1 - rules[share] - 1e-12].min()
        for name, share in (("strategic_cut", "strategic_share"), ("top_cut", "top_share"))
    }
    return pd.DataFrame([{**cuts, "frozen_on": day, "ranked_accounts": len(rows)}])


def segment_inputs(company: Company) -> pd.DataFrame:
    """What the rules of segments and tiers read."""
    rows = live(company)
    cuts = tier_cuts(company).iloc[0]
    parts = [
        _of(company, table, names, rows.index)
        for table, names in (
            ("firmographic_scores", ["size_class"]),
            ("behavioral_scores", ["behavioral_cohort", "behavioral_score", "seat_activity"]),
            ("value_scores", ["value", "value_tier", "cut_silver", "cut_gold", "cut_platinum", "clv_percentile"]),
            ("needs_scores", ["needs_profile"]),
            ("expansion_scores", ["expansion_score", "lookalike"]),
            ("health_scores", ["health_score"]),
        )
    ]
    rounded = ["clv_percentile", "seat_activity", "behavioral_score", "health_score", "expansion_score", "lookalike"]
    result = pd.concat(parts, axis=1)
    unrounded = result["behavioral_score"]
    result[rounded] = result[rounded].astype(float).round(6)
    rules = POLICY["tier"]
    thresholds = (rules["long_tail_below_arr"], rules["growth_min_arr"], cuts["strategic_cut"])
    return result.assign(
        arr=rows["arr"],
        kept_cohorts=[_kept(one, unrounded[account]) for account, one in rows.iterrows()],
        strategic_sign=[_sign(one) for _, one in rows.iterrows()],
        strategic_cut=cuts["strategic_cut"],
        top_cut=cuts["top_cut"],
        arr_thresholds_reached=sum((rows["arr"] >= bound).astype(int) for bound in thresholds),
        usage_lag_days=rows["usage_lag_days"],
        risk_waits=(rows["usage_lag_days"] > POLICY["stability"]["max_usage_lag_days"]).fillna(False).astype(bool),
        renewal_on=rows["renewal_on"],
    ).reset_index()


def _kept(one: pd.Series, score: float) -> str | None:
    """The cohorts that the account would stay in, each followed by a stroke."""
    if pd.isna(one["usage_through"]):
        return None
    names, measures = "", cohort_measures(one, score)
    for cohort in POLICY["behavioral"]["cohorts"][:-1]:
        if cohort.get("after_onboarding") and one["lifecycle_stage"] == "onboarding":
            continue
        if any(holds(rule["all_of"], measures, is_member=True) for rule in cohort["any_of"]):
            names += f"{cohort['name']}|"
    return names


def _sign(one: pd.Series) -> str | None:
    for column, name in (
        ("is_multi_product", "multi_product"),
        ("is_multi_region", "multi_region"),
        ("is_reference", "reference"),
        ("has_strategic_influence", "strategic_influence"),
    ):
        if one[column] is True or one[column] == True:  # noqa: E712
            return name
    return None


def segments(company: Company) -> pd.DataFrame:
    """How each account is served, priced and addressed."""
    profiles = live(company)
    states = company.published("segment_states").set_index("account_id").reindex(profiles.index)
    rules = POLICY["treatment"]["segments"]
    rows = states.drop(columns="policy_hash")
    for table, names in (
        ("segment_inputs", ["arr", "size_class", "needs_profile"]),
        ("composite_scores", ["composite_score", "data_completeness"]),
        ("firmographic_scores", ["firmographic_score"]),
        ("behavioral_scores", ["behavioral_score"]),
        ("expansion_scores", ["expansion_score", "expansion_potential"]),
        ("health_scores", ["health_score", "weakest_dimension"]),
        ("churn_risk", ["churn_risk"]),
    ):
        rows = rows.join(_of(company, table, names, rows.index))
    keep = [
        "account_name",
        "primary_use_case",
        "lifecycle_stage",
        "region",
        "csm_id",
        "account_executive",
        "is_backcast",
    ]
    rows = rows.join(profiles[keep])
    derived = []
    for account, one in rows.iterrows():
        profile, care = profiles.loc[account], rules[one["segment"]]
        at_renewal = rules[one["segment_at_renewal"]]
        declining = _is_declining(profile)
        micro, reason = _micro_segment(one, profile, declining=declining)
        near = profile["days_to_renewal"] <= POLICY["micro_segment"]["override_renewal_within_days"]
        conflict = _conflict(one["coverage_tier"], care["agrees_with"])
        region = one["region"] if pd.notna(one["region"]) else POLICY["treatment"]["unknown_region"]
        named = [profile[name] if pd.notna(profile[name]) else "any" for name in ("industry", "primary_use_case")]
        derived.append(
            {
                "archetype_fit": _fit(one),
                "is_pending": one["candidate_segment"] != one["segment"],
                "is_tier_pending": one["candidate_tier"] != one["coverage_tier"],
                **_tier_traits(one, profile, declining=declining),
                "kind_of_care": POLICY["treatment"]["care_labels"][one["coverage_tier"]],
                "has_tier_conflict": conflict is not None,
                "tier_conflict": conflict,
                "micro_segment": micro,
                "micro_segment_reason": reason,
                "is_usage_declining": declining,
                "coverage_override": "high_touch" if declining and near else None,
                "overlay": None if named == ["any", "any"] else " x ".join(named),
                "go_to_market": care["go_to_market"],
                "message_track": care["message_track"],
                "care_tier": care["care_tier"],
                "pricing_model": at_renewal["pricing_model"],
                "territory": at_renewal["territory"].replace("{region}", region),
            }
        )
    return rows.join(pd.DataFrame(derived, rows.index)).reset_index()


def _fit(one: pd.Series) -> int:
    """How many conditions of the segment's typical account hold."""
    typical = POLICY["segment_rules"]["archetypes"][one["segment"]]

    def among(value: object, words: str) -> bool:
        return words not in typical or (value if pd.notna(value) else "unknown") in typical[words]

    behaves = among(one["behavioral_cohort"], "cohorts") or (
        typical.get("or_barely_used", False) and one["is_barely_used"]
    )
    value = among(one["value_tier"], "value_tiers") and among(one["expansion_level"], "expansion")
    if "worth_saving" in typical:
        value = value and one["is_worth_saving"] == typical["worth_saving"]
    size, needs = among(one["size_class"], "size_classes"), among(one["needs_profile"], "needs_profiles")
    return int(size) + int(behaves) + int(value) + int(needs)


def _tier_traits(one: pd.Series, profile: pd.Series, *, declining: bool) -> dict[str, object]:
    """Traits of the tier's typical account: shown, known and lacking; one that is not known is neither."""
    micro, rules, unknown = POLICY["micro_segment"], POLICY["tier_traits"], None
    ladder, expansion = profile["ladder_level"], one["expansion_score"]
    advanced = unknown if pd.isna(ladder) else ladder >= rules["advanced_use_from"]
    late = profile["overdue_days"] > micro["late_overdue_days"]
    if not late:
        late = unknown if pd.isna(profile["mean_days_late"]) else profile["mean_days_late"] >= micro["late_mean_days"]
    has_trend = pd.notna(profile["users_trend"]) or pd.notna(profile["events_trend"])
    shows = {
        "stable_usage": not declining if has_trend else unknown,
        "pays_on_time": unknown if late is unknown else not late,
        "healthy": unknown if pd.isna(one["health_score"]) else one["health_score"] >= micro["low_health_below"],
        "digital_first": unknown if pd.isna(profile["digital_first"]) else bool(profile["digital_first"]),
        "limited_expansion": unknown
        if pd.isna(expansion)
        else expansion < POLICY["tier"]["long_tail_expansion_score"]["enter"],
        "advanced_use": advanced,
        "basic_use": unknown if advanced is unknown else not advanced,
    }
    of_tier = {name: shows[name] for name in rules["tiers"][one["coverage_tier"]]}
    return {
        "tier_traits_shown": sum(bool(value) for value in of_tier.values()),
        "tier_traits_known": sum(value is not unknown for value in of_tier.values()),
        "tier_traits_lacking": ", ".join(n for n, value in of_tier.items() if value is not unknown and not value),
    }


def _conflict(tier: str, agrees_with: list[str]) -> str | None:
    if tier in agrees_with:
        return None
    is_below_all = all(TIERS.index(tier) > TIERS.index(other) for other in agrees_with)
    return "tier_gives_less" if is_below_all else "tier_gives_more"


def _has_base(profile: pd.Series) -> bool:
    rules = POLICY["micro_segment"]
    users = profile["active_users_prior_28d"]
    if pd.isna(users):
        return bool(profile["events_prior_28d"] >= rules["declining_min_events"])
    return bool(users >= rules["declining_min_users"])


def _is_declining(profile: pd.Series) -> bool:
    """Users or events fall faster than the company's, and fall at all."""
    if pd.isna(profile["usage_through"]) or not _has_base(profile):
        return False
    bound = POLICY["micro_segment"]["declining_trend"]
    return any(profile[f"{name}_trend_net"] <= bound and profile[f"{name}_trend"] < 0 for name in ("users", "events"))


def _micro_segment(one: pd.Series, profile: pd.Series, *, declining: bool) -> tuple[str, str]:
    rules = POLICY["micro_segment"]
    surges = profile["users_trend_net"] >= rules["surge_trend"] and profile["users_trend"] > 0
    late = (
        profile["overdue_days"] > rules["late_overdue_days"] or profile["mean_days_late"] >= rules["late_mean_days"]
    )
    pleased = profile["csat"] >= rules["satisfied_min_csat"] or profile["nps"] >= rules["satisfied_min_nps"]
    signals = {
        "at_risk": {
            "usage declining": declining,
            "negative sentiment": profile["sentiment"] < rules["negative_sentiment_below"],
            "late payments": late,
            "low health": one["health_score"] < rules["low_health_below"],
            **{f"cohort {name}": one["behavioral_cohort"] == name for name in TROUBLE},
            "segment At-Risk": one["segment"] == "At-Risk",
        },
        "expansion_ready": {
            "new champions": profile["new_champions"] >= rules["min_new_champions"],
            "adoption surge": surges and _has_base(profile),
            "competitor displaced": profile["competitor_displaced_90d"],
        },
        "advocate": {
            "satisfied and a good fit": pleased and one["firmographic_score"] >= rules["fit_min_firmographic_score"]
        },
    }
    for name in rules["order"]:
        present = [word for word, sign in signals[name].items() if pd.notna(sign) and bool(sign)]
        if present:
            return name, ", ".join(present)
    return "stable", ""


def segment_mix(company: Company) -> pd.DataFrame:
    """Accounts and ARR by segment."""
    rows = company.published("segments")
    result = []
    for segment in SEGMENTS:
        own = rows[rows["segment"] == segment]
        typical = int((own["archetype_fit"] == 4).sum())
        result.append(
            {
                "segment": segment,
                "accounts": len(own),
                "account_share": over(len(own), len(rows)),
                "arr": money(own["arr"]),
                "arr_share": over(money(own["arr"]), money(rows["arr"])),
                "typical_accounts": typical,
                "typical_share": typical / len(own) if len(own) else NAN,
                "pending_accounts": int(own["is_pending"].sum()),
            }
        )
    return pd.DataFrame(result)
