"""The identity of every asset, pinned in a file: key, group, inputs, owners, kinds, days.

After a change that is meant: `python -m tests.orchestration.snapshot`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.settings import Settings

SNAPSHOT = Path(__file__).with_name("assets.json")


def snapshot(defs: dg.Definitions) -> dict[str, Any]:
    """Per asset, what others rely on."""
    graph = defs.resolve_asset_graph()
    return {key.path[-1]: _identity(graph.get(key)) for key in sorted(graph.get_all_asset_keys())}


def _identity(node: Any) -> dict[str, Any]:
    mappings = {
        key.path[-1]: mapping.start_offset
        for key, mapping in node.partition_mappings.items()
        if isinstance(mapping, dg.TimeWindowPartitionMapping)
    }
    return {
        "group": node.group_name,
        "deps": sorted(key.path[-1] for key in node.parent_keys),
        "looks back, days": {name: mappings[name] for name in sorted(mappings)},
        "owners": sorted(node.owners),
        "kinds": sorted(node.kinds),
        "by as_of": node.partitions_def is not None,
    }


if __name__ == "__main__":
    result = snapshot(build_defs(settings=Settings(Path("nowhere"), None, None)))
    SNAPSHOT.write_text(json.dumps(result, indent=1) + "\n")
