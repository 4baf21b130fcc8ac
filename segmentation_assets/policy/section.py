"""The base of all policy sections. Not here: any section's numbers (`model`)."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the policy that tables declare by its class. Unknown keys are errors; sections never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def digest(self) -> str:
        """Hash of the section's values, whatever their order or comments in the file."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
