"""The whole chain: importing this module registers every table, upstream rooms first. No table stands here."""

from segmentation_assets.warehouse.registry import CATALOGUE

# Table modules, one line each (importing is what registers them):
from segmentation_assets.extracts import contracts as contracts

__all__ = ["CATALOGUE"]
