"""From expressions to columns: which columns a column is made from.

Here: what column lineage is (`columns`) and deriving it from the chain's expressions (`tracing`). Not here:
showing it (`cli`, `report`), or telling Dagster (`orchestration`).
"""
