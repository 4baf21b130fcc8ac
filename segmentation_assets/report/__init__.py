"""The report: one self-contained HTML file per run, for the people who lead and staff customer success.

Here: reading published tables (`evidence`), one module per page that makes its plain view model, `charts`, the words
and rounding of figures (`figures`), the document itself (`document`) and where it is kept (`publishing`); `plots` for
the pages of tables in Dagster.
Not here: any figure that a table of the chain gives, or Dagster (`orchestration.report`).
"""
