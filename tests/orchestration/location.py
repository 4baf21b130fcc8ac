"""The code location that a real daemon loads in tests: the chain as far as billing thresholds need it."""

from __future__ import annotations

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.settings import find_settings
from tests.orchestration.billing import registry

defs = build_defs(settings=find_settings(), registry=registry())
