"""Text of data on its way to people: what turns letters around is shown, and Markdown in it is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from segmentation_assets.orchestration.descriptions import markdown_table
from segmentation_assets.reading.escaping import Markdown, in_markdown, printable

READERS = (MarkdownIt("commonmark"), MarkdownIt("gfm-like", {"linkify": False, "html": True}))


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\u061c", "\u00ad", "\x1b"])
def test_marks_that_cannot_be_seen_are_shown(mark: str):
    assert printable(f"Acme{mark}Inc") == "Acme\N{REPLACEMENT CHARACTER}Inc"


def test_joiners_and_line_ends_stay():
    assert printable("می\u200cخواهم\n👩\u200d💻\t") == "می\u200cخواهم\n👩\u200d💻\t"


@pytest.mark.parametrize(
    "text",
    ["[x](javascript:alert(1))", "![x](http://evil.example/p.png)", "<img src=x onerror=alert(1)>", "**a** _b_ `c`",
     "http://evil.example", "www.evil.example", "me@evil.example", "<http://evil.example>", "&lt;b&gt;", "\\*",
     "a | b", "~~a~~", "# a", "a\nb"],
)  # fmt: skip
def test_a_name_in_a_table_is_shown_as_it_is(text: str):
    for reader in READERS:
        html = reader.render(markdown_table(("name",), [(text,)]))
        assert not any(tag in html for tag in ("<a ", "<img", "<em", "<strong", "<code", "<s>", "<del", "<h1"))
        assert html.count("<td") in {0, 1}  # CommonMark itself has no tables


letters = st.text(st.sampled_from(" *_`[]()<>!&|~#\\:/.@wxyz-=+'\"{}$"), max_size=30)


@given(letters)
def test_whatever_stands_in_a_text_reads_as_that_text(text: str):
    rendered = READERS[0].parseInline(in_markdown(f"x{text}x"))[0].children or []
    assert {token.type for token in rendered} <= {"text", "text_special"}
    assert "".join(token.content for token in rendered) == f"x{text}x"


def test_own_markdown_stays_and_long_texts_are_cut():
    assert markdown_table(("a",), [(Markdown("`x`"),)]).splitlines()[-1] == "| `x` |"
    assert len(markdown_table(("a",), [("y" * 1_500_000,)])) < 100
    assert len(markdown_table(("a",), [("y " * 700_000,)])) < 1100
