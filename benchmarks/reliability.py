"""What was tried to break the product, and what broke: the sections of `benchmarks/RELIABILITY.md`.

Here: keeping sections, and the parts that are not kills: inputs, readers, doors. Not here: the kills
(`tests.e2e.soak`), or any speed (`benchmarks.parts`).

    python -m benchmarks.reliability              all three
    python -m benchmarks.reliability readers --reads 1000
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from platform import machine, python_version

RESULTS = Path(__file__).parent / "RELIABILITY.md"
_TITLE = "# What was tried, and what broke\n"
_ORDER = ("Kills", "Inputs", "Readers", "Doors")


def keep(section: str, results: Path = RESULTS) -> None:
    """Put a section in the place of the last one of its name. The file is written whole."""
    before = results.read_text(encoding="utf-8") if results.exists() else _TITLE
    head, *others = before.split("\n## ")
    sections = {_name(each): each.strip() for each in others}
    text = section.removeprefix("## ").strip()
    sections[_name(text)] = text
    ordered = sorted(sections, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    whole = "\n\n".join([head.strip(), *(f"## {sections[name]}" for name in ordered)]) + "\n"
    unfinished = results.with_suffix(".unfinished")
    unfinished.write_text(whole, encoding="utf-8")
    unfinished.replace(results)


def _name(section: str) -> str:
    return section.partition(":")[0].strip()


def when_and_where() -> str:
    """The day and the machine of a section."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({machine()}), Python {python_version()}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Try to break the product; figures to benchmarks/RELIABILITY.md.")
    parser.add_argument("parts", nargs="*", choices=[[], "inputs", "readers", "doors"], help="[default: all]")
    parser.add_argument("--inputs", type=int, default=500, help="Inputs to try.")
    parser.add_argument("--reads", type=int, default=10_000, help="Reads of each kind.")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    from benchmarks import doors, inputs, readers  # noqa: PLC0415 - they load the tests' tools

    parts: dict[str, Callable[[Path], tuple[str, bool]]] = {
        "inputs": lambda folder: inputs.section(folder, arguments.inputs, arguments.seed),
        "readers": lambda folder: readers.section(folder, arguments.reads),
        "doors": doors.section,
    }
    is_sound = True
    for name in arguments.parts or parts:
        with tempfile.TemporaryDirectory() as folder:
            section, was_sound = parts[name](Path(folder))
        keep(section)
        sys.stdout.write(section + "\n")
        is_sound = is_sound and was_sound
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
