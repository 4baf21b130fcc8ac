"""What Dagster loads by its usual name. Not here: what is in it (`orchestration.definitions`)."""

from segmentation_assets.orchestration.definitions import build_defs, defs

__all__ = ["build_defs", "defs"]
