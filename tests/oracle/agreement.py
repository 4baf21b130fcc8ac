"""Whether a published table and an oracle's frame are the same in every column. Not here: any figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pandas as pd

from tests.oracle.raw import Company

_STAMPS = ("policy_hash", "as_of")


def assert_agrees(
    table: str,
    expected: pd.DataFrame,
    company: Company,
    key: Sequence[str],
    left_out: Mapping[str, str] | None = None,
    day: date | None = None,
    *,
    may_be_empty: bool = False,
) -> None:
    """Every column of the published `table`, to 1e-9 or exactly. `left_out`: columns and why the oracle has none.

    A table without rows proves nothing and fails, unless it `may_be_empty`: then the oracle's must be empty, too.

    Raises AssertionError that names the rows or cells that differ.
    """
    result = company.published(table, day)
    lacking = set(result.columns) - set(expected.columns) - set(left_out or {}) - set(_STAMPS)
    assert not lacking, f"{table}: the oracle has no {sorted(lacking)}"
    if key:
        result, expected = (frame.set_index(list(key)).sort_index() for frame in (result, expected))
    assert len(result) or may_be_empty, f"{table} has no rows: nothing is compared"
    assert expected.index.is_unique, f"{table}: the oracle has rows of the same key"
    extra, missing = result.index.difference(expected.index), expected.index.difference(result.index)
    assert not len(extra), f"{table}: rows that the oracle has not: {list(extra[:5])}"
    assert not len(missing), f"{table}: rows that only the oracle has: {list(missing[:5])}"
    expected = expected.reindex(result.index)
    wrong = [
        f"{name}: {row} is {one!r}, the oracle says {other!r}"
        for name in result.columns
        if name in expected.columns and name not in (left_out or {})
        for row, one, other in _unequal(result[name], expected[name])
        if not _same(one, other)
    ]
    assert not wrong, f"{table}: {len(wrong)} cells differ\n" + "\n".join(wrong[:20])


def _unequal(result: pd.Series, expected: pd.Series) -> Iterator[tuple[object, object, object]]:
    """The cells of two aligned columns that are not equal at first sight."""
    differs = (result != expected) & ~(result.isna() & expected.isna())
    return zip(result.index[differs], result[differs], expected[differs], strict=True)


def _same(one: object, other: object) -> bool:
    if pd.isna(one) or pd.isna(other):
        return bool(pd.isna(one) and pd.isna(other))
    if isinstance(one, float) or isinstance(other, float):
        return abs(float(one) - float(other)) <= 1e-9 * max(1.0, abs(float(other)))
    return bool(one == other)
