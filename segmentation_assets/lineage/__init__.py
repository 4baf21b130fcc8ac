"""Column lineage: which columns a column is made from.

Here: what column lineage is (`columns`), deriving it from the chain's expressions (`tracing`), and observing
functions of frames (`frames`). Not here: showing it (`cli`, `report`), or passing it to Dagster (`orchestration`).
"""
