"""Who may talk to the pages that this machine serves: the person who started them, from the address they were shown.

Here: the rules, as ASGI middleware around any page server. Not here: which pages (`pages`), or starting them
(`screens`, `explorer`).

A page on loopback is open to every web site that the same browser visits: a site can send requests to 127.0.0.1, and
it can let its own name resolve to 127.0.0.1 ("DNS rebinding"). So each request must name this server as its host,
must not come from a page of another origin, and must carry a token that only the address shown at the start has.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

TOKEN = "SEGMENTATION_DOOR_TOKEN"  # noqa: S105 - its name, not the token
"""The environment variable by which a server learns its token; command lines can be read by other users."""

_PARAMETER = "token"
_BEARER = "bearer "
_GRAPHQL = "/graphql"
_POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455, section 7.4.1)."""
_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def new_token() -> str:
    """A token for one start of a server."""
    return secrets.token_urlsafe(32)


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser: the token is in it once, then in a cookie."""
    return f"http://{host}:{port}/?{urlencode({_PARAMETER: token})}"


class Doors:
    """Lets a request through to `app`, or answers it with a status and one sentence of what to do."""

    def __init__(self, app: App, *, port: int, token: str) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"segmentation_{port}"
        """Browsers send a cookie to every port of a host: each server has a name of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection, as ASGI hands it over."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(scope, receive, send, *refusal)
        elif scope["type"] == "http" and self._has_token_in_address(scope):
            await self._enter(scope, send)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence; None where the request may pass."""
        host = _header(scope, "host")
        if host not in self._hosts:
            return 421, f"This server answers to {' and '.join(sorted(self._hosts))} only."
        origins = _headers(scope, "origin")
        if any(origin not in {f"http://{name}" for name in self._hosts} for origin in origins):
            return 403, "Requests from pages of other origins are refused."
        if not (self._is_known(scope) or self._has_token_in_address(scope)):
            return 401, "Open the address that the terminal showed when this server started: it has the token."
        return _misused_graphql(scope)

    def _is_known(self, scope: Scope) -> bool:
        offered = [cookie for text in _headers(scope, "cookie") for cookie in self._cookies(text)]
        bearer = _header(scope, "authorization") or ""
        if bearer.lower().startswith(_BEARER):
            offered.append(bearer[len(_BEARER) :].strip())
        return any(self._is_token(each) for each in offered)

    def _has_token_in_address(self, scope: Scope) -> bool:
        return scope["type"] == "http" and any(k == _PARAMETER and self._is_token(v) for k, v in _query(scope))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _cookies(self, text: str) -> Iterable[str]:
        try:
            morsel = SimpleCookie(text).get(self._cookie)
        except CookieError:
            return ()
        return () if morsel is None else (morsel.value,)

    async def _enter(self, scope: Scope, send: Send) -> None:
        """Put the token into a cookie and show the same page without it: addresses stand in histories and logs."""
        others = [(k, v) for k, v in _query(scope) if k != _PARAMETER]
        # One slash: `//name` would be another host's address.
        target = "/" + scope["path"].lstrip("/") + (f"?{urlencode(others)}" if others else "")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", target.encode()), (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 303, "headers": [*headers, *_HEADERS]})
        await send({"type": "http.response.body", "body": b""})


def _misused_graphql(scope: Scope) -> tuple[int, str] | None:
    """GraphQL over GET, or as what a plain form sends, needs no script on the page that sends it."""
    if scope["type"] != "http" or not scope["path"].rstrip("/").endswith(_GRAPHQL):
        return None
    if scope["method"] in {"GET", "HEAD"}:
        return (405, "Send queries by POST, as application/json.") if _query(scope) else None
    kind = (_header(scope, "content-type") or "").partition(";")[0].strip().lower()
    return None if kind == "application/json" else (415, "Send queries as application/json.")


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # the client's wish to connect; closing before accepting answers it with 403
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": sentence})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode() + b"\n"})


def _with_headers(send: Send) -> Send:
    """Pages are not framed by others, and nothing of them is read by others; the pages' own headers stay."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sending


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def _headers(scope: Scope, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.decode("latin-1").lower() == name]


def _header(scope: Scope, name: str) -> str | None:
    """The only value of a header; None where it is absent or there are several, which is a trick."""
    values = _headers(scope, name)
    return values[0] if len(values) == 1 else None
