"""Reading YAML with the line of every key, so that an error message can name the line.

Here: reading a file, and the errors of a model in words, with lines. Not here: any model (`model`,
`capacity.scenario.reading`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

# Ten times as fast where libyaml is there.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_DEEPEST, _MOST_PARTS = 40, 1_000_000
"""Levels, and parts with every alias written out, of a file that a person wrote."""
_PROBLEMS = {"extra_forbidden": "unknown key", "missing": "key is missing"}

Lines = Mapping[tuple[str, ...], str]
"""`file:line` of every key and list item, by its path; () is the file's first line."""


def read_with_lines(
    path: Path, holds: str, error: type[ValueError], *, as_text: bool = False
) -> tuple[dict[str, Any], Lines]:
    """The mapping in a file, and the line of each of its parts. `holds`: what it maps, for messages.

    `as_text`: every scalar stays text, so that `Yes`, `007` and `2025-01-31` are what was written. Raises `error` if
    the file is missing, is not YAML or not a mapping, or if a key appears twice or is no plain text.
    """
    loader = _TEXT_LOADER if as_text else _LOADER
    try:
        text = path.read_text(encoding="utf-8-sig")
        _check_depth(text)
        node = yaml.compose(text, Loader=loader)
        _check_size(node)
        value = yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except IsADirectoryError:
        raise error(f"{path}: is a folder; name the file in it") from None
    except yaml.MarkedYAMLError as broken:
        line = f":{broken.problem_mark.line + 1}" if broken.problem_mark else ""
        raise error(f"{path}{line}: not readable as YAML: {broken.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        raise error(f"{path}: not readable as YAML: {broken}") from None
    if not isinstance(value, dict):
        kind = "nothing" if value is None else type(value).__name__
        raise error(f"{path}:1: expected a mapping of {holds}, found {kind}")
    lines: dict[tuple[str, ...], str] = {(): f"{path}:1"}
    for place, problem in _index(node, (), path, lines):
        raise error(f"{place}: {problem}")
    return value, lines


def _check_depth(text: str) -> None:
    """Raises yaml.MarkedYAMLError where levels are nested too deep.

    Events come one by one: nothing that calls itself overflows before they are counted.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {_DEEPEST} levels", problem_mark=event.start_mark)


def _check_size(root: yaml.Node | None) -> None:
    """Raises yaml.MarkedYAMLError where aliases name what contains them, or make a few lines into millions."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = None  # being counted
            sizes[id(node)] = 1 + sum(map(size, _parts(node)))
        counted = sizes[id(node)]
        if counted is None or counted > _MOST_PARTS:
            problem = "an alias of what it stands in" if counted is None else f"more than {_MOST_PARTS:,} parts"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return counted

    if root is not None:
        size(root)


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from (part for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _index(
    node: Any, at: tuple[str, ...], file: Path, lines: dict[tuple[str, ...], str]
) -> Iterator[tuple[str, str]]:
    """Fill `lines`; yield (place, problem) for every key that appears twice."""
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            place = f"{file}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                yield place, "a key must be plain text"
                continue
            if key.value in keys:
                yield place, f"{'.'.join((*at, key.value))}: the key stands twice"
            keys.add(key.value)
            lines[(*at, key.value)] = place
            yield from _index(value, (*at, key.value), file, lines)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*at, str(i))] = f"{file}:{value.start_mark.line + 1}"
            yield from _index(value, (*at, str(i)), file, lines)


def explained(error: ValidationError, lines: Lines, unlisted: str) -> Iterator[str]:
    """One line per error of a model: file and line (`unlisted` if there is none), key, problem, value in the file."""
    for item in error.errors():
        path = tuple(str(part) for part in item["loc"])
        problem = _PROBLEMS.get(item["type"], item["msg"]).removeprefix("Value error, ")
        value = "" if isinstance(item["input"], dict | BaseModel) else f", found {item['input']!r}"
        yield f"{place_of(path, lines) or unlisted}: {'.'.join(path)}: {problem}{value}"


def place_of(path: tuple[str, ...], lines: Lines) -> str | None:
    """`file:line` of a path, or of the nearest path above it that is in the file."""
    return next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), None)
