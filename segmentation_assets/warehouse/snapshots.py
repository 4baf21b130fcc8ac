"""A copy of all published tables that no run changes, for programs that read files by themselves.

Here: taking one. Not here: reading it (`reading.access`), or its views (`views`).

DuckDB opens a file to plan a query and again to run it. If a run replaces the file in between, the query fails, or it
takes rows of one version for those of the other. In a snapshot neither can happen, and all tables are of one moment
between runs. Its files are hard links, which cost no space. It is a home without records: `--home` reads it, too.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from segmentation_assets.reasons import WrongUse
from segmentation_assets.warehouse.store import Store


def take_snapshot(store: Store, folder: Path) -> Store:
    """Link all published files into a new folder. It must be the only one at work: call it within `Store.alone`.

    Files are copied if the folder is on another file system. Raises WrongUse if the folder exists; nothing of it is
    left if a file cannot be linked or copied.
    """
    if folder.exists():
        raise WrongUse(f"{folder} exists already: a snapshot is a new folder, so that its readers are not disturbed")
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        for each in (store.published, store.packed):
            if each.is_dir():
                shutil.copytree(each, unfinished / each.name, copy_function=_link)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Store(folder)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
