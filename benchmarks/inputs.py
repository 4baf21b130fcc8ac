"""Inputs that are broken at random: does any of them end in a traceback?

Here: breaking files and mappings, and trying each through `check-sources` and landing. Not here: the results file
(`reliability`), or what each kind of fault should say (tests/extracts).
"""

from __future__ import annotations

import gzip
import random
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.reliability import when_and_where
from segmentation_assets.extracts.checking import check_sources
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reasons import Refusal
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

_LONGEST_REASON = 5000
_ACCOUNTS = "account_id,account_name,employees,created_on\n" + "".join(
    f"A{n},Name of {n},{n * 10},2024-0{n % 9 + 1}-01\n" for n in range(1, 40)
)
_SUBSCRIPTIONS = "subscription_id,start_date,end_date,account_id,mrr,currency,seats\n" + "".join(
    f"S{n},2025-01-0{n % 9 + 1},,A{n},{n * 100}.50,USD,{n}\n" for n in range(1, 40)
)
_USAGE = "usage_date,user_id,account_id,feature,event_count\n" + "".join(
    f"2025-03-0{n % 9 + 1},U{n},A{n},reports,{n}\n" for n in range(1, 40)
)
_TICKETS = (
    "["
    + ",".join(
        f'{{"ticket_id": "T{n}", "account_id": "A{n}", "opened_at": "2025-02-01T10:00:00Z"}}' for n in range(1, 20)
    )
    + "]"
)
_MAPPING = """version: 1
extracts:
  crm_accounts: {path: accounts.csv}
  billing_subscriptions: {path: subscriptions.csv, columns: {seats: {sql: "TRY_CAST(seats AS BIGINT)"}}}
  product_usage: {path: usage/*.parquet}
  support_tickets: {path: tickets.json}
  product_users: {path: users.csv.gz}
"""
_NASTY = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b'"',
    b"'",
    b"\n",
    b"\r",
    b"\r\n",
    b",",
    b";",
    b"\t",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"&a *a ",
    b"!!python/object/apply:os.system [id]",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8b",
    b"=cmd|' /C calc'!A0",
    b"NaN",
    b"1e999",
    b"-0",
    b"9999-12-31",
    b"0000-00-00",
    b"epoch",
    b"\xed\xa0\x80",
    b"\xc3",
    b"${HOME}",
    b"../../etc/passwd",
    b"A" * 70_000,
    b"%s%n",
    b"<script>",
    b"\x1b[31m",
    b"PAR1",
    b"\x1f\x8b",
)


@dataclass(frozen=True)
class Trial:
    """One broken input: what was done to which file, and the traceback it ended in (None: it did not)."""

    what: str
    traceback: str | None


def write_sound(folder: Path) -> list[Path]:
    """Files and a mapping that land as they are; the files."""
    folder.mkdir(parents=True)
    (folder / "usage").mkdir()
    (folder / "accounts.csv").write_text(_ACCOUNTS)
    (folder / "subscriptions.csv").write_text(_SUBSCRIPTIONS)
    (folder / "usage.csv").write_text(_USAGE)
    duckdb.sql(f"COPY (FROM '{folder}/usage.csv') TO '{folder}/usage/2025-03-10.parquet' (FORMAT parquet)")
    (folder / "usage.csv").unlink()
    (folder / "tickets.json").write_text(_TICKETS)
    users = "user_id,account_id\n" + "".join(f"U{n},A{n}\n" for n in range(1, 40))
    (folder / "users.csv.gz").write_bytes(gzip.compress(users.encode(), mtime=0))
    (folder / "sources.yaml").write_text(_MAPPING)
    return sorted(path for path in folder.rglob("*") if path.is_file())


Change = Callable[[bytes, random.Random], bytes]


def _cut(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text) + 1)]


