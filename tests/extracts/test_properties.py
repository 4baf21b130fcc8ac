"""Whatever a file holds: read = good + quarantined, good rows keep the contract, and order does not matter."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.tables.enforcement import enforce
from tests.extracts.home import Home

NAMES = ("subscription_id", "start_date", "account_id", "mrr", "currency", "end_date", "seats")
anything = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5)
row = st.tuples(
    st.sampled_from(["S1", "S2", "", "it's"]) | anything,
    st.sampled_from(["2025-01-01", "2025-02-30", "01/02/2025", "infinity"]) | anything,
    st.sampled_from(["A1", "A2", "A9", ""]),
    st.sampled_from(["1", "-1", "nan", "1e400", "0", "1,5", "x"]) | anything,
    st.sampled_from(["USD", "EUR", "usd", ""]),
    st.sampled_from(["", "2025-06-01", "2024-01-01"]),
    st.sampled_from(["", "5", "5.5", "99999999999999999999"]),
)
BROKEN_LINES = {"path": "subscriptions.csv", "line_breaks": True}
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def text_of(rows: list[tuple[str, ...]], names: tuple[str, ...] = NAMES) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([names, *rows])
    return out.getvalue()


@few
@given(st.lists(row, max_size=8))
def test_subscriptions_of_any_kind(rows):
    """Texts with line breaks among them: the mapping says that they are there."""
    seen = []
    for order in (rows, rows[::-1]):
        with tempfile.TemporaryDirectory() as folder:
            home = Home(Path(folder))
            home.minimal()
            home.write("subscriptions.csv", text_of(order))
            result = home.land(["crm_accounts", "billing_subscriptions"], billing_subscriptions=BROKEN_LINES)
            result = result["billing_subscriptions"]
            assert not result.failed, result.reason
            assert result.read == len(rows)
            assert len(home.rows("quarantine", "key")) == result.quarantined
            good = home.rows("billing_subscriptions", *NAMES)
            assert len(good) == result.good
            with home.engine() as engine:
                spec = CATALOGUE["billing_subscriptions"]
                assert enforce(spec.contract, engine.read(spec), engine.execute).passed
            seen.append(good)
    assert seen[0] == seen[1]


@few
@given(st.lists(row, min_size=1, max_size=8), st.integers(0, 7), st.sampled_from(["\n", "\r\n", "x\ny"]))
def test_a_line_break_that_nobody_declared_is_refused(rows, at, text):
    rows[at % len(rows)] = ("S7", "2025-01-01", "A1", text, "USD", "", "")
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.minimal()
        home.write("subscriptions.csv", text_of(rows))
        result = home.land(["crm_accounts", "billing_subscriptions"])["billing_subscriptions"]
        assert result.failed
        assert "a quote is open at the end of the line" in result.reason


use = st.tuples(
    st.sampled_from(["U1", "U2", "U9", ""]),
    st.sampled_from(["2025-01-01", "2025-01-02", "2025-01-03", "soon"]),
    st.sampled_from(["f", "g"]),
    st.sampled_from(["A1", "A2"]),
    st.sampled_from(["1", "2", "-1", "x"]),
)


def naive(drops: dict[str, list[tuple[str, ...]]]) -> tuple[int, dict[tuple[str, ...], tuple[str | None, ...]]]:
    """Refused rows, and what is published: per drop the least of equal keys, the newest drop last."""
    refused, published = 0, {}
    for day in sorted(drops):
        within: dict[tuple[str, ...], tuple[str | None, ...]] = {}
        for r in sorted(drops[day], key=lambda r: (r[0], r[1], r[2], r[3], r[4])):
            is_someone = (r[0], r[3]) in {("U1", "A1"), ("U2", "A2"), ("", "A1"), ("", "A2")}  # "": nobody named
            is_good = is_someone and r[1] != "soon" and r[4] in "12"
            if is_good and r[:4] not in within:
                within[r[:4]] = (r[0] or None, *r[1:])
            else:
                refused += 1
        published |= within
    return refused, published


@few
@given(st.lists(st.dictionaries(st.sampled_from(["2025-01-02", "2025-01-03"]), st.lists(use, max_size=6), min_size=1),
                min_size=1, max_size=3))  # fmt: skip
def test_usage_of_any_kind_however_it_came(deliveries):
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.minimal()
        home.write("users.csv", "user_id,account_id\nU1,A1\nU2,A2\n")
        mapped = {"product_usage": {"path": "usage/*.csv"}, "product_users": {"path": "users.csv"}}
        names = ("user_id", "usage_date", "feature", "account_id", "event_count")
        drops: dict[str, list[tuple[str, ...]]] = {}
        for delivery in deliveries:
            for day, rows in delivery.items():
                home.write(f"usage/{day}.csv", text_of(rows, names))
            drops |= delivery
            result = home.land(["crm_accounts", "product_users", "product_usage"], **mapped)["product_usage"]
            assert not result.failed, result.reason
        refused, published = naive(drops)
        assert result.read == sum(map(len, drops.values()))
        assert result.quarantined == refused == len(home.rows("quarantine", "key"))
        assert home.rows("product_usage", *names) == sorted(published.values(), key=str)
