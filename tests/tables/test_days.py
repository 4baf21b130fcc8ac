"""Day arithmetic of expressions against NumPy's."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from segmentation_assets.tables.days import days_later, working_days_later

MONDAY = date(2026, 11, 23)


def test_working_days_are_those_of_numpy():
    pairs = [(MONDAY + timedelta(days=i), n) for i in range(14) for n in (1, 2, 4, 5, 6, 10, 23)]
    rows = ibis.memtable(pd.DataFrame(pairs, columns=["day", "n"]), schema={"day": "date", "n": "int64"})
    result = rows.mutate(due=working_days_later(rows.day, rows.n)).execute()
    expected = np.busday_offset([day for day, _ in pairs], [n for _, n in pairs], roll="backward")
    assert [pd.Timestamp(each).date() for each in result["due"]] == list(expected.astype(object))


def test_days_later_goes_both_ways():
    rows = ibis.memtable(pd.DataFrame({"day": [MONDAY] * 3, "n": [-23, 0, 8]}), schema={"day": "date", "n": "int64"})
    outcome = [pd.Timestamp(each).date() for each in rows.mutate(to=days_later(rows.day, rows.n)).execute()["to"]]
    assert outcome == [date(2026, 10, 31), MONDAY, date(2026, 12, 1)]
