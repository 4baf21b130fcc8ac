"""The whole chain: importing this module registers every table, upstream rooms first. No table stands here."""

from segmentation_assets.warehouse.registry import CATALOGUE

# Table modules, one line each (importing is what registers them):

__all__ = ["CATALOGUE"]
