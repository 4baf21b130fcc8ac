"""Valid data that means something else is warned of with its count, its money and the line that mends it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from segmentation_assets.extracts.checking import Problem, check_sources
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from tests.extracts.home import Home

CASES = Path(__file__).parents[1] / "cases"
BILLING = "billing_subscriptions"
HEADER = "subscription_id,account_id,start_date,end_date,mrr,currency\n"


def case(folder: Path, name: str, subscriptions: str = "subscriptions.csv", **billing: Any) -> Home:
    """The files of a case, copied, with its accounts and the mapping of its subscriptions."""
    shutil.copytree(CASES / name, folder, dirs_exist_ok=True)
    home = Home(folder)
    home.sources(crm_accounts={"path": "accounts.csv"}, billing_subscriptions={"path": subscriptions, **billing})
    return home


def warnings(home: Home) -> list[Problem]:
    problems = check_sources(read_sources(home.folder / "sources.yaml"))
    wrong = [problem for problem in problems if not problem.is_warning]
    assert all("does not have" in problem.problem for problem in wrong), wrong  # ids of nobody are refused besides
    return [problem for problem in problems if problem.is_warning]


def written(problem: Problem) -> dict[str, Any]:
    """The last line that the advice says to write, as YAML."""
    (line,) = re.findall(r"write ((?:ends|where|columns|drops): .*)$", problem.advice)
    return yaml.safe_load(line)


def subscriptions(home: Home, rows: str, **billing: Any) -> list[Problem]:
    home.write("subscriptions.csv", HEADER + rows)
    home.sources(billing_subscriptions={"path": "subscriptions.csv", **billing})
    return warnings(home)


def test_ends_that_are_last_days(tmp_path: Path):
    """C1 and C3 end the day before C2 and C4 start: (100 + 200) x 12 = 3,600 would leave for a day."""
    (ends,) = warnings(case(tmp_path, "inclusive_ends"))
    assert ends.column == "end_date"
    assert "2 of 2 follow-on rows of an account start one day after the end before" in ends.problem
    assert "3,600 USD of ARR" in ends.problem
    assert written(ends) == {"ends": "last_day"}
    assert warnings(case(tmp_path, "inclusive_ends", **written(ends))) == []


def test_ends_on_which_the_successor_starts_are_no_last_days(home: Home):
    assert subscriptions(home, "S1,A1,2024-01-01,2025-01-01,10,USD\nS2,A1,2025-01-01,2026-01-01,10,USD\n") == []


def test_a_successor_of_another_account_is_none(home: Home):
    assert subscriptions(home, "S1,A1,2024-01-01,2024-12-31,10,USD\nS2,A2,2025-01-01,,10,USD\n") == []


def test_a_few_gaps_of_one_day_are_late_renewals(tmp_path: Path):
    """Of W1 and W2, only W2's successor starts a day late: 300 x 12 = 3,600."""
    folder = tmp_path / "plan_swap"
    shutil.copytree(CASES / "plan_swap", folder)
    (gap,) = warnings(Home(folder))
    assert "1 of 2 follow-on rows" in gap.problem
    assert "3,600 USD of ARR is missing for a day and comes back" in gap.problem
    assert "renewal_grace_days: 1" in gap.advice
    policy = tmp_path / "policy.yaml"
    policy.write_text("company: {renewal_grace_days: 1}\n")
    assert check_sources(read_sources(folder / "sources.yaml"), load_policy(policy).sections) == []


def test_items_of_one_subscription(tmp_path: Path):
    """S1 has I1 (100) and I2 (50), both open: 50 x 12 = 600 would replace 100 x 12 = 1,200."""
    (items,) = warnings(case(tmp_path, "items", "items.csv"))
    assert "1 of 2 subscription ids have several open rows" in items.problem
    assert "1 later row with 600 USD of ARR would replace 1,200 USD of ARR" in items.problem
    assert written(items) == {"columns": {"subscription_id": "item_id"}}
    assert warnings(case(tmp_path, "items", "items.csv", **written(items))) == []


