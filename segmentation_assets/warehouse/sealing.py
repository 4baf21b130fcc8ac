"""A published file says what is in it, so that damage shows: a checksum of all its bytes stands in its footer.

Here: sealing a finished file, and holding a file to its seal. Not here: what else a footer says (`store`), or which
files there are.

The checksum stands where the writer of the file left a place for it, among what the file says of itself: as many
zeros as it has digits. It is taken over the whole file with those zeros in place, footer included.
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
"""What stands in a file that is not sealed yet."""
_PLACE = re.compile(rb'"%s": ?"([0-9a-f]{%d})"' % (KEY.encode(), _DIGITS))
_MAGIC = b"PAR1"
_CHUNK = 2**20


class Seal(Enum):
    """What a file's seal says of it."""

    WHOLE = "whole"
    NONE = "none"
    """The file carries no seal: it is from before there were any, or from elsewhere."""
    BROKEN = "broken"
    """The bytes are not those that were sealed."""
    CUT_OFF = "cut off"
    """The file is empty, or lacks its end: it was not written to the end, or lost it."""


def seal(file: Path) -> None:
    """Write the checksum of a finished file into the place left for it; one without such a place stays as it is."""
    with file.open("r+b") as opened:
        place = _place_in(opened)
        if place is None or place[1] != OPEN.encode():
            return
        text = _checksum(opened, place[0])
        opened.seek(place[0])
        opened.write(text.encode())


def seal_of(file: Path) -> Seal:
    """Read the whole of a file and hold it to its seal. Raises OSError where it cannot be opened or read."""
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
    """Where in the file the checksum stands, and which; None where there is no place for one."""
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
    """Over the whole file, with zeros in the place of the checksum."""
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
