"""What a terminal shows: tables, trees, progress, the reasons behind a segment, a run's summary.

Here: turning rows and outcomes into text. Not here: commands and their options, or computing anything.
"""
