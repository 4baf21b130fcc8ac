"""Which files of each mapped extract have arrived, without reading them.

Here: a signature per extract, from names, sizes and times of change, and which extracts are landed. Not here: reading
the files (`reading`), landing them (`landing`), or requesting a landing (`orchestration.sensors`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.extracts.delivery import FileHashes, digest, is_due
from segmentation_assets.extracts.reading import Drop, SourceError, drops_of
from segmentation_assets.extracts.sources import Sources


@dataclass(frozen=True)
class Arrivals:
    """The state of the sources: a signature per extract, and remarks for people, such as a missing file.

    `landed` are the extracts whose files have all been landed in their present state.
    """

    signatures: Mapping[str, str]
    landed: frozenset[str] = frozenset()
    remarks: Sequence[str] = field(default=())


def look(sources: Sources, today: date, hashes: FileHashes) -> Arrivals:
    """The present files of all extracts. Drops dated after `today` are left out, with a note.

    An extract from a database server (Postgres) has no signature: only reading it shows whether it changed.
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
            due = [drop for drop in drops if is_due(drop, today, hashes)]
            remarks += [
                f"{spec.name}: the drop dated {d.day} is not read before that day" for d in drops if d not in due
            ]
            if due:
                signatures[spec.name] = digest(source.digest, *_facts(due))
                if all(hashes.knows(file) for drop in due for file in drop.with_logs()):
                    landed.add(spec.name)
        except (SourceError, OSError) as error:  # a file may disappear meanwhile
            remarks.append(f"{spec.name}: {error}")
    return Arrivals(signatures, frozenset(landed), tuple(remarks))


def _facts(drops: Sequence[Drop]) -> Iterator[tuple[str, int, int]]:
    for drop in drops:
        for file in drop.with_logs():
            stat = file.stat()
            yield str(file), stat.st_size, stat.st_mtime_ns
