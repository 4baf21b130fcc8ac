"""What people look at: charts and pages made of published tables.

Here: drawing and laying out. Not here: computing any figure (the chain), reading published files (`access`), Dagster.
"""
