"""The hash of a table's code. It changes when the meaning of the code may change, and not when a comment changes.

Here: hashing a function and every definition of this package that it names. Not here: hashing data or policy
(`planning`).

The hash is taken from syntax trees. It follows names to their definitions, through imports and decorators. Constants
count too: the weights in a mapping count like the lines that use them.
"""

from __future__ import annotations

import ast
import atexit
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType
from typing import Any

from segmentation_assets.settings import write_whole

_PACKAGE = "segmentation_assets"
_FOLDER = Path(__file__).parents[1]
_KEPT = "code_hashes.json"
# Registering and running a table does not change what is in it.
_MACHINERY = frozenset({f"{_PACKAGE}.tables.registry"})
_NAMING = frozenset({ast.Name, ast.Attribute, ast.ImportFrom})
_WITH_WORDS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Call})

Place = tuple[str, str]
"""A module, and a name defined in it."""


@cache
def code_version(subject: Callable[..., Any] | type) -> str:
    """Hash of the source of `subject` and of the functions, classes and constants of the package that it names.

    Comments, blank lines, docstrings and column descriptions do not count. Nor do module paths: a module may be
    moved or renamed. The references between definitions count, so the hash changes when two functions of the same
    name in two modules swap places.
    """
    function = inspect.unwrap(subject)
    name, file = f"{function.__module__}.{function.__qualname__}", sys.modules[function.__module__].__file__
    if "<locals>" in name or file is None or not Path(file).is_relative_to(_FOLDER):
        return _version(subject)
    versions = _kept_versions()
    if name not in versions:
        versions[name] = _version(subject)
    return versions[name]


def _version(subject: Callable[..., Any] | type) -> str:
    definitions = _definitions_behind(subject)
    lines = [f"{name}={one.digest}" for (_, name), one in definitions.items()]
    for one in definitions.values():
        named = (definitions[place].digest for place in one.places)
        lines += [f"{one.digest} names {i}: {digest}" for i, digest in enumerate(named)]
    return _hash("\n".join(sorted(lines)))


@cache
def _kept_versions() -> dict[str, str]:
    """Hashes of an earlier process, while no source file of the package has changed. New ones are kept at the end.

    They stand where Python keeps compiled modules, and as long. Losing them costs a second.
    """
    file = Path(cache_from_source(str(_FOLDER / "__init__.py"))).with_name(_KEPT)
    sources = _hash(f"{sys.version} {_sources()}")
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    versions: dict[str, str] = before["versions"] if before.get("sources") == sources else {}
    if not sys.dont_write_bytecode:
        atexit.register(_keep, file, sources, versions, len(versions))
    return versions


def _sources() -> str:
    """All source files with their size and time of change."""
    files = sorted(_FOLDER.rglob("*.py"))
    return "\n".join(f"{file.relative_to(_FOLDER)} {(at := file.stat()).st_size} {at.st_mtime_ns}" for file in files)


def _keep(file: Path, sources: str, versions: Mapping[str, str], before: int) -> None:
    if len(versions) > before:
        with suppress(OSError):  # as for compiled modules: an installed package may be read-only
            write_whole(file, json.dumps({"sources": sources, "versions": versions}))


def parts(subject: Callable[..., Any] | type) -> set[str]:
    """The input of `code_version`: one `module.name=syntax tree` per definition that `subject` depends on."""
    return {f"{module}.{name}={one.text}" for (module, name), one in _definitions_behind(subject).items()}


@dataclass(frozen=True)
class _Definition:
    """A definition: its syntax trees as text, the hash of that text, and the places of the definitions it names."""

    text: str
    digest: str
    places: tuple[Place, ...]


