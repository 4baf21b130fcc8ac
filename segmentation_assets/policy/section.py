"""The base of all policy sections. Not here: any section (the other modules), or the whole (`model`)."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the policy. A table names it by its class. Unknown keys are errors; sections are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)

    @property
    def digest(self) -> str:
        """Hash of the section's values; comments and the order of keys in the file make no difference."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
