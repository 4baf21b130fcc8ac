from __future__ import annotations

import importlib.util
import linecache
import sys
from pathlib import Path
from types import ModuleType

import pytest

from segmentation_assets.profiles.signals import account_signals
from segmentation_assets.tables import registry
from segmentation_assets.warehouse import code_hashes
from segmentation_assets.warehouse.code_hashes import code_version, parts

MOVED = "_in_another_room"

RULES = """
import re
LIMITS = {"low": 1, "high": [2, 3]}
SHIFTED = LIMITS["low"] + 1
PATTERN = re.compile("a+")

def deepest(x):
    return x - 7
"""
TABLE = '''
"""Module docstring."""
from functools import cache
from segmentation_assets.probe_rules import LIMITS, PATTERN, deepest
from segmentation_assets import probe_rules

def column(text, **rules):
    return text, rules

FACTOR = 3
RULES = {"double": lambda x: x * 2}

class Contract:
    """What it is for."""
    limit = 5
    account = column("Which account.", ge=1)

@cache
def cached(x):
    return deepest(x) + 1

def helper(x):
    """Doc."""
    return cached(x) * FACTOR  # a comment

def made_of(x: Contract):
    """The table."""
    return helper(x) + RULES["double"](x) + LIMITS["low"] + probe_rules.SHIFTED + len(PATTERN.pattern)

def late(x):
    from segmentation_assets.probe_rules import deepest as renamed
    return renamed(x)

def unrelated(x):
    return x + 99
'''


def load(name: str, source: str, folder: Path) -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(source)
    linecache.checkcache(str(path))
    full = f"segmentation_assets.{name}"
    spec = importlib.util.spec_from_file_location(full, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    setattr(sys.modules["segmentation_assets"], name, module)
    sys.dont_write_bytecode, kept = True, sys.dont_write_bytecode
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = kept
    return module


@pytest.fixture
def versions(tmp_path: Path):
    count = iter(range(100))

    def of(table: str = TABLE, rules: str = RULES, name: str = "made_of", moved: str = "") -> str:
        folder = tmp_path / str(next(count))  # the same module, from another file: nothing stale is read
        folder.mkdir()
        load(f"probe_rules{moved}", rules, folder)
        source = table.replace("probe_rules", f"probe_rules{moved}")
        return code_version(getattr(load(f"probe_table{moved}", source, folder), name))

    yield of
    for name in ("probe_rules", "probe_table", f"probe_rules{MOVED}", f"probe_table{MOVED}"):
        sys.modules.pop(f"segmentation_assets.{name}", None)
        if hasattr(sys.modules["segmentation_assets"], name):
            delattr(sys.modules["segmentation_assets"], name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ('"""Doc."""', '"""Other words."""'),
        ('"""The table."""', '"""The table, told better."""'),
        ('"""What it is for."""', '"""What else it is for."""'),
        ('"""Module docstring."""', '"""Another."""'),
        ("    return cached(x) * FACTOR", "\n\n    return cached(x) * FACTOR"),
        ('"Which account."', '"The account."'),
        ("return x + 99", "return x + 100"),  # what the table does not call
        ("FACTOR = 3", "FACTOR = 3  # three"),
    ],
)
def test_words_and_strangers_leave_it_as_it_is(versions, old: str, new: str):
    assert old in TABLE
    assert versions(TABLE.replace(old, new)) == versions()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("helper(x) +", "helper(x) -"),  # itself
        ("cached(x) * FACTOR", "cached(x) / FACTOR"),  # what it calls
        ("deepest(x) + 1", "deepest(x) + 2"),  # behind a decorator
        ("FACTOR = 3", "FACTOR = 4"),
        ("x * 2", "x * 4"),  # a lambda in a mapping
        ("limit = 5", "limit = 6"),  # a contract
        ("ge=1", "ge=2"),
    ],
)
def test_a_change_of_meaning_in_its_module_changes_it(versions, old: str, new: str):
    assert old in TABLE
    assert versions(TABLE.replace(old, new)) != versions()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x - 7", "x - 8"),
        ('"low": 1', '"low": 0'),
        ("[2, 3]", "[2, 4]"),
        ('LIMITS["low"] + 1', 'LIMITS["low"] + 2'),  # reached through its module
        ("a+", "b+"),
    ],
)
def test_a_change_of_meaning_in_another_module_changes_it(versions, old: str, new: str):
    assert old in RULES
    assert versions(rules=RULES.replace(old, new)) != versions()


@pytest.mark.parametrize("name", ["made_of", "late"])
def test_a_module_that_moves_changes_nothing(versions, name: str):
    assert versions(name=name, moved=MOVED) == versions(name=name)


OWN = "\ndef _own(x):\n    return x + {}\n"
BOTH = """
def both(x):
    return _own(x) - probe_rules._own(x) / 2
"""


def test_two_helpers_of_one_name_cannot_change_places(versions):
    """The same texts are there before and after; which of them is called where is not the same."""
    before = versions(TABLE + OWN.format(1) + BOTH, RULES + OWN.format(2), "both")
    after = versions(TABLE + OWN.format(2) + BOTH, RULES + OWN.format(1), "both")
    assert before != after


def test_what_is_imported_inside_the_function_counts(versions):
    assert versions(name="late") == versions(name="late")
    assert versions(name="late") != versions(rules=RULES.replace("x - 7", "x - 8"), name="late")


def test_two_functions_of_equal_text_differ():
    assert code_version(load) != code_version(test_two_functions_of_equal_text_differ)


def test_a_function_within_a_function_has_its_own():
    def local(x):
        return load(x, x, x)

    def other(x):
        return load(x, x, x) + 1

    assert code_version(local) != code_version(other)


def test_the_machinery_that_registers_a_table_is_not_part_of_its_meaning():
    named = {part.partition("=")[0] for part in parts(account_signals)}
    assert "segmentation_assets.profiles.facts.zero_if_present" in named
    assert not {name for name in named if name.startswith(registry.__name__)}


def test_hashes_of_an_earlier_process_count_while_no_source_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A copy of the package's folder: what is kept is used, and is not once a file has changed."""
    folder = tmp_path / "segmentation_assets"
    folder.mkdir()
    source = folder / "__init__.py"
    source.write_text("")
    monkeypatch.setattr(code_hashes, "_FOLDER", folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # nothing is registered for the end of this process
    read = code_hashes._kept_versions.__wrapped__
    assert read() == {}
    file = next(iter(_kept_files(folder)))
    code_hashes._keep(file, code_hashes._hash(f"{sys.version} {code_hashes._sources()}"), {"a.b": "1"}, 0)
    assert read() == {"a.b": "1"}
    source.write_text("changed = 1\n")
    assert read() == {}
    file.write_text("{ no JSON")
    assert read() == {}


def _kept_files(folder: Path) -> list[Path]:
    name = importlib.util.cache_from_source(str(folder / "__init__.py"))
    return [Path(name).with_name(code_hashes._KEPT)]