def _insert(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(_NASTY) + text[at:]


def _flip(text: bytes, chance: random.Random) -> bytes:
    changed = bytearray(text)
    for _ in range(chance.randrange(1, 9)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _repeat(text: bytes, chance: random.Random) -> bytes:
    low, high = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    return text[:high] + text[low:high] * chance.randrange(1, 40) + text[high:]


def _remove(text: bytes, chance: random.Random) -> bytes:
    low, high = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    return text[:low] + text[high:]


def _encode(text: bytes, chance: random.Random) -> bytes:
    code = chance.choice(("utf-16", "utf-16-le", "utf-32", "cp037", "utf-7", "latin-1"))
    return text.decode("utf-8", "replace").encode(code, "replace")


def _shuffle_lines(text: bytes, chance: random.Random) -> bytes:
    lines = text.split(b"\n")
    chance.shuffle(lines)
    return b"\n".join(lines)


CHANGES: Mapping[str, Change] = {
    "cut off": _cut,
    "bytes inserted": _insert,
    "bytes changed": _flip,
    "a piece repeated": _repeat,
    "a piece removed": _remove,
    "another encoding": _encode,
    "lines in another order": _shuffle_lines,
}


def break_one(files: Sequence[Path], chance: random.Random) -> str:
    """Break one file; what was done."""
    file, (what, change) = chance.choice(files), chance.choice([*CHANGES.items()])
    text = file.read_bytes()
    if file.suffix == ".gz" and chance.random() < 0.5:  # what is in it, rather than the archive
        text = gzip.compress(change(gzip.decompress(text), chance), mtime=0)
    else:
        text = change(text or b" ", chance)
    kind = chance.random()
    file.unlink()
    if kind < 0.03:
        file.mkdir()
        return f"{file.name}: a folder"
    if kind < 0.06:
        file.symlink_to(chance.choice(["/dev/null", "nowhere", file.name, "/etc"]))
        return f"{file.name}: a link"
    file.write_bytes(text)
    return f"{file.name}: {what}"


def try_one(folder: Path, what: str) -> Trial:
    """Check and land what stands in a folder."""
    try:
        try:
            sources = read_sources(folder / "sources.yaml")
            _bounded(str(each) for each in check_sources(sources))
            with open_connection(Store(folder / "home", is_durable=False)) as connection:
                engine = Engine(connection, Store(folder / "home", is_durable=False))
                results = land(sources, engine, load_policy().sections)
            _bounded(each.reason or "" for each in results)
            wrong = [each.extract for each in results if each.good + each.quarantined != each.read]
            if wrong:
                raise AssertionError(f"rows of {wrong} are not accounted for")
        except Refusal as refusal:
            _bounded([str(refusal)])
    except Exception:  # whatever it is, people would see it
        return Trial(what, traceback.format_exc())
    return Trial(what, None)


def _bounded(texts: object) -> None:
    for text in texts:  # type: ignore[attr-defined]
        if len(text) > _LONGEST_REASON or "Traceback" in text:
            raise AssertionError(f"a reason of {len(text)} characters: {text[:200]}")


def try_many(folder: Path, number: int, seed: int) -> list[Trial]:
    """Break and try so many inputs, one or two faults in each."""
    chance, results = random.Random(seed), []  # noqa: S311 - no secret
    for each in range(number):
        place = folder / str(each)
        files = write_sound(place)
        faults = [break_one(files, chance)]
        left = [file for file in files if file.is_file() and not file.is_symlink()]
        if chance.random() < 0.3:
            faults.append(break_one(left, chance))
        results.append(try_one(place, " and ".join(faults)))
        shutil.rmtree(place)
    return results


def section(folder: Path, number: int, seed: int) -> tuple[str, bool]:
    """The section of the results file, and whether nothing ended in a traceback."""
    results = try_many(folder, number, seed)
    broken = [each for each in results if each.traceback]
    tried = Counter(each.what.partition(": ")[2].partition(" and ")[0] for each in results)
    lines = [
        "## Inputs: `python -m benchmarks.reliability inputs`",
        "",
        f"{when_and_where()}, seed {seed}: **{len(results)} broken inputs, {len(broken)} tracebacks.** Each was "
        "checked (`check-sources`) and landed. Every row read was published or quarantined; every reason was of "
        "bounded length.",
        "",
        "First fault: " + ", ".join(f"{what} {count}" for what, count in sorted(tried.items())) + ".",
        *(f"\n{each.what}\n\n```\n{(each.traceback or '')[-1500:]}\n```" for each in broken[:20]),
        "",
    ]
    return "\n".join(lines), not broken
