"""What a table's code is: a hash that changes when its meaning may change, and not when a comment does.

Here: hashing a function with everything of this package it names. Not here: hashing data or policy (`build`).

All from the syntax tree: what a name stands for is read where it is defined, through imports, decorators and
constants of any kind, so that the weights in a mapping count like the lines that use them.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

_PACKAGE = "segmentation_assets"
# How a table is registered and run says nothing about what is in it.
_MACHINERY = frozenset({f"{_PACKAGE}.warehouse.registry"})


Place = tuple[str, str]
"""A module and a name that it defines."""


@cache
def code_version(subject: Callable[..., Any] | type) -> str:
    """Hash of the source of `subject` and of the functions, classes and constants of the package that it names.

    Comments, blank lines, docstrings and the descriptions of columns do not count.
    """
    return hashlib.sha256("\n".join(sorted(parts(subject))).encode()).hexdigest()[:16]


def parts(subject: Callable[..., Any] | type) -> set[str]:
    """What `code_version` hashes: one `module.name=syntax tree` per definition that `subject` rests on."""
    function = inspect.unwrap(subject)
    module, name = function.__module__, function.__qualname__
    found: dict[Place, str] = {}
    waiting = [(module, name)]
    if name not in _outline(sys.modules[module])[0]:  # defined inside a function
        tree = _wordless(ast.parse(textwrap.dedent(inspect.getsource(function))))
        found[module, name] = ast.dump(tree)
        waiting = list(_named_places([tree], module))
    while waiting:
        place = waiting.pop()
        if place not in found:
            found[place], further = _definition(import_module(place[0]), place[1])
            waiting += further
    return {f"{module}.{name}={text}" for (module, name), text in found.items()}


@cache
def _definition(module: ModuleType, name: str) -> tuple[str, tuple[Place, ...]]:
    """What defines a name of a module, and the places of what that names in turn."""
    nodes = _outline(module)[0][name]
    return ";".join(ast.dump(node) for node in nodes), tuple(_named_places(nodes, module.__name__))


def _named_places(nodes: Sequence[ast.AST], module: str) -> set[Place]:
    places = {_origin(*named) for node in nodes for named in _names(node, module)}
    return {place for place in places if place and place[0] not in _MACHINERY}


def _names(tree: ast.AST, module: str) -> Iterator[Place]:
    """(module, name) of all that a tree refers to: names, `module.name`, and imports inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield module, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = getattr(sys.modules.get(module), node.value.id, None)
            if isinstance(value, ModuleType):
                yield value.__name__, node.attr
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.module, alias.name


def _origin(module: str, name: str) -> Place | None:
    """Where a name of a module is defined, through imports; None outside the package and for local names."""
    seen = set()
    while module.split(".", maxsplit=1)[0] == _PACKAGE and (module, name) not in seen:
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
    """Of a module: top-level statements by the name they define, and `from a import b as c` as c -> (a, b)."""
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
            definitions.setdefault(name, []).append(_wordless(node))
    return definitions, imports


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, also those that stand under a condition such as TYPE_CHECKING."""
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


def _wordless(tree: Any) -> Any:
    """The tree without docstrings and without what columns say of themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "column":
            node.args = node.args[1:]
    return tree
