from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as always
from hypothesis import settings
from hypothesis import strategies as st
from scipy.special import hyp2f1

from segmentation_assets.extracts.contracts import CrmAccounts
from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.lifetime import (
    AccountTenures,
    account_tenures,
    clv_lifetimes,
    clv_parameters,
    cohort_renewals,
    fit_sbg,
    full_years,
    geometric_lifetime,
    residual_lifetimes,
)
from tests.companies import spine, typed

POLICY = load_policy()
AS_OF = date(2026, 3, 31)
# Fader and Hardie (2007), high-end segment: share of 1,000 customers left after 0 to 7 renewals, and the five
# years after that, which the fit on the first eight does not see.
SURVIVORS = [1000, 869, 743, 653, 593, 551, 517, 491]
NEXT_FIVE = [0.460, 0.436, 0.414, 0.395, 0.378]
CHURNED = [before - after for before, after in pairwise(SURVIVORS)]


def survival(alpha, beta, years):
    shares = [1.0]
    for t in range(1, years + 1):
        shares.append(shares[-1] * (beta + t - 1) / (alpha + beta + t - 1))
    return shares


def test_the_fit_gives_the_published_parameters_and_projection():
    alpha, beta = fit_sbg(SURVIVORS[:-1], CHURNED)
    assert (alpha, beta) == pytest.approx((0.668, 3.806), abs=5e-4)
    assert survival(alpha, beta, 12)[8:] == pytest.approx(NEXT_FIVE, abs=5e-4)


@pytest.mark.parametrize(
    ("at_risk", "churned"),
    [
        ([50, 50], [0, 0]),
        ([50], [50]),
        ([50, 40, 30], [5, 0, 0]),  # whoever stays, stays for good: alpha and beta run to 0
    ],
)
def test_counts_without_a_fit(at_risk, churned):
    with pytest.raises(ValueError, match="nobody renewed, or nobody left after the first renewal"):
        fit_sbg(at_risk, churned)


def test_churn_that_does_not_fall_is_a_constant_rate():
    # 10 % at each renewal, and a rising rate: no spread between accounts to be seen, so the pooled rate holds.
    alpha, beta = fit_sbg([1000, 900, 810], [100, 90, 81])
    assert alpha / (alpha + beta) == pytest.approx(0.1, abs=1e-4)
    alpha, beta = fit_sbg([1000, 950, 850], [50, 100, 150])
    assert alpha / (alpha + beta) == pytest.approx(300 / 2800, abs=1e-3)


@settings(max_examples=25, deadline=None)
@always(alpha=st.floats(0.2, 5), beta=st.floats(0.5, 20))
def test_the_fit_finds_the_parameters_that_made_the_counts(alpha, beta):
    faced = [1e6 * share for share in survival(alpha, beta, 10)]
    churned = [before - after for before, after in pairwise(faced)]
    result = survival(*fit_sbg(faced[:-1], churned), 10)
    assert result == pytest.approx(survival(alpha, beta, 10), abs=1e-4)


@settings(max_examples=50, deadline=None)
@always(alpha=st.floats(0.05, 50), beta=st.floats(0.05, 50), rate=st.floats(0.02, 0.5))
def test_residual_lifetime_equals_the_closed_form_and_rises_with_tenure(alpha, beta, rate):
    result = residual_lifetimes(alpha, beta, rate, 6)
    closed = [
        (beta + n) / (alpha + beta + n) * hyp2f1(1, beta + n + 1, alpha + beta + n + 1, 1 / (1 + rate))
        for n in range(6)
    ]
    assert result == pytest.approx(closed, rel=1e-7)
    assert result == sorted(result)


def test_the_first_future_payment_is_not_discounted():
    # Nobody leaves (beta >> alpha): 1 + 1/1.1 + 1/1.21 + ... = 11.
    assert residual_lifetimes(1e-9, 1e3, 0.10, 1)[0] == pytest.approx(11)
    # Constant retention r: r x (1 + r/1.1 + ...) = r / (1 - r / 1.1).
    assert residual_lifetimes(2e8, 8e8, 0.10, 1)[0] == pytest.approx(0.8 / (1 - 0.8 / 1.1))


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        (date(2024, 1, 15), date(2025, 1, 14), 0),
        (date(2024, 1, 15), date(2025, 1, 15), 1),
        (date(2024, 1, 15), date(2027, 1, 14), 2),
        (date(2024, 2, 29), date(2025, 2, 28), 0),
        (date(2024, 2, 29), date(2025, 3, 1), 1),
        (date(2024, 2, 29), date(2028, 2, 29), 4),
        (date(2024, 5, 1), date(2024, 5, 1), 0),
    ],
)
def test_full_years(start, end, years):
    rows = typed(AccountTenures, [{"first_paid_on": start, "as_of": end}])
    assert full_years(rows.first_paid_on, rows.as_of).execute().tolist() == [years]


