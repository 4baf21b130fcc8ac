"""The checksum of a published file. It stands in the file's footer and shows damage.

Here: sealing a finished file, and comparing a file with its seal. Not here: the rest of the footer (`store`), or
which files exist.

The writer of the file leaves a place for the checksum in the footer: as many zeros as the checksum has digits. The
checksum is taken over the whole file, footer included, with those zeros in place.
"""

from __future__ import annotations

import hashlib
import os
import re
from enum import Enum
from pathlib import Path
from typing import BinaryIO

KEY = "seal"
_DIGITS = 32
OPEN = "0" * _DIGITS
"""The placeholder in a file that is not sealed yet."""
_PLACE = re.compile(rb'"%s": ?"([0-9a-f]{%d})"' % (KEY.encode(), _DIGITS))
_MAGIC = b"PAR1"
_CHUNK = 2**20


class Seal(Enum):
    """The result of checking a file's seal."""

    WHOLE = "whole"
    NONE = "none"
    """The file has no seal: an older version or another program wrote it."""
    BROKEN = "broken"
    """The bytes changed after sealing."""
    CUT_OFF = "cut off"
    """The file is empty or lacks its end."""


def seal(file: Path) -> None:
    """Write the checksum of a finished file into its place. A file without such a place stays as it is."""
    with file.open("r+b") as opened:
        place = _place_in(opened)
        if place is None or place[1] != OPEN.encode():
            return
        text = _checksum(opened, place[0])
        opened.seek(place[0])
        opened.write(text.encode())


def seal_of(file: Path) -> Seal:
    """Read a whole file and compare it with its seal. Raises OSError if it cannot be opened or read."""
    with file.open("rb") as opened:
        if not _has_end(opened):
            return Seal.CUT_OFF
        place = _place_in(opened)
        if place is None:
            return Seal.NONE
        return Seal.WHOLE if _checksum(opened, place[0]).encode() == place[1] else Seal.BROKEN


def _has_end(opened: BinaryIO) -> bool:
    size = opened.seek(0, os.SEEK_END)
    if size < 2 * len(_MAGIC) + 4:
        return False
    opened.seek(-len(_MAGIC), os.SEEK_END)
    return opened.read() == _MAGIC


def _place_in(opened: BinaryIO) -> tuple[int, bytes] | None:
    """The position of the checksum in the file, and the checksum; None if the file has no place for one."""
    size = opened.seek(0, os.SEEK_END)
    opened.seek(-8, os.SEEK_END)
    length = int.from_bytes(opened.read(4), "little")
    begin = size - 8 - length
    if begin < 0:
        return None
    opened.seek(begin)
    match = _PLACE.search(opened.read(length))
    return (begin + match.start(1), match[1]) if match else None


def _checksum(opened: BinaryIO, place: int) -> str:
    """The checksum of the whole file, with zeros in the place of the checksum."""
    hashed = hashlib.blake2b(digest_size=_DIGITS // 2)
    opened.seek(0)
    at = 0
    while chunk := opened.read(_CHUNK):
        low, high = max(place, at), min(place + _DIGITS, at + len(chunk))
        if low < high:
            chunk = chunk[: low - at] + b"0" * (high - low) + chunk[high - at :]
        hashed.update(chunk)
        at += len(chunk)
    return hashed.hexdigest()
