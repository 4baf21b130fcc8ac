"""The engine certificate: each table of the chain gives the same rows on DuckDB and on Spark.

`companies` has the inputs, `rows` compares, `engines` computes a table on either. Not here: whether a figure is right
(`tests/oracle`, the rooms' own tests).
"""
