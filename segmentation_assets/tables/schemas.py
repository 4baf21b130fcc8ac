"""Pandera as this project uses it: for pandas types alone.

Here: importing pandera. Not here: any contract (`contracts`).

Pandera imports all of pyspark where it is installed. That costs each command a second, and pyspark changes pandas'
classes. So pyspark is hidden while pandera is imported (seen in pandera 0.35, `external_config`).
"""

from __future__ import annotations

import sys
from typing import Any

_HIDDEN = "pyspark"
_modules: dict[str, Any] = sys.modules
_is_free = _HIDDEN not in _modules
if _is_free:
    _modules[_HIDDEN] = None  # an import of it fails then, as if it were not installed
try:
    import pandera.pandas as pa
    import pandera.typing.pyspark  # noqa: F401 - imported by the first model otherwise
    from pandera.engines import pandas_engine
finally:
    if _is_free:
        del _modules[_HIDDEN]

__all__ = ["pa", "pandas_engine"]
