"""Posting to a real server on loopback: connections are kept, judged and given up."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import h11
import pytest
import trio

from vb.activity.address_rule import AddressRule
from vb.api.http_post import HttpPoster, check_url
from vb.api.webhooks import BadTarget

pytestmark = pytest.mark.realtime
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Server:
    """Answers each request with the next of ``answers``; an empty one closes the connection."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        data = b""
        async for chunk in stream:
            data += chunk
            if b"\r\n\r\n" in data and data.endswith(b"body"):
                self.requests.append(data)
                data = b""
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if not answer:
                    break
                await stream.send_all(answer)
                if b"close" in answer:
                    break
        await stream.aclose()


@asynccontextmanager
async def open_server(*answers: bytes) -> AsyncIterator[tuple[Server, Callable[[str], str]]]:
    server = Server(list(answers))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, server.handle, 0)
        port = listeners[0].socket.getsockname()[1]
        yield server, lambda path: f"http://127.0.0.1:{port}{path}"
        nursery.cancel_scope.cancel()


async def test_a_request_and_the_next_on_the_same_connection() -> None:
    async with open_server(OK) as (server, url):
        post = HttpPoster(AddressRule("loopback"))
        for _ in range(3):
            assert await post(url("/a%20b?x=1"), [("X-Event-Id", "e1")], b"body") == 204
        assert server.connections == 1
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"POST /a%20b?x=1 HTTP/1.1"
        assert {b"X-Event-Id: e1", b"Content-Length: 4", b"User-Agent: voiceblender"} <= set(lines)
        assert body == b"body"
        await post.aclose()


async def test_credentials_of_the_url_are_sent_as_basic_authorization() -> None:
    async with open_server(OK) as (server, url):
        post = HttpPoster(AddressRule("loopback"))
        await post(url("/hook").replace("//", "//me:s%40crét@"), [], b"body")
        lines = server.requests[0].split(b"\r\n")
        assert b"Authorization: Basic " + b64encode("me:s@crét".encode()) in lines
        assert server.requests[0].count(b"@") == 0
        await post(url("/hook"), [], b"body")
        assert b"Authorization" not in server.requests[1]
        await post.aclose()


async def test_a_refused_url_is_not_repeated_with_its_credentials() -> None:
    with pytest.raises(BadTarget) as refused:
        check_url("http://me:secret@\u2100.example/")
    assert "secret" not in str(refused.value)


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    async with open_server(OK, b"", OK) as (server, url):
        post = HttpPoster(AddressRule("loopback"))
        assert await post(url("/"), [], b"body") == 204
        assert await post(url("/"), [], b"body") == 204
        assert server.connections == 2


async def test_an_answer_that_ends_with_the_connection() -> None:
    async with open_server(b"HTTP/1.0 500 Oops\r\nConnection: close\r\n\r\nsorry") as (server, url):
        post = HttpPoster(AddressRule("loopback"))
        assert await post(url("/"), [], b"body") == 500
        assert await post(url("/"), [], b"body") == 500
        assert server.connections == 2


async def test_no_answer_at_all_is_an_error() -> None:
    async with open_server(b"") as (_, url):
        with pytest.raises(h11.RemoteProtocolError):
            await HttpPoster(AddressRule("loopback"))(url("/"), [], b"body")


async def test_an_answer_without_end_is_given_up() -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000
    async with open_server(huge) as (_, url):
        assert await HttpPoster(AddressRule("loopback"))(url("/"), [], b"body") == 200


async def test_garbage_is_an_error() -> None:
    async with open_server(b"NOT HTTP\r\n\r\n") as (_, url):
        with pytest.raises(h11.RemoteProtocolError):
            await HttpPoster(AddressRule("loopback"))(url("/"), [], b"body")


async def test_addresses_are_judged_except_the_operator_s_own() -> None:
    async with open_server(OK) as (server, url):
        with pytest.raises(ConnectionError):
            await HttpPoster(AddressRule("none"))(url("/"), [], b"body")
        assert server.connections == 0
        trusting = HttpPoster(AddressRule("none"), trusted=frozenset({url("/")}))
        assert await trusting(url("/"), [], b"body") == 204


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://x/",
        "http://",
        "http://h:99999/",
        "http://h/ü",
        "http://h/a b",
        "http://[::1/",
        "http://h/\r\nX: y",
    ],
)
async def test_what_is_no_target(url: str) -> None:
    with pytest.raises(BadTarget):
        await HttpPoster(AddressRule("all"))(url, [], b"")


async def test_nobody_there() -> None:
    async with open_server(OK) as (_, url):
        target = url("/")
    with pytest.raises(OSError):
        await HttpPoster(AddressRule("loopback"))(target, [], b"body")