def tenures(accounts, as_of=AS_OF, crm=None):
    """accounts: id -> (first_paid_on, churned_on)."""
    revenue = [
        {"as_of": as_of, "account_id": a, "first_paid_on": start, "churned_on": end, "is_live": end is None}
        for a, (start, end) in accounts.items()
    ]
    truth = crm if crm is not None else [{"account_id": a, "employees": 50} for a in accounts]
    return account_tenures(
        spine(as_of), typed(AccountRevenue, revenue), typed(CrmAccounts, truth), POLICY.firmographic
    )


def by_account(table):
    return {row.account_id: row for row in table.execute().replace({np.nan: None}).itertuples()}


def test_an_account_is_at_its_first_renewal_on_the_anniversary():
    result = by_account(
        tenures(
            {
                "left_on_the_day": (date(2025, 3, 31), AS_OF),
                "left_a_day_early": (date(2025, 3, 31), date(2026, 3, 30)),
                "stayed": (date(2025, 3, 31), None),
                "not_there_yet": (date(2025, 4, 1), None),
                "left_in_second_year": (date(2023, 1, 1), date(2024, 7, 1)),
                "left_right_after_renewal": (date(2023, 1, 1), date(2024, 1, 2)),
            }
        )
    )
    facts = {a: (r.renewals_due, r.left_in_year, r.renewals_made) for a, r in result.items()}
    assert facts == {
        "left_on_the_day": (1, 1, 0),
        "left_a_day_early": (1, 1, 0),
        "stayed": (1, None, 1),
        "not_there_yet": (0, None, 0),
        "left_in_second_year": (3, 2, 1),
        "left_right_after_renewal": (3, 2, 1),
    }


def test_the_cohort_is_the_size_class_known_then():
    crm = [
        {"account_id": "grew", "employees": 50, "known_to": date(2026, 1, 1)},
        {"account_id": "grew", "employees": 900, "known_from": date(2026, 1, 1)},
        {"account_id": "large", "annual_revenue": 9e8},
    ]
    accounts = {a: (date(2020, 1, 1), None) for a in ("grew", "large", "nobody_knows")}
    now = {a: r.cohort for a, r in by_account(tenures(accounts, crm=crm)).items()}
    assert now == {"grew": "mid_market", "large": "enterprise", "nobody_knows": "unknown"}
    before = by_account(tenures(accounts, date(2025, 12, 31), crm=crm))
    assert before["grew"].cohort == "smb"


def test_trials_have_no_tenure():
    assert by_account(tenures({"trial": (None, None), "paid": (date(2026, 1, 1), None)})).keys() == {"paid"}


def renewals(rows, as_of=AS_OF):
    """rows: (cohort, renewals_due, left_in_year, accounts)."""
    accounts = [
        {"as_of": as_of, "cohort": c, "renewals_due": due, "left_in_year": left, "account_id": f"{c}{due}{left}{i}"}
        for c, due, left, count in rows
        for i in range(count)
    ]
    return cohort_renewals(spine(as_of), typed(AccountTenures, accounts))


def test_renewal_counts_by_hand():
    # Due 3: one stayed, one left in year 1, one in year 3. Due 1: two stayed, one left in year 2 (not due yet).
    result = renewals(
        [("smb", 3, None, 1), ("smb", 3, 1, 1), ("smb", 3, 3, 1), ("smb", 1, None, 2), ("smb", 1, 2, 1)]
    )
    rows = result.order_by("renewal_year").execute()
    assert rows.renewal_year.tolist() == [0, 1, 2, 3]
    assert rows.at_risk.tolist() == [6, 6, 2, 2]
    assert rows.churned.tolist() == [0, 1, 0, 1]


