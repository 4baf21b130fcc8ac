"""From when to when a row was known, over dated drops; and what a landing does when nothing has changed."""

from __future__ import annotations

import os
from datetime import date

import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.tables.enforcement import enforce
from tests.extracts.home import Home

ALWAYS, FOREVER = "0001-01-01", "9999-12-31"
KNOWN = ("known_from", "known_to", "dropped_on")
DROPS = {"path": "crm/*.csv"}


def accounts(home: Home, day: str, **employees: int) -> None:
    home.write(f"crm/{day}.csv", "account_id,employees\n" + "".join(f"{a},{n}\n" for a, n in employees.items()))


def test_whole_drops_become_intervals(home):
    accounts(home, "2025-01-31", A1=10, A2=5)
    accounts(home, "2025-02-28", A1=10, A3=7)  # A2 gone, A3 new
    accounts(home, "2025-03-31", A1=12, A2=5, A3=7)  # A1 grew, A2 is back
    result = home.land(crm_accounts=DROPS)["crm_accounts"]
    assert (result.read, result.good, result.drops) == (7, 7, 3)
    assert home.rows("crm_accounts", "account_id", "employees", *KNOWN) == [
        ("A1", "10.0", ALWAYS, "2025-03-31", "2025-01-31"),
        ("A1", "12.0", "2025-03-31", FOREVER, "2025-03-31"),
        ("A2", "5.0", ALWAYS, "2025-02-28", "2025-01-31"),
        ("A2", "5.0", "2025-03-31", FOREVER, "2025-03-31"),
        ("A3", "7.0", "2025-02-28", FOREVER, "2025-02-28"),
    ]


def test_a_drop_stays_when_the_clock_is_set_back_and_another_is_delivered_anew(home, monkeypatch):
    accounts(home, "2025-01-31", A1=10, A2=5)
    accounts(home, "2025-02-28", A1=12, A2=5)
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2025, 2, 28))
    home.land(crm_accounts=DROPS)
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2025, 2, 27))
    accounts(home, "2025-01-31", A1=11, A2=5)  # so that all drops are read again
    accounts(home, "2025-03-31", A1=99, A2=99)  # not read yet
    assert home.land(crm_accounts=DROPS)["crm_accounts"].ahead == ("2025-03-31",)
    assert home.rows("crm_accounts", "account_id", "employees", "known_from", "known_to") == [
        ("A1", "11.0", ALWAYS, "2025-02-28"),
        ("A1", "12.0", "2025-02-28", FOREVER),
        ("A2", "5.0", ALWAYS, FOREVER),
    ]


def test_changes_replace_by_key_and_last_until_the_next_change(home):
    home.write("goals/2025-01-01.csv", "account_id,goal,met_on\nA1,roi,\nA2,roi,\n")
    home.write("goals/2025-02-01.csv", "account_id,goal,met_on\nA1,roi,2025-01-20\n")
    home.write("goals/2025-03-01.csv", "account_id,goal,met_on\nA1,roi,2025-01-20\nA3,roi,\n")
    home.land(success_goals={"path": "goals/*.csv"})
    assert home.rows("success_goals", "account_id", "met_on", *KNOWN) == [
        ("A1", "2025-01-20", "2025-02-01", FOREVER, "2025-02-01"),
        ("A1", None, ALWAYS, "2025-02-01", "2025-01-01"),
        ("A2", None, ALWAYS, FOREVER, "2025-01-01"),
        ("A3", None, "2025-03-01", FOREVER, "2025-03-01"),
    ]


def test_a_mapping_can_say_that_drops_are_whole(home):
    home.write("goals/2025-01-01.csv", "account_id,goal\nA1,roi\n")
    home.write("goals/2025-02-01.csv", "account_id,goal\nA2,roi\n")
    home.land(success_goals={"path": "goals/*.csv", "drops": "full"})
    assert home.rows("success_goals", "account_id", "known_to") == [("A1", "2025-02-01"), ("A2", FOREVER)]


def test_an_undated_source_was_always_known_and_is_no_backcast(home):
    home.land()
    assert set(home.rows("crm_accounts", *KNOWN)) == {(ALWAYS, FOREVER, None)}


def test_dated_and_undated_files_do_not_mix(home):
    accounts(home, "2025-01-31", A1=1)
    home.write("crm/latest.csv", "account_id\nA1\n")
    assert "latest.csv has none" in str(home.land(crm_accounts=DROPS)["crm_accounts"].reason)


def test_a_later_drop_changes_no_fingerprint_of_days_before_it(home):
    accounts(home, "2025-01-31", A1=10)
    accounts(home, "2025-02-28", A1=10)
    home.land(crm_accounts=DROPS)
    early, late = date(2025, 3, 1), date(2025, 3, 31)
    before = {d: home.fingerprint("crm_accounts", d) for d in (early, late)}
    accounts(home, "2025-03-31", A1=11)
    home.land(crm_accounts=DROPS)
    assert home.fingerprint("crm_accounts", early) == before[early]
    assert home.fingerprint("crm_accounts", late) != before[late]


