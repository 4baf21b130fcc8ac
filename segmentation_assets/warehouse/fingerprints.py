"""What a table's code is: a hash that changes when its meaning may change, and not when a comment does.

Here: hashing a function with everything of this package it calls. Not here: hashing data or policy (`build`).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

_PACKAGE = "segmentation_assets"


@cache
def code_version(subject: Callable[..., Any] | type) -> str:
    """Hash of the source of `subject` and of the functions, classes and constants of the package that it names.

    Comments, blank lines and docstrings do not count.
    """
    parts = sorted(set(_sources(subject, set())))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _sources(subject: Any, seen: set[int]) -> Iterator[str]:
    if id(subject) in seen:
        return
    seen.add(id(subject))
    tree = _tree(subject)
    yield f"{subject.__module__}.{subject.__qualname__}={ast.dump(tree)}"
    module = sys.modules[subject.__module__]
    for name, attribute in _names(tree):
        value = getattr(module, name, None)
        if isinstance(value, types.ModuleType) and attribute:
            value = getattr(value, attribute, None) if value.__name__.startswith(_PACKAGE) else None
        if isinstance(value, type | types.FunctionType):
            if (value.__module__ or "").startswith(_PACKAGE):
                yield from _sources(inspect.unwrap(value), seen)
        elif _is_plain(value):
            yield f"{module.__name__}.{name}={value!r}"


def _tree(subject: Any) -> ast.AST:
    tree = ast.parse(textwrap.dedent(inspect.getsource(subject)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _names(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr
        elif isinstance(node, ast.Name):
            yield node.id, None


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_is_plain(v) for v in value)
    return isinstance(value, str | int | float | bool)
