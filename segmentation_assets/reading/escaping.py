"""Text from data on its way to a terminal: nothing in it is a command, of the terminal or of Rich.

Not here: files, where other characters are dangerous (`formats`, `exports`), or HTML (`report`).
"""

from __future__ import annotations

import unicodedata

from rich import markup

_KEPT = "\n\t"
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text with each control character but line ends and tabs shown as one that cannot be printed.

    A terminal obeys some of them (ESC and what follows changes colours, titles, even the clipboard).
    """
    if text.isprintable():
        return text
    return "".join(_UNPRINTABLE if unicodedata.category(c) == "Cc" and c not in _KEPT else c for c in text)


def on_one_line(text: str) -> str:
    """`printable`, with line ends and tabs as spaces: for a cell of a table."""
    return printable(text.translate(dict.fromkeys(map(ord, _KEPT + "\r"), " ")))


def escape(text: str) -> str:
    """`printable`, with Rich's markup written out."""
    return markup.escape(printable(text))
