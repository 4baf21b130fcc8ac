"""A damaged published extract is landed again from its source; where that is gone, the reason says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

USERS: dict[str, Any] = {"path": "users.csv"}
USAGE: dict[str, Any] = {"path": "usage/*.csv"}


def published(home: Any, *parts: str) -> Path:
    return Path(home.folder, "home", "published", *parts)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


@pytest.fixture(autouse=True)
def delivery(home: Any) -> None:
    home.write("users.csv", "user_id,account_id\nU1,A1\nU2,A2\n")
    for day in ("2025-01-01", "2025-01-02"):
        home.write(f"usage/{day}.csv", f"user_id,usage_date,feature,account_id,event_count\nU1,{day},f,A1,1\n")


def land(home: Any) -> Any:
    return home.land(product_usage=USAGE, product_users=USERS)


@pytest.mark.parametrize(
    ("extract", "file"),
    [
        ("product_users", "product_users/part-0.parquet"),
        ("product_users", "quarantine/product_users.parquet"),
        ("product_usage", "product_usage/usage_date=2025-01-02/part-0.parquet"),
        ("product_usage", "quarantine/product_usage.parquet"),
    ],
)
def test_what_is_damaged_is_landed_again(home: Any, extract: str, file: str):
    land(home)
    assert land(home)[extract].skipped
    before = home.rows("product_usage", "usage_date", "user_id"), home.rows("product_users", "user_id")
    cut_off(published(home, file))
    result = land(home)[extract]
    assert not result.failed, result.reason
    assert not result.skipped
    assert (home.rows("product_usage", "usage_date", "user_id"), home.rows("product_users", "user_id")) == before
    assert land(home)[extract].skipped


def test_where_the_source_is_gone_the_reason_says_so(home: Any):
    land(home)
    cut_off(published(home, "product_users/part-0.parquet"))
    (home.folder / "users.csv").unlink()
    result = land(home)["product_users"]
    assert result.failed
    assert "users.csv" in str(result.reason)
