"""What the product costs beside hand-written DuckDB SQL that computes the same tables.

Here: the two sides, measuring them, holding their tables against each other. Not here: tests of single rules.
"""
