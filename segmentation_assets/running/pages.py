"""The process that serves pages, behind the doors: Dagster's, or the explorer's.

    python -m segmentation_assets.running.pages dagster PORT WORKSPACE
    python -m segmentation_assets.running.pages explorer PORT

Here: putting a page server together and running it. Not here: who may talk to it (`doors`), or watching this process
(`children`). It takes its token from the environment, and takes it out there: what it starts itself need not have it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from segmentation_assets.running.children import HOST
from segmentation_assets.running.doors import TOKEN, Doors

EXPLORER, DAGSTER = "explorer", "dagster"
_GRACE = 3
"""Seconds that open pages have at the end; their connections for live updates would last for ever."""


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal."""
    kind, port, token = arguments[0], int(arguments[1]), os.environ.pop(TOKEN)
    if kind == EXPLORER:
        _serve_explorer(port, token)
    else:
        _serve_dagster(port, token, Path(arguments[2]))


def _serve_dagster(port: int, token: str, workspace: Path) -> None:
    import uvicorn  # noqa: PLC0415 - only the process that serves needs it

    from segmentation_assets.orchestration.private_api import dagster_pages  # noqa: PLC0415

    with dagster_pages(workspace) as pages:
        uvicorn.run(
            Doors(pages, port=port, token=token),
            host=HOST,
            port=port,
            log_level="warning",
            timeout_graceful_shutdown=_GRACE,
        )


def _serve_explorer(port: int, token: str) -> None:
    import streamlit as st  # noqa: PLC0415 - an extra
    from starlette.middleware import Middleware  # noqa: PLC0415 - comes with it

    from segmentation_assets.running.explorer import OPTIONS, PAGE  # noqa: PLC0415

    doors = Middleware(Doors, port=port, token=token)  # pyright: ignore[reportArgumentType] - its types are narrower
    st.App(PAGE, middleware=[doors]).run(config=OPTIONS | {"server.port": port})


if __name__ == "__main__":
    main(sys.argv[1:])
