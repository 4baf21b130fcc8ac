"""What has arrived: the files of every mapped extract as they stand, without reading them.

Here: a signature per extract, by names, sizes and times of change, and whether it is settled. Not here: reading the
files (`reading`), landing them (`landing`), or asking for that (`orchestration.sensors`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.extracts.delivery import FileHashes, digest
from segmentation_assets.extracts.reading import Drop, SourceError, drops_of
from segmentation_assets.extracts.sources import Sources


@dataclass(frozen=True)
class Arrivals:
    """What stands in the sources: per extract a signature, and what people should know (missing, ahead of time).

    `landed` are the extracts whose every file a landing has read as it stands.
    """

    signatures: Mapping[str, str]
    landed: frozenset[str] = frozenset()
    remarks: Sequence[str] = field(default=())


def look(sources: Sources, today: date, hashes: FileHashes) -> Arrivals:
    """The extracts' files as they stand. Drops dated later than `today` are left out, and said so.

    What only a database can tell (Postgres) has no signature.
    """
    signatures: dict[str, str] = {}
    remarks: list[str] = []
    landed: set[str] = set()
    for spec in EXTRACTS:
        source = sources.extracts.get(spec.name)
        if source is None or source.postgres:
            continue
        try:
            drops = drops_of(sources, spec.name)
            due = [drop for drop in drops if drop.day is None or drop.day <= today]
            remarks += [
                f"{spec.name}: the drop dated {d.day} is not read before that day" for d in drops if d not in due
            ]
            if due:
                signatures[spec.name] = digest(source.digest, *_facts(due))
                if all(hashes.knows(file) for drop in due for file in drop.with_logs()):
                    landed.add(spec.name)
        except (SourceError, OSError) as error:  # a file may go while one looks
            remarks.append(f"{spec.name}: {error}")
    return Arrivals(signatures, frozenset(landed), tuple(remarks))


def _facts(drops: Sequence[Drop]) -> Iterator[tuple[str, int, int]]:
    for drop in drops:
        for file in drop.with_logs():
            stat = file.stat()
            yield str(file), stat.st_size, stat.st_mtime_ns
