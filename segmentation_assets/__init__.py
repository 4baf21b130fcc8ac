"""Daily, explainable account segmentation for B2B SaaS revenue teams.

`from segmentation_assets import load` reads a published table as a pandas frame. Importing the package loads nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmentation_assets.reading.access import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from segmentation_assets.reading import access  # noqa: PLC0415 - importing the package stays light

    return getattr(access, name)
