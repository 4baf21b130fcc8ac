"""Product usage by day: late rows, duplicates, unknown users, and only the days that changed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts import usage_days
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.warehouse.building import Builder
from tests.extracts.home import Home, policy

HEADER = "user_id,usage_date,feature,account_id,event_count\n"
USAGE: dict[str, Any] = {"path": "usage/*.csv"}
USERS: dict[str, Any] = {"path": "users.csv"}
COLUMNS = ("usage_date", "user_id", "feature", "account_id", "event_count")


def drop(home: Home, day: str, *rows: str) -> None:
    home.write(f"usage/{day}.csv", HEADER + "".join(f"{r}\n" for r in rows))


def users(home: Home, *rows: str) -> None:
    home.write("users.csv", "user_id,account_id\n" + "".join(f"{r}\n" for r in rows))


def land(home: Home, **more: Any) -> Any:
    return home.land(product_usage=USAGE, product_users=USERS, **more)["product_usage"]


@pytest.fixture(autouse=True)
def two_users(home):
    users(home, "U1,A1", "U2,A2")


def test_days_are_published_apart(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1", "U2,2025-01-01,f,A2,2")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,3")
    result = land(home)
    assert (result.read, result.good, result.drops) == (3, 3, 2)
    assert home.rows("product_usage", *COLUMNS) == [
        ("2025-01-01", "U1", "f", "A1", "1"),
        ("2025-01-01", "U2", "f", "A2", "2"),
        ("2025-01-02", "U1", "f", "A1", "3"),
    ]


def test_a_late_row_rewrites_its_day_alone_and_the_newest_drop_wins(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1", "U2,2025-01-01,f,A2,2")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,3")
    drop(home, "2025-01-03", "U1,2025-01-03,f,A1,4")
    land(home)
    before, prints = home.files(), {d: home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2, 3, 4)}
    drop(home, "2025-01-04", "U1,2025-01-04,f,A1,5", "U1,2025-01-01,f,A1,10")
    result = land(home)
    assert (result.read, result.good, result.quarantined) == (6, 6, 0)  # the replaced row was good
    assert home.rows("product_usage", *COLUMNS)[:2] == [
        ("2025-01-01", "U1", "f", "A1", "10"),
        ("2025-01-01", "U2", "f", "A2", "2"),
    ]
    changed = {
        k.split("usage_date=")[1][:10] for k, v in home.files().items() if "usage_date=" in k and before.get(k) != v
    }
    assert changed == {"2025-01-01", "2025-01-04"}
    now = {d: home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2, 3, 4)}
    assert [d for d in now if now[d] != prints[d]] == [1, 4]


def test_duplicates_within_a_drop_are_refused_and_across_drops_replaced(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1", "U1,2025-01-01,f,A1,1", "U2,2025-01-01,f,A2,3",
         "U2,2025-01-01,f,A2,2")  # fmt: skip
    drop(home, "2025-01-02", "U2,2025-01-01,f,A2,9", "U2,2025-01-01,f,A2,8")
    result = land(home)
    assert (result.read, result.good, result.quarantined) == (6, 3, 3)
    assert home.rows("product_usage", "user_id", "event_count") == [("U1", "1"), ("U2", "8")]
    assert home.rows("quarantine", "key", "rule", "dropped_on") == [
        ("U1 | 2025-01-01 | f | A1", "duplicate key", "2025-01-01"),
        ("U2 | 2025-01-01 | f | A2", "duplicate key, other values", "2025-01-01"),
        ("U2 | 2025-01-01 | f | A2", "duplicate key, other values", "2025-01-02"),
    ]


def test_unknown_users_other_accounts_and_bad_values_are_refused(home):
    drop(
        home, "2025-01-01", "U1,2025-01-01,f,A1,1", "U9,2025-01-01,f,A1,1", "U1,2025-01-01,g,A2,1",
        "U1,2025-01-01,h,A1,-1", "U1,01/02/2025,h,A1,1", "U1,2025-01-01",
    )  # fmt: skip
    result = land(home)
    assert (result.read, result.good, result.quarantined) == (6, 1, 5)
    assert sorted(r[0] for r in home.rows("quarantine", "rule")) == [
        "account_id is not the user's",
        "event_count: greater_than_or_equal_to 0",
        "unknown user_id",
        "unreadable line",
        "usage_date: must be a date (YYYY-MM-DD)",
    ]


def test_a_new_user_lets_in_the_days_refused_for_it(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U9,2025-01-02,f,A1,1", "U1,2025-01-02,f,A1,-1")
    assert land(home).quarantined == 2
    before = home.files()
    users(home, "U1,A1", "U2,A2", "U9,A1")
    result = land(home)
    assert (result.good, result.quarantined) == (2, 1)
    day = next(k for k in before if "usage_date=2025-01-01" in k)
    assert home.files()[day] == before[day]
    assert land(home).skipped


def test_a_user_known_no_longer_takes_its_rows_along(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U2,2025-01-02,f,A2,1")
    land(home)
    users(home, "U1,A1")
    assert land(home).quarantined == 1
    assert home.rows("product_usage", "user_id") == [("U1",)]


def test_without_a_list_of_users_accounts_are_checked(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1", "U7,2025-01-01,f,A9,1")
    result = home.land(product_usage=USAGE)["product_usage"]
    assert (result.good, result.quarantined) == (1, 1)
    assert home.rows("quarantine", "rule", "value") == [("unknown account_id", "A9")]


def test_a_drop_without_rows_is_a_day_on_which_nobody_worked(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02")
    assert land(home).read == 1
    assert (home.folder / "home/published/product_usage/usage_date=2025-01-02/part-0.parquet").exists()
    assert land(home).skipped


def test_what_is_taken_away_is_gone_and_what_is_lost_is_made_again(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,2")
    land(home)
    (home.folder / "home/published/product_usage/usage_date=2025-01-01/part-0.parquet").unlink()
    (home.folder / "usage/2025-01-02.csv").unlink()
    assert land(home).read == 1
    assert home.rows("product_usage", "usage_date") == [("2025-01-01",)]
    home.land(whole=True, product_users=USERS)
    assert home.rows("product_usage", "usage_date") == []


def test_too_many_bad_rows_publish_no_day(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    land(home)
    before = home.files()
    home.share = 0.4
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,2", "U1,2025-01-02,g,A1,-2", "U1,2025-01-02,h,A1,-2")
    result = land(home)
    assert result.failed
    assert "2 of 4 rows (50.0%)" in str(result.reason)
    assert {k: v for k, v in home.files().items() if "product_usage" in k} == {
        k: v for k, v in before.items() if "product_usage" in k
    }


def test_one_undated_file_lands_by_day(home):
    home.write("all.csv", HEADER + "U1,2025-01-01,f,A1,1\nU1,2025-01-02,f,A1,2\n")
    inputs = dict(product_usage={"path": "all.csv"}, product_users=USERS)
    assert home.land(**inputs)["product_usage"].read == 2
    prints = [home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2)]
    home.write("all.csv", HEADER + "U1,2025-01-01,f,A1,1\nU1,2025-01-02,f,A1,7\n")
    home.land(**inputs)
    now = [home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2)]
    assert (now[0] == prints[0], now[1] == prints[1]) == (True, False)  # same rows, same print


def test_batches_of_days_make_what_one_batch_makes(home, monkeypatch):
    with home.engine() as engine:
        for day in range(1, 7):
            target = home.folder / f"usage/2025-01-0{day}.parquet"
            target.parent.mkdir(exist_ok=True)
            engine.connection.execute(
                f"COPY (SELECT 'U1' AS user_id, DATE '2025-01-0{day}' AS usage_date, 'f' || (i // 2) AS feature, "
                f"'A1' AS account_id, i AS event_count FROM range(4) t(i)) TO '{target}' (FORMAT parquet)"
            )
    inputs = dict(product_usage={"path": "usage/*.parquet"}, product_users=USERS)
    whole = home.land(**inputs)["product_usage"]
    one = home.rows("product_usage", *COLUMNS), home.rows("quarantine", "key", "source", "source_row", "rule")
    prints = [home.fingerprint("product_usage", date(2025, 1, d)) for d in range(1, 7)]
    monkeypatch.setattr(usage_days, "BATCH_ROWS", 8)
    (home.folder / "home/landing/product_usage.json").unlink()
    batched = home.land(**inputs)["product_usage"]
    assert (whole.read, whole.quarantined) == (batched.read, batched.quarantined) == (24, 12)
    assert (
        home.rows("product_usage", *COLUMNS),
        home.rows("quarantine", "key", "source", "source_row", "rule"),
    ) == one
    assert [home.fingerprint("product_usage", date(2025, 1, d)) for d in range(1, 7)] == prints
    assert one[1][0][1:3] == ("usage/2025-01-01.parquet", "2")  # the row's number in its file


def changed_days(home: Home, before: dict[str, tuple[int, int]]) -> set[str]:
    """Days of usage whose file is another one than before."""
    return {
        k.split("usage_date=")[1][:10] for k, v in home.files().items() if "usage_date=" in k and before.get(k) != v
    }


def test_new_users_open_no_old_day(home):
    for n in (1, 2, 3):
        drop(home, f"2025-01-0{n}", f"U1,2025-01-0{n},f,A1,1", f"U7,2025-01-0{n},f,A1,1")
    land(home)
    before = home.files()
    users(home, "U1,A1", "U2,A2", "U8,A3")
    drop(home, "2025-01-04", "U8,2025-01-04,f,A3,1")
    result = land(home)
    assert (result.read, result.good, result.quarantined) == (7, 4, 3)
    assert changed_days(home, before) == {"2025-01-04"}


def test_a_user_that_moves_opens_the_days_it_was_refused_or_published_on(home):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U2,2025-01-02,f,A2,1")
    drop(home, "2025-01-03", "U2,2025-01-03,f,A3,1", "U1,2025-01-03,f,A1,1")  # not U2's account
    assert land(home).quarantined == 1
    before = home.files()
    users(home, "U1,A1", "U2,A3")
    result = land(home)
    assert changed_days(home, before) == {"2025-01-03"}
    assert not any("usage_date=2025-01-02" in name for name in home.files())  # its only row is refused now
    assert (result.good, result.quarantined) == (3, 1)
    assert home.rows("product_usage", "usage_date", "user_id") == [
        ("2025-01-01", "U1"), ("2025-01-03", "U1"), ("2025-01-03", "U2")
    ]  # fmt: skip
    assert home.rows("quarantine", "key", "rule") == [("U2 | 2025-01-02 | f | A2", "account_id is not the user's")]


@pytest.mark.parametrize("save", [1, 2])
def test_a_landing_interrupted_before_it_was_written_down_is_taken_up_again(home, monkeypatch, save):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1", "U9,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,1", "U9,2025-01-02,f,A1,-1")
    land(home)
    users(home, "U1,A1", "U2,A2", "U9,A1")
    saved, saves = usage_days.State.save, []

    def interrupted(*inputs):
        saves.append(1)
        if len(saves) == save:  # the second one: all is published, and not yet written down
            raise KeyboardInterrupt
        saved(*inputs)

    with monkeypatch.context() as patch:
        patch.setattr(usage_days.State, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            land(home)
    result = land(home)
    assert (result.good, result.quarantined, result.failed) == (3, 1, False)
    assert home.rows("product_usage", "usage_date", "user_id") == [
        ("2025-01-01", "U1"), ("2025-01-01", "U9"), ("2025-01-02", "U1")
    ]  # fmt: skip
    assert home.rows("quarantine", "key") == [("U9 | 2025-01-02 | f | A1",)]
    assert land(home).skipped


@pytest.mark.parametrize("memory", ["lost", "broken", "of another home"])
def test_what_is_remembered_of_files_is_only_a_saving(home, tmp_path_factory, memory):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,2")
    land(home)
    prints = [home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2)]
    file = home.folder / "home/footers/product_usage.json"
    if memory == "lost":
        file.unlink()
    elif memory == "broken":
        file.write_text("{")
    else:
        file.write_text(
            '{"2025-01-01": [1, 2, 3, {"drops": {"2025-01-01": "x"}}, 9], "2025-01-09": [1, 2, 3, {}, 0]}'
        )
    assert [home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2)] == prints
    assert home.fingerprint("product_usage", date(2025, 1, 9)) == "absent"
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,3")  # the day dropped again
    land(home)
    now = [home.fingerprint("product_usage", date(2025, 1, d)) for d in (1, 2)]
    assert (now[0] == prints[0], now[1] == prints[1]) == (True, False)
    assert home.rows("product_usage", "usage_date", "event_count") == [("2025-01-01", "1"), ("2025-01-02", "3")]


def test_a_drop_of_tomorrow_waits_for_its_day(home, monkeypatch):
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,2", "U1,2025-01-01,f,A1,9")
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2025, 1, 1))
    result = land(home)
    assert (result.read, result.drops, result.ahead) == (1, 1, ("2025-01-02",))
    assert home.rows("product_usage", "usage_date", "event_count") == [("2025-01-01", "1")]
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2025, 1, 2))
    result = land(home)
    assert (result.read, result.drops, result.ahead) == (3, 2, ())
    assert home.rows("product_usage", "usage_date", "event_count") == [("2025-01-01", "9"), ("2025-01-02", "2")]


def test_what_has_landed_stays_when_the_clock_is_set_back(home, monkeypatch):
    """A drop that was not read yet waits for its day."""
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    drop(home, "2025-01-02", "U1,2025-01-02,f,A1,2", "U1,2025-01-01,f,A1,9")
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2025, 1, 2))
    land(home)
    stands = home.rows("product_usage", "usage_date", "event_count")
    assert stands == [("2025-01-01", "9"), ("2025-01-02", "2")]
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2025, 1, 1))
    drop(home, "2025-01-03", "U1,2025-01-03,f,A1,1")
    assert land(home).ahead == ("2025-01-03",)
    assert home.rows("product_usage", "usage_date", "event_count") == stands


def test_drops_that_are_all_dated_after_today_are_refused(home, monkeypatch):
    monkeypatch.setattr(CompanyPolicy, "today", lambda _: date(2024, 12, 31))
    drop(home, "2025-01-01", "U1,2025-01-01,f,A1,1")
    result = land(home)
    assert result.failed
    assert result.reason is not None
    assert result.reason.startswith("usage/2025-01-01.csv: every drop is dated after today, 2024-12-31")
    assert home.rows("product_usage", "user_id") == []


def test_a_late_row_rolls_up_its_day_alone_and_opens_what_reads_it(home):
    for n in range(1, 10):
        drop(home, f"2025-01-{n:02}", f"U1,2025-01-{n:02},f,A1,{n}")
    land(home)
    rolled, day = CATALOGUE["usage_days"], CATALOGUE["usage_last_days"]

    def build() -> tuple[set[str], set[str]]:
        """Days rolled up, and days of `usage_last_days` that are made of others now."""
        with home.engine() as engine:
            builder = Builder(engine, CATALOGUE, policy())
            table = builder.build(rolled, list(builder.landed_days(rolled))).rows
            stale = {d for d in (date(2025, 1, n) for n in range(1, 10)) if not builder.is_fresh(day, d)}
            assert {builder.causes(day, d) for d in stale} <= {("data",), ("missing",)}
            builder.build(day, sorted(stale))
        return set(map(str, table)), set(map(str, stale))

    all_days = {f"2025-01-{n:02}" for n in range(1, 10)}
    assert build() == (all_days, all_days)
    assert build() == (set(), set())
    drop(home, "2025-01-10", "U1,2025-01-10,f,A1,1", "U2,2025-01-07,f,A2,5")
    land(home)
    assert build() == ({"2025-01-07", "2025-01-10"}, {"2025-01-07", "2025-01-08", "2025-01-09"})
    assert home.rows("usage_days", "usage_date", "user_id", "events")[6:8] == [
        ("2025-01-07", "U1", "7"), ("2025-01-07", "U2", "5")
    ]  # fmt: skip
    drop(home, "2025-01-10", "U1,2025-01-10,f,A1,1")  # dropped again, without the late row
    land(home)
    assert build() == ({"2025-01-07"}, {"2025-01-07", "2025-01-08", "2025-01-09"})


def test_usage_without_a_user_is_found_by_its_account(home):
    """Beside a list of users. A3 is in the CRM and not in the list; A9 is nowhere."""
    drop(home, "2025-01-01", ",2025-01-01,,A3,7", "U1,2025-01-01,f,A1,1", ",2025-01-01,,A9,1", ",2025-01-01,,A3,2")
    result = land(home)
    assert (result.good, result.quarantined) == (2, 2)
    assert home.rows("product_usage", *COLUMNS) == [
        ("2025-01-01", "U1", "f", "A1", "1"),
        ("2025-01-01", None, None, "A3", "2"),
    ]
    assert home.rows("quarantine", "key", "rule") == [
        ("? | 2025-01-01 | ? | A3", "duplicate key, other values"),
        ("? | 2025-01-01 | ? | A9", "unknown account_id"),
    ]
    home.write("crm_accounts.csv", "account_id\nA1\nA2\nA9\n")
    result = land(home)
    assert (result.good, result.quarantined) == (2, 2)
    assert [row[3] for row in home.rows("product_usage", *COLUMNS)] == ["A1", "A9"]