def test_items_without_an_id_of_their_own(home: Home):
    rows = "S1,A1,2024-01-01,,10,USD\nS1,A1,2024-02-01,,10,USD\n"
    (items,) = subscriptions(home, rows)
    assert written(items) == {"columns": {"subscription_id": {"sql": "concat(subscription_id, '/', start_date)"}}}
    assert subscriptions(home, rows, **written(items)) == []


def test_steps_that_end_where_the_next_starts_are_no_items(home: Home):
    assert subscriptions(home, "S1,A1,2024-01-01,2024-02-01,10,USD\nS1,A1,2024-02-01,,20,USD\n") == []


def test_trials_and_cancelled_rows_with_a_price(tmp_path: Path):
    """S2 (trialing) and S3 (canceled): 200 x 12 = 2,400 of 3,600."""
    (status,) = warnings(case(tmp_path, "trial_and_cancelled"))
    assert "2 of 3 rows have a price, but a status that is not paid for (canceled 1, trialing 1)" in status.problem
    assert "2,400 USD of ARR" in status.problem
    assert written(status) == {"where": "status = 'active'"}
    assert warnings(case(tmp_path, "trial_and_cancelled", **written(status))) == []


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ("S1,Active,,5\nS2,past_due,,5\nS3,Trialing,,5\n", "status IN ('Active', 'past_due')"),
        ("S1,,,5\nS2,trialing,,5\n", "coalesce(status, '') NOT IN ('trialing')"),
        ("S1,active,,5\nS2,canceled,2024-05-01,5\nS3,canceled,,5\n",
         "NOT (coalesce(status, '') IN ('canceled') AND coalesce(CAST(end_date AS VARCHAR), '') = '')"),
    ],
)  # fmt: skip
def test_the_condition_keeps_what_is_paid_and_what_was(home: Home, rows: str, where: str):
    columns = {"account_id": {"constant": "A1"}, "start_date": {"constant": "2024-01-01"},
               "currency": {"constant": "USD"}}  # fmt: skip
    home.write("subscriptions.csv", "subscription_id,status,end_date,mrr\n" + rows)
    mapped = {"path": "subscriptions.csv", "columns": columns}
    home.sources(billing_subscriptions=mapped)
    (status,) = warnings(home)
    assert written(status) == {"where": where}
    home.sources(billing_subscriptions=mapped | written(status))
    assert warnings(home) == []
    assert home.land([BILLING], billing_subscriptions=mapped | written(status))[BILLING].read == rows.count("\n") - 1


def test_a_cancelled_row_with_an_end_is_history(home: Home):
    home.write("subscriptions.csv", "status," + HEADER + "canceled,S1,A1,2024-01-01,2024-05-01,10,USD\n")
    home.sources()
    assert warnings(home) == []


def test_a_clean_company_is_not_accused(home: Home):
    home.sources()
    assert warnings(home) == []


def test_ids_that_differ_by_spelling_alone(tmp_path: Path):
    """1001.0, 1002.0 and beta are no accounts: 3 x 100 x 12 = 3,600. `Acme ` is trimmed."""
    (ids,) = warnings(case(tmp_path, "ids"))
    assert "3 of 4 rows, 3,600 USD of ARR, have an account_id that differs" in ids.problem
    assert "by .0 and case alone, e.g. '1001.0' for '1001' and 'beta' for 'Beta'" in ids.problem
    there, here = (yaml.safe_load(line) for line in re.findall(r"write (columns: {.*?}})", ids.advice))
    assert here == there == {"columns": {"account_id": {
        "sql": "lower(regexp_replace(CAST(account_id AS VARCHAR), '[.]0+ *$', ''))"}}}  # fmt: skip
    home = Home(tmp_path)
    mapping: dict[str, Any] = {
        "crm_accounts": {"path": "accounts.csv", **there}, BILLING: {"path": "subscriptions.csv", **here},
    }  # fmt: skip
    home.sources(**mapping)
    assert warnings(home) == []
    assert home.land([*mapping], **mapping)[BILLING].good == 4


