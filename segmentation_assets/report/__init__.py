"""The report: one self-contained HTML file per run, for the people who lead and staff customer success.

Here: the published tables of a report (`evidence`), one module per page with its view model, `charts`, the document
(`document`) and where it is kept (`publishing`); `plots` for the pages of tables in Dagster.
Not here: computing any figure (the chain), writing figures as text (`reading.figures`), or Dagster
(`orchestration.report_asset`).
"""
