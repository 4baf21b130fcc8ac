"""Calling a vendor's API over HTTP: within its limits, again after a passing fault, never showing a secret.

Here: spreading requests over time, waiting and trying again, and errors for people. Not here: what is asked
(`hubspot`, `salesforce`, `slack`), or what an answer means.

A request may be sent again after any fault, since all requests here set values or read: twice is as good as once.
Redirects are not followed: they would carry the token elsewhere.
"""

from __future__ import annotations

import email.utils
import json as json_module
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from segmentation_assets.reasons import Refusal
from segmentation_assets.sync.records import SyncRefused
from segmentation_assets.sync.secrets import Secrets

_PASSING = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524)
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_TEXT = 300
_DAILY = (
    "the vendor's daily limit of requests is used up. What was acknowledged stays so; the same command goes on from "
    "there tomorrow"
)


class NoAnswer(Refusal):
    """The vendor gave no usable answer in all tries. Whether it did what was asked is not known."""

    def __init__(self, message: str, tries: int) -> None:
        self.tries = tries
        super().__init__(message)


@dataclass(frozen=True)
class Clock:
    """Time and chance, so that tests need neither."""

    now: Callable[[], float] = time.monotonic
    today: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass(frozen=True)
class Patience:
    """Tries of a request, the longest wait between two, and how long one may take."""

    attempts: int
    wait_most_seconds: float
    timeout_seconds: float


@dataclass(frozen=True)
class Reply:
    """An answer that is final: its status, its JSON (None: it has none), its text, and how many tries it took."""

    status: int
    body: Any
    text: str
    tries: int

    @property
    def is_fine(self) -> bool:
        """Whether the status is of the 200s."""
        return 200 <= self.status < 300