def test_an_early_leaver_waits_for_those_that_started_with_it():
    # Left in month 3 of its second year, which is not over at as_of: neither at risk nor churned in year 2.
    rows = renewals([("smb", 1, 2, 1)]).execute()
    assert rows[rows.renewal_year > 1].empty
    assert rows.churned.sum() == 0


def counts(rows, as_of=AS_OF):
    """rows: (cohort, renewal_year, at_risk, churned)."""
    return pd.DataFrame(
        [(as_of, *row) for row in rows], columns=["as_of", "cohort", "renewal_year", "at_risk", "churned"]
    )


def published(cohort="smb"):
    rows = [(cohort, t + 1, SURVIVORS[t], CHURNED[t]) for t in range(7)]
    return [(cohort, 0, 1000, 0), *rows]


def parameters(rows):
    return clv_parameters(counts(rows), POLICY.lifetime).set_index("cohort")


def test_parameters_of_the_published_case():
    result = parameters(published()).loc["smb"]
    assert (result.alpha, result.beta) == pytest.approx((0.668, 3.806), abs=5e-4)
    assert (result.accounts, result.renewal_years, result.renewals, result.churned) == (1000, 7, 4417, 509)
    assert result.churn_rate == pytest.approx(509 / 4926)
    assert (result.method, bool(result.is_flagged)) == ("sBG", False)


@pytest.mark.parametrize(
    ("accounts", "years", "method"), [(29, 3, "churn_rate"), (30, 2, "churn_rate"), (30, 3, "sBG")]
)
def test_a_fit_needs_thirty_accounts_and_three_renewals(accounts, years, method):
    rows = [("smb", 0, accounts, 0), *(("smb", t, 20 - 2 * t, 2) for t in range(1, years + 1))]
    result = parameters(rows).loc["smb"]
    assert result.method == method
    assert bool(result.is_flagged) == (method != "sBG")
    assert pd.isna(result.alpha) == (method != "sBG")


def test_without_a_fit_a_constant_churn_rate_discounted_over_seven_years():
    result = parameters(
        [
            ("smb", 0, 10, 0), ("smb", 1, 10, 5),
            ("enterprise", 0, 20, 0), ("enterprise", 1, 20, 1),
            ("mid_market", 0, 500, 0), ("mid_market", 1, 500, 0), ("mid_market", 2, 400, 0),
            ("mid_market", 3, 300, 0),
            ("unknown", 0, 3, 0),
        ]
    )  # fmt: skip
    # Sum of r^t / 1.1^(t - 1) over t = 1 to 7 = r x (1 - (r / 1.1)^7) / (1 - r / 1.1).
    assert result.expected_years.to_dict() == {
        "smb": pytest.approx(0.912992, abs=1e-6),  # r = 0.5: 0.5 x 0.995991 / 0.545455
        "enterprise": pytest.approx(4.470110, abs=1e-6),  # r = 0.95: 0.95 x 0.641643 / 0.136364
        "mid_market": pytest.approx(5.355261, abs=1e-6),  # nobody ever left, no fit: 0.486842 / 0.090909
        # nothing due: the company's 6 of 1,230, r = 0.995122
        "unknown": pytest.approx(5.261502, abs=1e-6),
    }
    assert result.method.to_dict() == {
        "smb": "churn_rate",
        "enterprise": "churn_rate",
        "mid_market": "churn_rate",
        "unknown": "company_churn_rate",
    }
    assert result.is_flagged.all()


def test_a_cohort_without_renewals_takes_the_companys_churn_rate():
    result = parameters([("smb", 0, 4, 0), ("smb", 1, 4, 2), ("enterprise", 0, 4, 0)])
    assert result.loc["enterprise", "expected_years"] == result.loc["smb", "expected_years"]
    assert pd.isna(result.loc["enterprise", "churn_rate"])


def test_a_company_without_renewals_takes_the_cap():
    result = parameters([("smb", 0, 400, 0)]).loc["smb"]
    assert (result.method, result.expected_years) == ("cap", pytest.approx(5.355261, abs=1e-6))


def test_all_left_is_no_fit():
    result = parameters([("smb", 0, 40, 0), ("smb", 1, 40, 40), ("smb", 2, 0, 0), ("smb", 3, 0, 0)]).loc["smb"]
    assert (result.renewal_years, result.method, result.expected_years) == (1, "churn_rate", 0)


