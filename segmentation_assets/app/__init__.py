"""The explorer: published accounts in a browser. Needs the extra `app` (Streamlit).

Here: `serving` starts it, `explorer` is the page, `filters` and `comparison` choose and compare rows, `plain_text`
shows text of the data. Not here: reading published tables (`access`), explaining an account (`explanations`), or any
figure that a table of the chain gives. Nothing here writes or imports Dagster.
"""