class _Spread:
    """A token bucket: at most `rate` requests start in a second, after a burst of as many."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate, self._clock = rate, clock
        self._size = max(1.0, rate)
        self._left, self._since = self._size, clock.now()

    def wait(self) -> None:
        """Return when the next request may start."""
        now = self._clock.now()
        self._left = min(self._size, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            pause = (1 - self._left) / self._rate
            self._clock.sleep(pause)
            self._left, self._since = 1.0, self._clock.now()
        self._left -= 1


class Caller:
    """Calls one address. `headers` is asked for each try, so that a renewed token is used.

    `renews`: called once for an answer 401; it gets a new token. None: a 401 ends the sync.
    """

    def __init__(
        self,
        address: str,
        rate: float,
        patience: Patience,
        secrets: Secrets,
        headers: Callable[[], Mapping[str, str]] = dict,
        renews: Callable[[], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._address, self._patience, self._secrets = address, patience, secrets
        self._headers, self._renews, self._clock = headers, renews, clock or Clock()
        self._spread = _Spread(rate, self._clock)
        self._client = httpx.Client(timeout=patience.timeout_seconds, follow_redirects=False)
        self._hides = _Hides(secrets)
        for logger in _loggers():
            logger.addFilter(self._hides)

    def close(self) -> None:
        """Close connections."""
        self._client.close()
        for logger in _loggers():
            logger.removeFilter(self._hides)

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        kind: str | None = None,
        is_token: bool = False,
    ) -> Reply:
        """The vendor's final answer, with our secrets cut out. `kind` is the content's media type.

        `is_token`: the answer is a new token, so its body is left as it is.

        Raises NoAnswer after passing faults in all tries, SyncRefused if the vendor does not let us in, sends us
        elsewhere, or asks for a longer wait than the policy allows.
        """
        url = path if path.startswith(("https://", "http://")) else self._address + path
        has_renewed, fault = False, ""
        for tries in range(1, self._patience.attempts + 1):
            self._spread.wait()
            extra = {"Content-Type": kind} if kind else {}
            try:
                got = self._client.request(
                    method, url, json=json, content=content, data=form, params=query,
                    headers={**self._headers(), **extra},
                )  # fmt: skip
            except (httpx.TransportError, httpx.DecodingError) as error:
                fault = f"{type(error).__name__}: {error}"
                self._pause(tries, None)
                continue
            except (httpx.InvalidURL, UnicodeError, ValueError) as error:
                fault = f"the request cannot be made: {error}"
                break  # raised below, outside of this block: an error's context must not quote a header
            if got.status_code == _UNAUTHORIZED and self._renews is not None and not has_renewed:
                has_renewed = True
                self._renews()
                continue
            if got.status_code in _PASSING:
                fault = f"{got.status_code} {self._hidden(got.text)[:_LONGEST_TEXT]}"
                self._pause(tries, got)
                continue
            return self._final(method, path, got, tries, is_token)
        where = self._hidden(f"{method} {path}")
        if fault.startswith("the request cannot be made"):
            raise SyncRefused(f"{where}: {self._hidden(fault)}")
        raise NoAnswer(
            f"{where}: no answer in {self._patience.attempts} tries; the last: {self._hidden(fault)}",
            self._patience.attempts,
        )

    def _final(self, method: str, path: str, got: httpx.Response, tries: int, is_token: bool) -> Reply:
        text = self._hidden(got.text)
        if got.status_code == _FORBIDDEN and "REQUEST_LIMIT_EXCEEDED" in text:  # Salesforce's daily limit
            raise SyncRefused(_DAILY)
        if got.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
            why = "the token is not valid" if got.status_code == _UNAUTHORIZED else "the token lacks a permission"
            raise SyncRefused(
                self._hidden(f"{method} {path}: {got.status_code}, {why}: {said(text)}. Nothing more was sent")
            )
        if got.is_redirect:
            raise SyncRefused(
                f"{method} {path}: the address {self._address} sends us elsewhere, where a token must not go: "
                "correct it in the policy"
            )
        try:
            body = json_module.loads(got.text if is_token else text)
        except ValueError:
            body = None
        return Reply(got.status_code, body, text, tries)

    def _pause(self, tries: int, got: httpx.Response | None) -> None:
        """Wait before the next try: as long as the vendor asks for, else twice as long each time, with jitter."""
        if tries == self._patience.attempts:
            return
        most = self._patience.wait_most_seconds
        asked_seconds = _retry_after(got, self._clock) if got is not None else None
        if got is not None and got.status_code == _TOO_MANY and _is_daily(got):
            raise SyncRefused(_DAILY)
        if asked_seconds is not None and asked_seconds > most:
            raise SyncRefused(
                f"the vendor asks to wait {asked_seconds:.0f} s, more than crm.wait_most_seconds ({most:.0f} s). "
                "What was acknowledged stays so; run the same command later"
            )
        doubled = min(most, _FIRST_WAIT_SECONDS * 2 ** (tries - 1))
        self._clock.sleep((asked_seconds or 0) + doubled * (0.5 + 0.5 * self._clock.chance()))

    def _hidden(self, text: str) -> str:
        return self._secrets.hidden(text)


def said(text: str) -> str:
    """What a vendor said, short and on one line."""
    return " ".join(text.split())[:_LONGEST_TEXT]


def _retry_after(got: httpx.Response, clock: Clock) -> float | None:
    """Seconds that `Retry-After` asks for, written as seconds or as a date; None if it asks for nothing readable."""
    value = got.headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - clock.today())
    except (ValueError, TypeError):
        return None


def _is_daily(got: httpx.Response) -> bool:
    """Whether a 429 is of the daily limit, which no wait of minutes helps (HubSpot's `policyName`)."""
    try:
        body = got.json()
    except ValueError:
        return False
    return isinstance(body, dict) and str(body.get("policyName", "")).upper() == "DAILY"


def _loggers() -> list[logging.Logger]:
    """Those of the HTTP library. A logger's filters do not reach its children, so each is named."""
    names = [each for each in logging.root.manager.loggerDict if each.partition(".")[0] in {"httpx", "httpcore"}]
    return [logging.getLogger(name) for name in ("httpx", "httpcore", *names)]


class _Hides(logging.Filter):
    """Cuts secrets out of what the HTTP library logs: a webhook's address is a secret."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self.secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """The record with its message hidden."""
        record.msg, record.args = self.secrets.hidden(record.getMessage()), ()
        return True
