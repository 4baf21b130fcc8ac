"""Escaping text from data for people: no character in it is a command, and invisible characters are shown.

Here: terminals, Rich's markup, Markdown, and characters that reverse or hide text. Not here: files, where other
characters are dangerous (`rows`, `exports`), or HTML (`report`).
"""

from __future__ import annotations

import re
import unicodedata

from rich import markup

_KEPT = "\n\t"
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
_UNSEEN = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x200B, 0x2060, 0xFEFF, 0x00AD],
    _UNPRINTABLE,
)
"""Marks that turn the order of letters around (Unicode's bidirectional overrides and isolates), and marks without
width: `exe.gpj` can be made to read `jpg.exe`, and two accounts of different names to look the same. Joiners stay:
some languages need them."""
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+!|<>~$&:@]|(?<=www)\.")


def visible(text: str) -> str:
    """The text with each mark that turns letters around, or has no width, shown as one that cannot be printed."""
    return text.translate(_UNSEEN)


def printable(text: str) -> str:
    """`visible`, with a replacement character for each control character except line ends and tabs.

    A terminal obeys control characters: ESC sequences change colors, titles, even the clipboard.
    """
    if text.isprintable():
        return text
    text = visible(text)
    return "".join(_UNPRINTABLE if unicodedata.category(c) == "Cc" and c not in _KEPT else c for c in text)


def on_one_line(text: str) -> str:
    """`printable`, with line ends and tabs as spaces: for a cell of a table."""
    return printable(text.translate(dict.fromkeys(map(ord, _KEPT + "\r"), " ")))


def escape(text: str) -> str:
    """`printable`, with Rich's markup escaped."""
    return markup.escape(printable(text))


class Markdown(str):
    """Text that is Markdown already, and ours: not escaped again."""

    __slots__ = ()


def in_markdown(text: str) -> str:
    """`on_one_line`, with all that Markdown would read as markup written out: no link, no picture, no HTML.

    Nor bare addresses, which many readers of Markdown make into links.
    """
    return _MARKDOWN.sub(r"\\\g<0>", on_one_line(text))
