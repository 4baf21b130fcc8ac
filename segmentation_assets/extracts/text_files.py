"""Text files before parsing: unpacking, conversion to UTF-8, counting lines.

Here: gz, zip and zst, encodings, which line names the columns, the number of lines, and the first line on which a
quote is opened and not closed. Not here: parsing lines into rows (`reading`), or what columns mean (`casting`).

Lines are counted from the bytes alone, so the count shows whether a parser lost rows. An unclosed quote turns
thousands of lines into one row, and no parser calls that an error.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

PACKED = (".gz", ".zip", ".zst")
DELIMITERS = ",;\t|"
_CHUNK = 1 << 24
_LF, _CR, _QUOTE = 10, 13, 34
_SEPARATOR = re.compile(r"^\s*sep=(.)\s*$", re.IGNORECASE)
_LONGEST_HEADER = 1 << 20
_NO_TABLE = "check that it is a table with one line per row, and that its quotes are closed"


class Unreadable(Exception):
    """The file does not match its suffix or the mapping. `advice` is shown to people."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True)
class Lines:
    """Line counts of a file. Lines are counted from 1. `blank` are lines with no visible character.

    `opens_quote` is the first line that ends inside an open quote; None if every quote is closed on its line.
    """

    total: int
    blank: int
    has_quotes: bool
    opens_quote: int | None
    ends_in_line_break: bool


@dataclass(frozen=True)
class Head:
    """The header: the number of lines above it, its delimiter and its names."""

    above: int
    delimiter: str
    names: tuple[str, ...]


def unpacked(file: Path, target: Path) -> Path:
    """The file itself, or its only content unpacked to `target`. Raises Unreadable, also if the file is cut off."""
    kind = file.suffix.lower()
    if kind not in PACKED:
        return file
    try:
        with target.open("wb") as out:
            for chunk in _content(file, kind):
                out.write(chunk)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, pa.ArrowException) as error:
        raise Unreadable(
            f"cannot be unpacked ({str(error).splitlines()[0]})",
            "it was cut off or damaged on the way: deliver it again",
        ) from None
    return target


def _content(file: Path, kind: str) -> Iterator[bytes]:
    if kind == ".zip":
        with zipfile.ZipFile(file) as packed:
            names = [name for name in packed.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
            if len(names) != 1:
                raise Unreadable(f"holds {len(names)} files", "pack only one file, or unpack it and map the folder")
            with packed.open(names[0]) as stream:
                yield from _chunks(stream)
    else:
        codec = "gzip" if kind == ".gz" else "zstd"
        with pa.input_stream(str(file), compression=codec) as stream:
            yield from _chunks(stream)


def _chunks(stream: IO[bytes] | pa.NativeFile) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def in_utf8(file: Path, encoding: str, target: Path) -> Path:
    """The file itself if it is UTF-8, else a copy in UTF-8.

    Raises UnicodeDecodeError, and Unreadable for a file that lacks the mark that its encoding begins with.
    """
    if encoding in {"utf-8", "utf-8-sig", "ascii"}:
        return file
    try:
        with (
            file.open(encoding=encoding, newline="") as text,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            while chunk := text.read(1 << 20):
                out.write(chunk)
    except UnicodeDecodeError:
        raise
    except UnicodeError as error:  # such as UTF-16 without its first two bytes
        advice = "set format: {encoding: utf-8} in the mapping, or the encoding that the file was written in"
        raise Unreadable(f"not in {encoding}: {error}", advice) from None
    return target


def without_last(file: Path, count: int, target: Path) -> Path:
    """A copy of the file without its last `count` lines that are not blank."""
    lines = file.read_bytes().splitlines(keepends=True)
    while lines and count:
        count -= bool(lines.pop().strip())
    target.write_bytes(b"".join(lines))
    return target


def lines_of(file: Path) -> Lines:
    """Count the lines of an unpacked file in UTF-8. A quote within quotes is doubled."""
    total = blank = quotes = 0
    opens: int | None = None
    last, held = b"", b""
    line_end = _line_end(file)
    with file.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            last, chunk = chunk[-1:], held + chunk  # noqa: PLW2901 - a line may span two chunks
            end = chunk.rfind(bytes([line_end])) + 1
            whole, held = chunk[:end], chunk[end:]
            if not whole:
                continue
            signs = np.frombuffer(whole, dtype=np.uint8)
            ends = np.flatnonzero(signs == line_end)
            blank += _blank(signs, ends)
            if _QUOTE in whole:
                opens, quotes = _open_quote(signs, ends, total, quotes, opens), quotes + whole.count(b'"')
            total += len(ends)
    if held.strip(b"\r"):
        total += 1
        quotes_in_last = held.count(b'"')
        if opens is None and (quotes + quotes_in_last) % 2:
            opens = total
        quotes += quotes_in_last
    return Lines(total, blank, quotes > 0, opens, last in (b"\n", b"\r", b""))


def _line_end(file: Path) -> int:
    """The byte that ends lines: a line feed, or a carriage return in old files that have only those."""
    with file.open("rb") as stream:
        start = stream.read(_CHUNK)
    return _CR if b"\r" in start and b"\n" not in start else _LF


def _blank(signs: np.ndarray, ends: np.ndarray) -> int:
    lengths = np.diff(ends, prepend=-1) - 1
    short = np.flatnonzero(lengths <= 1)
    return int(sum(lengths[i] == 0 or signs[ends[i] - 1] == _CR for i in short))


def _open_quote(signs: np.ndarray, ends: np.ndarray, before: int, quotes: int, opens: int | None) -> int | None:
    if opens is not None:
        return opens
    up_to = quotes + np.searchsorted(np.flatnonzero(signs == _QUOTE), ends)
    odd = np.flatnonzero(up_to % 2)
    return before + int(odd[0]) + 1 if len(odd) else None


def head_of(file: Path, delimiter: str | None, skip: int) -> Head:
    """The line of a file in UTF-8 that names the columns. Blank lines and Excel's `sep=` line above it are skipped.

    Raises Unreadable if there is no such line or a name is repeated; UnicodeDecodeError for a wrong encoding.
    """
    above = 0
    with file.open(encoding="utf-8-sig") as text:
        while line := text.readline(_LONGEST_HEADER):
            if len(line) == _LONGEST_HEADER:
                raise Unreadable(f"line {above + 1} has more than {len(line):,} characters", _NO_TABLE)
            separator = _SEPARATOR.match(line) if above == 0 else None
            if separator:
                delimiter = delimiter or separator[1]
            elif line.strip() and not skip:
                return Head(above, *_named(line.rstrip("\r\n"), delimiter))
            elif line.strip():
                skip -= 1
            above += 1
    raise Unreadable("the file is empty", "its first line must name the columns")


def _named(line: str, delimiter: str | None) -> tuple[str, tuple[str, ...]]:
    chosen = delimiter or max(DELIMITERS, key=lambda sign: len(_split(line, sign)))
    names = tuple(name.strip() for name in _split(line, chosen))
    lowered = [name.lower() for name in names]
    repeated = sorted({name for name in names if lowered.count(name.lower()) > 1})
    if repeated or "" in names:
        what = f"two columns are called {repeated[0]}" if any(repeated) else "a column has no name"
        raise Unreadable(what, "give every column of the header a name of its own; lines above it: `skip: 1`")
    return chosen, names


def _split(line: str, delimiter: str) -> list[str]:
    if len(delimiter) > 1:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:  # a cell beyond the reader's limit
        raise Unreadable(
            f"a name in the header has more than {csv.field_size_limit():,} characters", _NO_TABLE
        ) from None
