"""The accounts behind each number that counts accounts: a number on a page opens exactly these.

Here: sets of accounts by a key that a link names. Not here: which accounts a number counts (the page's module), or
the list that a link opens (`report.js`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Count:
    """A number of accounts, the key of their set, and what they have in common."""

    number: int
    key: str
    title: str


@dataclass
class AccountSets:
    """The sets of one report. The same accounts under the same title are one set."""

    _keys: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def count(self, accounts: Iterable[str], title: str) -> Count:
        """The number of these accounts, and their set."""
        ids = tuple(sorted(set(accounts)))
        key = self._keys.setdefault((title, ids), f"s{len(self._keys) + 1}")
        return Count(len(ids), key, title)

    @property
    def members(self) -> frozenset[str]:
        """All accounts of all sets."""
        return frozenset(account for _, ids in self._keys for account in ids)

    def packed(self, place: dict[str, int]) -> dict[str, dict[str, object]]:
        """Each set by its key: its title, and the places of its accounts in the list of all accounts."""
        return {
            key: {"title": title, "rows": [place[account] for account in ids]}
            for (title, ids), key in self._keys.items()
        }