def test_lifetimes_with_and_without_a_fit_are_comparable():
    # Counts of a constant rate of 10 %: over very many years both are r / (1 - r / 1.1) = 4.95.
    alpha, beta = fit_sbg([1000, 900, 810], [100, 90, 81])
    fitted = residual_lifetimes(alpha, beta, 0.10, 1)[0]
    assert geometric_lifetime(0.10, 0.10, 200) == pytest.approx(4.95)
    assert fitted == pytest.approx(4.95, abs=5e-3)
    assert geometric_lifetime(0.10, 0.10, 7) < 4.95


def test_days_do_not_mix():
    before = date(2025, 12, 31)
    both = pd.concat([counts(published()), counts([("smb", 0, 5, 0), ("smb", 1, 5, 5)], before)])
    result = clv_parameters(both, POLICY.lifetime).set_index("as_of")
    alone = clv_parameters(counts(published()), POLICY.lifetime).set_index("as_of")
    pd.testing.assert_series_equal(result.loc[AS_OF], alone.loc[AS_OF])
    assert result.loc[before, "method"] == "churn_rate"


def test_lifetimes_of_fit_and_of_fallback():
    rows = counts([*published(), ("enterprise", 0, 4, 0), ("enterprise", 1, 4, 1)])
    result = clv_lifetimes(clv_parameters(rows, POLICY.lifetime), rows, POLICY.lifetime)
    smb = result[result.cohort == "smb"]
    assert smb.tenure_years.tolist() == list(range(8))
    assert smb.derl.is_monotonic_increasing
    # 1st payment .8507, 2nd .7468 / 1.1, 3rd .6699 / 1.21, ...: brute force over 400 years of survival.
    shares = survival(*fit_sbg(SURVIVORS[:-1], CHURNED), 400)
    assert smb.derl.iloc[0] == pytest.approx(sum(s / 1.1 ** (t - 1) for t, s in enumerate(shares) if t > 0))
    enterprise = result[result.cohort == "enterprise"]
    # r = 0.75: 0.75 x (1 - (0.75 / 1.1)^7) / (1 - 0.75 / 1.1) = 0.75 x 0.931502 / 0.318182.
    assert enterprise.derl.tolist() == pytest.approx([2.195682, 2.195682], abs=1e-6)
    assert enterprise.is_flagged.all()


def test_no_accounts_no_rows():
    nothing = counts([])
    assert clv_parameters(nothing, POLICY.lifetime).empty
    assert clv_lifetimes(clv_parameters(nothing, POLICY.lifetime), nothing, POLICY.lifetime).empty


accounts_over_time = st.lists(
    st.tuples(st.integers(0, 2500), st.none() | st.integers(1, 2500), st.sampled_from([50, 500, 5000, None])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@always(accounts=accounts_over_time)
def test_counts_agree_with_a_naive_walk_over_anniversaries(accounts):
    start_of = {f"a{i}": AS_OF - timedelta(days=back) for i, (back, _, _) in enumerate(accounts)}
    end_of = {
        f"a{i}": start_of[f"a{i}"] + timedelta(days=lasted)
        for i, (back, lasted, _) in enumerate(accounts)
        if lasted is not None and lasted <= back
    }
    crm = [{"account_id": f"a{i}", "employees": employees} for i, (_, _, employees) in enumerate(accounts)]
    frame = tenures({a: (start, end_of.get(a)) for a, start in start_of.items()}, crm=crm)
    size = {50: "smb", 500: "mid_market", 5000: "enterprise", None: "unknown"}
    expected: dict[tuple[str, int], list[int]] = {}
    for row, (account, start) in zip(crm, start_of.items(), strict=True):
        year = 0
        while anniversary(start, year) <= AS_OF:
            seen = expected.setdefault((size[row["employees"]], year), [0, 0])
            end = end_of.get(account, date.max)
            if year == 0 or end > anniversary(start, year - 1):
                seen[0] += 1
                seen[1] += year > 0 and end <= anniversary(start, year)
            year += 1
    rows = cohort_renewals(spine(AS_OF), frame).execute()
    assert {(r.cohort, r.renewal_year): [r.at_risk, r.churned] for r in rows.itertuples()} == expected


def anniversary(start, years):
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        return date(start.year + years, 3, 1)
