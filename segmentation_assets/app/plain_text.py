"""Text of the data on a page, as text: whatever it holds, it is no markup there.

Here: the one way in which the explorer shows names, reasons and other text that comes from outside. Not here: the
page's own words. Streamlit's other elements read markdown, so text of the data goes here or into cells of a frame.
"""

from __future__ import annotations

from html import escape

import streamlit as st


def say(*texts: str, tag: str = "p", style: str = "margin:0 0 .4rem") -> None:
    """Each text as one element of its own."""
    st.html("".join(f'<{tag} style="{style}">{escape(text)}</{tag}>' for text in texts))
