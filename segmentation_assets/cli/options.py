"""What commands share: arguments and options, and the settings that they come to.

Here: each shared option once, with its help and completion. Not here: an option of one command alone (its module).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from segmentation_assets.cli import completion
from segmentation_assets.settings import DEFAULT, Settings, find_home, find_settings

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
F = TypeVar("F", bound=Callable[..., Any])


class _Day(click.ParamType):
    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """A date such as 2026-03-31; `today` or `yesterday` in the company's timezone."""
        if isinstance(value, date):
            return value
        words = {"today": 0, "yesterday": 1}
        if value in words:
            return _today_under(ctx) - timedelta(days=words[value])
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-03-31, today or yesterday", param, ctx)


DAY = _Day()


def _today_under(context: click.Context | None) -> date:
    """Today under the policy that the command names, or that its home remembers; `--policy` is read first."""
    home, policy = (context.obj, context.params.get("policy")) if context else (None, None)
    return today(settings_of(home or find_home(), policy=policy if isinstance(policy, Path) else None))


def today(settings: Settings) -> date:
    """The company's day, by the clock of its timezone."""
    from segmentation_assets.policy.model import load_policy

    return load_policy(settings.policy).company.today()


def sources_option(function: F) -> F:
    """`--sources FILE`."""
    return click.option(
        "--sources", type=FILE, metavar="FILE", help="The mapping of your extracts. [default: as last time]"
    )(function)


def policy_option(function: F) -> F:
    """`--policy FILE`."""
    return click.option(
        "--policy",
        type=FILE,
        metavar="FILE",
        is_eager=True,  # before days: what is today depends on the company's timezone
        help=f"Your policy: what differs from the shipped one (`{DEFAULT}`). [default: as last time]",
    )(function)


def format_option(*forms: str) -> Callable[[F], F]:
    """`--format`; the first form is the default."""
    return click.option("--format", "form", type=click.Choice(forms), default=forms[0], show_default=True)


def as_of_option(function: F) -> F:
    """`--as-of` of one published day."""
    return click.option(
        "--as-of", metavar="DAY", help="A published day. [default: the latest]", shell_complete=completion.days
    )(function)


def days_option(function: F) -> F:
    """`--as-of` of a day, several or all."""
    return click.option(
        "--as-of",
        metavar="DAY",
        help="A day, `all`, or a range such as 2026-01-01..2026-03-31. [default: the latest]",
        shell_complete=completion.days,
    )(function)


def settings_of(
    home: Path, sources: Path | None = None, policy: Path | None = None, needs_sources: bool = True
) -> Settings:
    """The settings of a command. What reads published tables alone works without the sources they came from."""
    settings = find_settings(home, sources, policy)
    if str(policy) == DEFAULT:
        settings = replace(settings, policy=None)
    needed = (("--sources", settings.sources if needs_sources else None), ("--policy", settings.policy))
    for option, path in needed:
        if path is not None and not path.exists():
            raise click.UsageError(f"{option}: there is no file {path}")
    return settings


def with_sources(settings: Settings) -> Settings:
    """The settings, where they name a mapping; else wrong use."""
    if settings.sources is None:
        raise click.UsageError(
            f"no sources: name your mapping with --sources, put it at {settings.home / 'sources.yaml'}, "
            "or make a sample company with `segmentation demo`"
        )
    return settings


def listed(text: str | None) -> Sequence[str]:
    """The names in a list such as `a, b`."""
    return [name.strip() for name in text.split(",") if name.strip()] if text else []
