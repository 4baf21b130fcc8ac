"""How fast the product is beside its targets, and beside hand-written DuckDB SQL that computes the same tables.

Here: what is measured, how, and the targets. Not here: tests of single rules. A part of one's own is a module with a
`measure` (`figures.Part`) and one line in `parts.PARTS`.
"""
