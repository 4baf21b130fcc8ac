"""Escaping text from data for a terminal, so that no character in it is a command of the terminal or of Rich.

Not here: files, where other characters are dangerous (`rows`, `exports`), or HTML (`report`).
"""

from __future__ import annotations

import unicodedata

from rich import markup

_KEPT = "\n\t"
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text with a replacement character for each control character except line ends and tabs.

    A terminal obeys control characters: ESC sequences change colors, titles, even the clipboard.
    """
    if text.isprintable():
        return text
    return "".join(_UNPRINTABLE if unicodedata.category(c) == "Cc" and c not in _KEPT else c for c in text)


def on_one_line(text: str) -> str:
    """`printable`, with line ends and tabs as spaces: for a cell of a table."""
    return printable(text.translate(dict.fromkeys(map(ord, _KEPT + "\r"), " ")))


def escape(text: str) -> str:
    """`printable`, with Rich's markup escaped."""
    return markup.escape(printable(text))
