"""Who is let in to the pages: hosts, origins, keys, GraphQL. The pages behind are one that says what it was sent."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.running.doors import Doors, address, new_token

PORT, TOKEN = 3000, "right-token"
HOST = ("host", f"127.0.0.1:{PORT}")
COOKIE = ("cookie", f"theme=dark; segmentation_{PORT}={TOKEN}")
JSON = ("content-type", "application/json")


async def _pages(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-page", b"yes")]})
    await send({"type": "http.response.body", "body": b"accounts"})


def ask(path: str = "/", *headers: tuple[str, str], method: str = "GET", kind: str = "http") -> list[dict[str, Any]]:
    """The messages with which a request is answered."""
    answer: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b""}

    async def send(message: Any) -> None:
        answer.append(dict(message))

    parts = urlsplit(path) if not path.startswith("//") else urlsplit("http://x" + path)
    scope = {
        "type": kind, "method": method, "path": parts.path, "query_string": parts.query.encode(),
        "headers": [(k.encode(), v.encode("latin-1", "replace")) for k, v in headers],
    }  # fmt: skip
    asyncio.run(Doors(_pages, port=PORT, token=TOKEN)(scope, receive, send))
    return answer


def status(*arguments: Any, **options: Any) -> int:
    return ask(*arguments, **options)[0]["status"]


def test_the_address_shown_opens_the_page_and_leaves_no_key_behind():
    shown = urlsplit(address("127.0.0.1", PORT, TOKEN))
    (start, _) = ask(f"{shown.path}?{shown.query}", HOST)
    headers = dict(start["headers"])
    assert (start["status"], headers[b"location"]) == (303, b"/")
    assert headers[b"set-cookie"] == f"segmentation_{PORT}={TOKEN}; Path=/; HttpOnly; SameSite=Strict".encode()
    (start, body) = ask("/", HOST, COOKIE)
    assert (start["status"], body["body"]) == (200, b"accounts")
    assert (b"x-page", b"yes") in start["headers"]
    assert (b"x-frame-options", b"DENY") in start["headers"]


def test_entering_goes_to_the_same_page_of_this_host():
    (start, _) = ask(f"//evil.example/runs?a=1&token={TOKEN}", HOST)
    assert dict(start["headers"])[b"location"] == b"/evil.example/runs?a=1"


def test_programs_may_send_the_key_as_a_bearer():
    assert status("/graphql", HOST, JSON, ("authorization", f"Bearer {TOKEN}"), method="POST") == 200
    assert status("/graphql", HOST, JSON, ("authorization", "Bearer wrong"), method="POST") == 401


@pytest.mark.parametrize(
    "host", ["evil.example:3000", "127.0.0.1", "127.0.0.1:8501", "127.0.0.1:3000.evil", "", "::"]
)
def test_another_host_is_refused_though_it_has_the_key(host: str):
    assert status("/", ("host", host), COOKIE) == 421


def test_no_host_and_two_hosts_are_refused():
    assert status("/", COOKIE) == 421
    assert status("/", HOST, HOST, COOKIE) == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:8501", f"https://127.0.0.1:{PORT}"]
)
def test_another_origin_is_refused_though_it_has_the_key(origin: str):
    assert status("/graphql", HOST, COOKIE, JSON, ("origin", origin), method="POST") == 403
    (message,) = ask("/graphql", HOST, COOKIE, ("origin", origin), kind="websocket")
    assert message["type"] == "websocket.close"


def test_the_own_origin_is_let_in():
    own = ("origin", f"http://localhost:{PORT}")
    assert status("/graphql", ("host", f"localhost:{PORT}"), COOKIE, JSON, own, method="POST") == 200
    assert ask("/graphql", HOST, COOKIE, own, kind="websocket") == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    "cookie", ["", "segmentation_3001=right-token", "segmentation_3000=", "segmentation_3000=x", "="]
)
def test_without_the_key_nothing_is_shown(cookie: str):
    (start, body) = ask("/", HOST, ("cookie", cookie))
    assert start["status"] == 401
    assert b"Open the address that the terminal showed" in body["body"]
    assert ask("/graphql", HOST, ("cookie", cookie), kind="websocket")[0]["type"] == "websocket.close"


def test_graphql_is_asked_by_json_alone():
    assert status("/graphql?query=mutation{launchRun}", HOST, COOKIE) == 405
    assert status("/x/graphql/?query={version}", HOST, COOKIE) == 405
    assert status("/graphql", HOST, COOKIE) == 200  # the page in which people write queries
    for sent in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert status("/graphql", HOST, COOKIE, ("content-type", sent), method="POST") == 415


texts = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)


@given(
    st.lists(st.tuples(st.sampled_from(["host", "origin", "cookie", "authorization", "x"]), texts), max_size=6), texts
)
def test_whatever_is_sent_without_the_key_the_pages_are_not_asked(headers: list[tuple[str, str]], path: str):
    assert status("/" + path.replace("?", "").replace("#", ""), HOST, *headers) != 200


def test_every_start_has_a_token_of_its_own():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 40
