"""A realistic sample company with planted truth: every extract of the contract, made from a seed.

Belongs here: what draws the company and writes its extracts. Not here: anything the pipeline itself needs; the
pipeline reads these files like any other customer's and never looks at `truth/`.
"""

from segmentation_assets.sample.generate import SampleSummary, generate

__all__ = ["SampleSummary", "generate"]
