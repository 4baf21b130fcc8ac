"""Ledgers and alerts: what was announced about accounts, and when. Not here: the segments themselves (`segments`)."""