def test_a_drop_that_says_nothing_new_makes_nothing_stale(home):
    accounts(home, "2025-01-31", A1=10)
    home.land(crm_accounts=DROPS)
    before = home.fingerprint("crm_accounts", date(2026, 1, 1))
    accounts(home, "2025-02-28", A1=10)
    assert not home.land(crm_accounts=DROPS)["crm_accounts"].skipped
    assert home.fingerprint("crm_accounts", date(2026, 1, 1)) == before


def test_the_same_list_again_is_no_newer(home):
    """Freshness counts from the newest drop with a change: an export that is stuck repeats its list, too."""
    accounts(home, "2025-01-31", A1=10, A2=5)
    accounts(home, "2025-02-28", A1=10, A2=5)
    home.land(crm_accounts=DROPS)
    assert home.rows("crm_accounts", "account_id", "dropped_on") == [("A1", "2025-01-31"), ("A2", "2025-01-31")]
    accounts(home, "2025-03-31", A1=11, A2=5)
    home.land(crm_accounts=DROPS)
    assert max(home.rows("crm_accounts", "dropped_on")) == ("2025-03-31",)


def test_a_day_before_the_first_drop_depends_on_it(home):
    accounts(home, "2025-01-31", A1=10)
    home.land(crm_accounts=DROPS)
    before = home.fingerprint("crm_accounts", date(2024, 1, 1))
    accounts(home, "2025-01-31", A1=11)
    home.land(crm_accounts=DROPS)
    assert home.fingerprint("crm_accounts", date(2024, 1, 1)) != before


def test_landing_again_rewrites_nothing(home):
    accounts(home, "2025-01-31", A1=10)
    home.write("usage/2025-01-31.csv", "user_id,usage_date,feature,account_id,event_count\nU1,2025-01-31,f,A1,1\n")
    inputs = dict(crm_accounts=DROPS, product_usage={"path": "usage/*.csv"})
    first, files = home.land(whole=True, **inputs), home.files()
    again = home.land(whole=True, **inputs)
    assert home.files() == files
    assert all(r.skipped for r in again.values())
    assert {n: (r.read, r.good, r.quarantined) for n, r in first.items()} == {
        n: (r.read, r.good, r.quarantined) for n, r in again.items()
    }


def test_equal_content_at_another_time_is_no_change_and_other_content_of_equal_size_is(home):
    home.land()
    path = home.folder / "subscriptions.csv"
    os.utime(path, ns=(1, 1))
    assert home.land()["billing_subscriptions"].skipped
    home.write("subscriptions.csv", path.read_text().replace("100", "200"))
    assert not home.land()["billing_subscriptions"].skipped
    assert home.rows("billing_subscriptions", "mrr") == [("200.0",)]


def test_new_accounts_let_in_what_was_refused_for_them(home):
    home.write("leads.csv", "lead_id\nL1\n")
    home.write("subscriptions.csv", "subscription_id,start_date,account_id,mrr,currency\nS1,2025-01-01,A9,100,USD\n")
    assert home.land(leads={"path": "leads.csv"})["billing_subscriptions"].quarantined == 1
    home.write("crm_accounts.csv", "account_id\nA1\nA9\n")
    results = home.land(leads={"path": "leads.csv"})
    assert results["billing_subscriptions"].quarantined == 0
    assert results["leads"].skipped  # refers to no account
    assert home.rows("quarantine", "key") == []


def test_a_changed_allowed_share_is_judged_anew(home):
    home.write("crm_accounts.csv", "account_id,employees\nA1,1\nA2,-1\n")
    assert not home.land()["crm_accounts"].failed
    home.share = 0.1
    assert home.land()["crm_accounts"].failed


def test_an_extract_mapped_no_longer_has_no_rows(home):
    home.write("leads.csv", "lead_id,employees\nL1,1\nL2,-1\n")
    home.land(leads={"path": "leads.csv"})
    assert home.rows("leads", "lead_id") == [("L1",)]
    home.land(whole=True)
    assert home.rows("leads", "lead_id") == []
    assert home.rows("quarantine", "key") == []
    assert home.fingerprint("leads", date(2025, 1, 1)) == "absent"


def test_the_quarantine_changes_its_fingerprint_with_its_rows(home):
    home.land()
    clean = home.fingerprint("quarantine", None)
    home.write("crm_accounts.csv", "account_id,employees\nA1,1\nA2,-1\n")
    home.land()
    assert home.fingerprint("quarantine", None) != clean


def test_published_extracts_keep_their_contracts(home):
    accounts(home, "2025-01-31", A1=10, A2=5)
    accounts(home, "2025-02-28", A1=10, A3=7)
    home.land(whole=True, crm_accounts=DROPS)
    with home.engine() as engine:
        for spec in (*EXTRACTS, CATALOGUE["quarantine"]):
            verdict = enforce(spec.contract, engine.read(spec), engine.execute)
            assert verdict.passed, verdict.describe()


@pytest.mark.parametrize("name", ["crm_accounts", "billing_subscriptions"])
def test_landing_some_extracts_alone(home, name):
    assert set(home.land([name])) == {name}
