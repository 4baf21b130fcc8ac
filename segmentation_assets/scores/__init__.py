"""Dimension scores of live accounts, each explainable by its parts."""
