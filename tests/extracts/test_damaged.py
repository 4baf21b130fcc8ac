"""Damage: a published extract is landed again from its source; a file that is no table says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segmentation_assets.extracts.sources import SourcesError
from tests.extracts.home import SUBSCRIPTIONS

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


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (SUBSCRIPTIONS.encode(), {"encoding": "utf-16"}, "not in utf-16: UTF-16 stream does not start with BOM"),
        (SUBSCRIPTIONS.encode(), {"encoding": "utf-32"}, "not in utf-32"),
        (f"{'x' * 200_000},account_id\n".encode(), {}, "a name in the header has more than 131,072 characters"),
        (b"a," * 600_000, {}, "line 1 has more than 1,048,576 characters"),
        (b"\xff\xfe" + SUBSCRIPTIONS.encode("utf-16-le"), {}, "not in utf-8"),
        (b"\x00" * 100, {}, ""),
        (b"", {}, "the file is empty"),
        (b"\n\n\n", {}, "the file is empty"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_has_a_reason_and_no_traceback(home: Any, content: bytes, form: Any, message: str):
    home.minimal()
    home.write("s.csv", content)
    result = home.land(billing_subscriptions={"path": "s.csv", "format": form})["billing_subscriptions"]
    assert result.failed
    assert "s.csv" in str(result.reason)
    assert message in str(result.reason)


@pytest.mark.parametrize("encoding", ["rot13", "base64", "zlib", "hex", "utf-99"])
def test_a_codec_that_is_not_of_text_is_refused_with_its_line(home: Any, encoding: str):
    with pytest.raises(SourcesError, match="not an encoding; usual ones are"):
        home.land(billing_subscriptions={"path": "s.csv", "format": {"encoding": encoding}})
