"""Secrets of the sync: read from the environment alone, and cut out of every text.

Here: reading a secret, and hiding it. Not here: what a secret is used for (`hubspot`, `salesforce`, `slack`).
A secret is never written to a file, a log, an error, a table or Dagster's records.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, urlsplit

from segmentation_assets.reasons import WrongUse

HIDDEN = "***"
_SHORTEST = 4
"""Fewest characters of a piece that is hidden. A shorter one is no secret, and hiding it would garble words."""


class NoSecret(WrongUse, LookupError):
    """A secret that the command needs is not in the environment. The message names the variable."""


class Secrets:
    """The secrets that this process has read, so that texts can be shown without them."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._values: set[str] = set()

    def __repr__(self) -> str:
        return f"Secrets({len(self._values)} hidden)"

    def has(self, name: str) -> bool:
        """Whether the variable is set."""
        return bool(self._environment.get(name, "").strip())

    def get(self, name: str, what: str, may_have_lines: bool = False) -> str:
        """The value of an environment variable, without blanks around it.

        `what` says for people what it is. Raises NoSecret if it is missing, or, unless it `may_have_lines`, cannot
        stand in a header.
        """
        value = self._environment.get(name, "").strip()
        if not value:
            raise NoSecret(f"{name} is not set: it holds {what}. Secrets are read from the environment alone")
        self.learn(value)
        if not may_have_lines and (not value.isascii() or not value.isprintable() or " " in value):
            raise NoSecret(f"{name} is not {what}: it has blanks or characters that no such value has")
        return value

    def learn(self, value: str) -> None:
        """Hide this value from now on: a token that a vendor gave us."""
        self._values.add(value)

    def hidden(self, text: str) -> str:
        """The text with every secret, and every usual spelling of one, replaced."""
        for piece in sorted(self._pieces(), key=len, reverse=True):
            text = text.replace(piece, HIDDEN)
        return text

    def _pieces(self) -> set[str]:
        pieces: set[str] = set()
        for value in self._values:
            path = urlsplit(value).path.strip("/") if value.startswith(("https://", "http://")) else ""
            for each in (value, path, *(value.splitlines() if "\n" in value else ())):
                encoded = base64.b64encode(each.encode()).decode()
                written = (each, quote(each, safe=""), quote(each), quote_plus(each), repr(each)[1:-1],
                           json.dumps(each)[1:-1], encoded)  # fmt: skip
                pieces |= {piece for piece in written if len(piece) >= _SHORTEST}
        return pieces
