"""A coverage business case: its figures are computed from their parts and compared with the stated ones.

Here: the contents of a scenario file (`model`), reading it (`reading`), figures with known bounds only (`intervals`),
figures computed from parts (`parts`), the audit (`audit`), figures in words (`words`). Not here: this company's own
capacity (`capacity.plan`), printing (`cli`).
"""