def _definitions_behind(subject: Callable[..., Any] | type) -> dict[Place, _Definition]:
    function = inspect.unwrap(subject)
    module, name = function.__module__, function.__qualname__
    definitions: dict[Place, _Definition] = {}
    waiting = [(module, name)]
    if name not in _outline(sys.modules[module])[0]:  # defined inside a function
        definitions[module, name] = one = _read([ast.parse(textwrap.dedent(inspect.getsource(function)))], module)
        waiting = [*one.places]
    while waiting:
        place = waiting.pop()
        if place not in definitions:
            definitions[place] = one = _definition(import_module(place[0]), place[1])
            waiting += one.places
    return definitions


@cache
def _definition(module: ModuleType, name: str) -> _Definition:
    return _read(_outline(module)[0][name], module.__name__)


def _read(nodes: Sequence[ast.AST], module: str) -> _Definition:
    named: dict[Place, None] = {}
    text = ";".join(_text(node, module, named) for node in nodes)
    places = dict.fromkeys(_origin(*each) for each in named)
    return _Definition(text, _hash(text), tuple(p for p in places if p and p[0] not in _MACHINERY))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(node: Any, module: str, named: dict[Place, None]) -> str:
    """A syntax tree as text, without docstrings and column descriptions.

    Adds to `named`, in the order of the text, the (module, name) of each reference: names, `module.name`, and imports
    inside functions. One pass does both, for speed: the chain has a quarter of a million nodes, and `ast.dump` takes
    half as long again.
    """
    kind = node.__class__
    if kind is list:
        return f"[{','.join([_text(each, module, named) for each in node])}]"
    if kind is ast.Constant:
        return f"Constant(value={node.value!r})"
    if not isinstance(node, ast.AST):
        return repr(node)
    if kind in _NAMING:
        places = _names(node, module)
        named.update(dict.fromkeys(places))
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            return f"ImportFrom({','.join([f'{alias.name} as {alias.asname}' for alias in node.names])})"
        if isinstance(node, ast.Attribute) and places and _is_ours(places[0][0]):  # `module.name`: the name alone
            return f"Attribute(attr={node.attr!r})"
    wordy = _wordy(node) if kind in _WITH_WORDS else ""
    fields = []
    for name in node._fields:
        value: Any = getattr(node, name, None)
        if name == wordy:
            value = value[1:]
        if value is not None and value != [] and name != "ctx":
            fields.append(f"{name}={_text(value, module, named)}")
    return f"{kind.__name__}({','.join(fields)})"


def _names(node: Any, module: str) -> list[Place]:
    if isinstance(node, ast.Name):
        return [(module, node.id)]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        value = getattr(sys.modules.get(module), node.value.id, None)
        return [(value.__name__, node.attr)] if isinstance(value, ModuleType) else []
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [(node.module, alias.name) for alias in node.names]
    return []


def _is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == _PACKAGE


def _wordy(node: Any) -> str:
    """The field of a node whose first element is only a description; empty if it has none."""
    if isinstance(node, ast.Call):
        return "args" if isinstance(node.func, ast.Name) and node.func.id == "column" else ""
    return "" if ast.get_docstring(node, clean=False) is None else "body"


@cache
def _origin(module: str, name: str) -> Place | None:
    """Where a name is defined, following imports. None for local names and for names from outside the package."""
    seen = set()
    while _is_ours(module) and (module, name) not in seen:
        seen.add((module, name))
        definitions, imports = _outline(import_module(module))
        if name in definitions:
            return module, name
        if name not in imports:
            return None
        module, name = imports[name]
    return None


@cache
def _outline(module: ModuleType) -> tuple[dict[str, list[ast.stmt]], dict[str, Place]]:
    """A module's top-level statements by defined name, and its imports: `from a import b as c` is c: (a, b)."""
    try:
        source = inspect.getsource(module)
    except OSError:  # a module without lines, such as an empty __init__
        source = ""
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, Place] = {}
    for node in _top_level(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        for name in _defined(node):
            definitions.setdefault(name, []).append(node)
    return definitions, imports


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, including those under a condition such as TYPE_CHECKING."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _top_level([*node.body, *node.orelse])


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign | ast.AugAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []
