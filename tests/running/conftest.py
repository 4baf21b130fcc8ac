"""Runs are tried on the same homes and fake chain as the definitions they run. Not here: assertions."""

from tests.orchestration.conftest import instance_template, runner, settings

__all__ = ["instance_template", "runner", "settings"]