def test_ids_that_two_accounts_could_mean_are_left_alone(home: Home):
    home.write("crm_accounts.csv", "account_id\nabC\nAbc\n")
    result = subscriptions(home, "S1,ABC,2024-01-01,,10,USD\n")
    assert [problem.extract for problem in result] == [
        "crm_accounts"
    ]  # whose two spellings are a suspicion of their own


@pytest.mark.parametrize(("rows", "is_round"), [(1000, True), (999, False)])
def test_an_export_that_was_cut(home: Home, rows: int, is_round: bool):
    home.write("leads.csv", "lead_id\n" + "".join(f"L{i}\n" for i in range(rows)))
    home.sources(leads={"path": "leads.csv"})
    assert ["1 of 1 file has exactly 1,000 rows" in w.problem for w in warnings(home)] == [True] * is_round


@pytest.mark.parametrize(("end", "is_live"), [("", True), ("2024-06-01", False)])
def test_an_export_of_live_rows_only(home: Home, end: str, is_live: bool):
    rows = "".join(f"S{i},A1,{2020 + i // 10}-01-01,,10,USD\n" for i in range(40))
    problems = subscriptions(home, rows + f"SX,A1,2022-01-01,{end},10,USD\n")
    assert ["0 of 41 rows have an end, and their starts span 1,096 days" in w.problem for w in problems] == (
        [True] * is_live
    )


def test_a_row_gone_from_dated_states(tmp_path: Path):
    """V1 (500) is in the drops of January and June and not in July's: 500 x 12 = 6,000."""
    folder = tmp_path / "vanished"
    shutil.copytree(CASES / "vanished_row_default", folder)
    (gone,) = warnings(Home(folder))
    assert "4 drops" in gone.problem
    assert "1 open row is gone (6,000 USD of ARR)" in gone.problem
    assert written(gone) == {"drops": "snapshots"}
    mapping = yaml.safe_load((folder / "sources.yaml").read_text())
    mapping["extracts"][BILLING] |= written(gone)
    (folder / "sources.yaml").write_text(yaml.safe_dump(mapping))
    assert warnings(Home(folder)) == []


@pytest.mark.parametrize(
    ("second", "seen"),
    [
        ("S1,A1,2024-01-01,,30,USD\nS2,A2,2024-01-01,,10,USD\n", "1 row has another price under the same start"),
        ("S1,A1,2024-01-01,2025-02-01,10,USD\nS2,A2,2024-01-01,,10,USD\n", None),  # the same rows, one ended
        ("S3,A3,2025-02-01,,10,USD\n", None),  # changes alone
    ],
)
def test_dated_drops_of_states_and_of_changes(home: Home, second: str, seen: str | None):
    home.write("bill/2025-01-31.csv", HEADER + "S1,A1,2024-01-01,,10,USD\nS2,A2,2024-01-01,,10,USD\n")
    home.write("bill/2025-02-28.csv", HEADER + second)
    home.sources(billing_subscriptions={"path": "bill/*.csv"})
    assert [seen in w.problem for w in warnings(home) if seen] == [True] * bool(seen)
    assert len(warnings(home)) == bool(seen)


def test_usage_of_users_that_are_subscriptions(home: Home):
    home.write("users.csv", "user_id,account_id\nU1,A1\n")
    header = "user_id,usage_date,feature,account_id,event_count,person\n"
    home.write("usage.csv", header + "S1,2025-01-01,f,A1,1,U1\n")
    usage = {"path": "usage.csv"}
    home.sources(product_users={"path": "users.csv"}, product_usage=usage)
    (wrong,) = warnings(home)
    assert "1 of 1 user ids are ids of subscriptions, not of people" in wrong.problem
    assert written(wrong) == {"columns": {"user_id": "person"}}
    home.sources(product_users={"path": "users.csv"}, product_usage=usage | written(wrong))
    assert warnings(home) == []
