"""Where reports are kept: `<home>/reports/<as_of>-<run>.html`, the newest also as `latest.html`.

Here: writing a home's report atomically, and removing old ones. Not here: its content (`contents`, `document`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.access import NotPublished, find_table
from segmentation_assets.reading.books import closings
from segmentation_assets.reading.catalogue import read_catalogue
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.report.contents import contents
from segmentation_assets.report.document import render
from segmentation_assets.report.evidence import READ, day_of, open_evidence

LATEST = "latest.html"
_RUN = 8
_DAY = len("2026-01-31")
_HEAD = 2_000  # characters at the start of the document; they contain its fingerprint


@dataclass(frozen=True)
class WrittenReport:
    """A report on disk."""

    file: Path
    as_of: date
    accounts: int
    size_bytes: int
    seconds: float
    missing: tuple[str, ...]
    """Tables that were missing, each with the reason."""
    faults: tuple[str, ...] = ()
    """Parts of the report that failed: bugs of this program."""


def fingerprint(home: Path, policy: Policy, as_of: date | str | None) -> str:
    """A hash of everything that a report is made from: published files, policy, and the report's own code.

    Raises NotPublished without segments.
    """
    day = day_of(home, as_of)
    facts = [str(day), policy.hash]
    for name in READ:
        try:
            files = find_table(name, home).files
        except NotPublished:
            continue
        facts += [
            f"{path.relative_to(home)} {(at := path.stat()).st_mtime_ns} {at.st_size}"
            for path in dict.fromkeys(path for paths in files.values() for path in paths)
        ]
    facts += [f"{each.quarter} {each.closed_at}" for each in closings(home)]
    code = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".html", ".css", ".js"))
    digest = hashlib.sha256("\n".join(facts).encode())
    for path in code:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def current_report(home: Path, policy: Policy, as_of: date | str | None) -> Path | None:
    """The report of a day that is up to date (same `fingerprint`); None: there is none.

    Raises NotPublished without segments.
    """
    day, made_from = day_of(home, as_of), fingerprint(home, policy, as_of)
    for file in reports_folder(home).glob(f"{day}-*.html"):
        with file.open(encoding="utf-8") as opened:
            if f'name="made-from" content="{made_from}"' in opened.read(_HEAD):
                return file
    return None


def reports_folder(home: Path) -> Path:
    """The folder of a home's reports."""
    return home / "reports"


def publish_report(
    home: Path, policy: Policy, as_of: date | str | None = None, run: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> WrittenReport:  # fmt: skip
    """Write the report of a run into the home's folder, and remove reports beyond the policy's number.

    `latest.html` is the report of the newest day; writing one for an earlier day does not change it.

    Raises NotPublished if segments have not been made for the day.
    """
    run = (run or secrets.token_hex(_RUN // 2))[:_RUN]
    folder = reports_folder(home)
    report = _write(home, policy, as_of, lambda day: folder / f"{day}-{run}.html", run, progress)
    if report.as_of == max(date.fromisoformat(file.name[:_DAY]) for file in folder.glob("*-*-*-*.html")):
        latest = _beside(folder / LATEST)
        shutil.copyfile(report.file, latest)
        latest.replace(folder / LATEST)
    _prune(folder, policy.report.kept)
    return report


def write_report(
    home: Path, policy: Policy, as_of: date | str | None, file: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> WrittenReport:  # fmt: skip
    """Write a report to any file. Raises NotPublished, and OSError if the file cannot be written."""
    return _write(home, policy, as_of, lambda _: file, "by hand", progress)


def _write(
    home: Path, policy: Policy, as_of: date | str | None, target: Callable[[date], Path], run: str,
    progress: Callable[[str], None],
) -> WrittenReport:  # fmt: skip
    started = time.perf_counter()
    progress("lineage and dictionary")
    catalogue = read_catalogue(policy, home)
    with open_evidence(home, as_of, policy) as evidence, in_currency(policy.company.reporting_currency):
        pages = contents(evidence, catalogue, run=run, made_at=datetime.now().astimezone(), progress=progress)
        day, missing = evidence.as_of, tuple(evidence.missing.values())
        progress("writing the report")
        text = render(pages.model | {"made_from": fingerprint(home, policy, day)}, pages.packs, evidence)
        faults = tuple(evidence.faults)
    file = target(day)
    write_atomically(file, text)
    return WrittenReport(
        file, day, pages.accounts, file.stat().st_size, round(time.perf_counter() - started, 2), missing, faults
    )


def write_atomically(file: Path, text: str) -> None:
    """Write a file as a whole, or not at all, with the line ends of `text`. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(file)
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _beside(file: Path) -> Path:
    """A temporary file in the same folder, so that moving it into place is atomic."""
    return file.with_name(f".{file.name}.{os.getpid()}")


def _prune(folder: Path, limit: int) -> None:
    reports = sorted(
        (path for path in folder.glob("*-*.html") if path.name != LATEST), key=lambda path: path.stat().st_mtime
    )
    for path in reports[:-limit]:
        path.unlink(missing_ok=True)
