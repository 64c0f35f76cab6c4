from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from vb.activity.address_rule import AddressRule, AllowPrivate
from vb.activity.fetch import Fetcher, FetchError, FetchSettings, open_fetcher
from vb.call.errors import Invalid

NAMES = {"files.test": ["93.184.216.34"], "two.test": ["93.184.216.1", "93.184.216.2"], "inside.test": ["10.0.0.7"]}


async def resolve(host: str, port: int) -> Sequence[str]:
    return NAMES.get(host, [host])


class Whole(httpx.AsyncByteStream):
    """A body that is streamed in one piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class Body(httpx.AsyncByteStream):
    """A body in chunks with pauses; counts what was asked for."""

    def __init__(self, chunks: int, size: int, pause: float = 0.0) -> None:
        self.sent = 0
        self.closed = False
        self._chunks, self._size, self._pause = chunks, size, pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._chunks):
            await trio.sleep(self._pause)
            self.sent += self._size
            yield b"x" * self._size

    async def aclose(self) -> None:
        self.closed = True


def fetcher(
    answer: Callable[[httpx.Request], httpx.Response], allow: AllowPrivate = "none", **settings: object
) -> Fetcher:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Fetcher(client, FetchSettings(AddressRule(allow, resolve), **settings))  # type: ignore[arg-type]


async def test_the_connection_goes_to_the_checked_address_and_the_name_into_host_and_sni() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, stream=Whole(b"RIFF"), headers={"Content-Type": "audio/wav"})

    fetched = await fetcher(answer).fetch("https://files.test:8443/a%20b.wav?x=1")
    assert (fetched.body, fetched.content_type) == (b"RIFF", "audio/wav")
    (request,) = seen
    assert str(request.url) == "https://93.184.216.34:8443/a%20b.wav?x=1"
    assert request.headers["Host"] == "files.test:8443"
    assert request.extensions["sni_hostname"] == "files.test"


@pytest.mark.parametrize("target", ["http://inside.test/x", "http://127.0.0.1/x", "http://169.254.169.254/latest"])
async def test_every_hop_of_a_redirect_is_checked(target: str) -> None:
    hops: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hops.append(request.url.host)
        return httpx.Response(302, headers={"Location": target})

    with pytest.raises(FetchError, match="not an address that may be fetched"):
        await fetcher(answer).fetch("http://files.test/x")
    assert hops == ["93.184.216.34"]


async def test_relative_redirects_are_followed_and_endless_ones_are_not() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        if request.url.path == "/b":
            return httpx.Response(200, stream=Whole(b"ok"))
        return httpx.Response(301, headers={"Location": "b" if request.url.path == "/a" else "/loop"})

    assert (await fetcher(answer).fetch("http://files.test/a")).body == b"ok"
    assert paths == ["/a", "/b"]
    with pytest.raises(FetchError, match="more than 5 redirects"):
        await fetcher(answer).fetch("http://files.test/loop")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://x/y", 'unsupported protocol scheme "ftp"'),
        ("x", 'unsupported protocol scheme ""'),
        ("http:///y", "no host"),
        ("http://[::1", "invalid URL"),
        ("http://files.test:99999/", "invalid URL"),
        ("http://127.0.0.1/", "not an address"),
        ("gopher://127.0.0.1:70/x", "unsupported"),
    ],
)
async def test_what_is_no_download(url: str, text: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    with pytest.raises(FetchError, match=text):
        await fetcher(answer).fetch(url)


@pytest.mark.parametrize("status", [201, 204, 304, 401, 404, 500])
async def test_only_a_200_is_audio(status: int) -> None:
    with pytest.raises(FetchError, match=f"status {status}"):
        await fetcher(lambda _: httpx.Response(status)).fetch("http://files.test/x")


async def test_a_redirect_to_another_scheme_is_refused() -> None:
    with pytest.raises(FetchError, match='unsupported protocol scheme "file"'):
        await fetcher(lambda _: httpx.Response(302, headers={"Location": "file:///etc/passwd"})).fetch(
            "http://files.test/"
        )


async def test_a_body_too_large_is_cut_off_early() -> None:
    body = Body(chunks=1000, size=100)
    with pytest.raises(FetchError, match="larger than 1000 bytes"):
        await fetcher(lambda _: httpx.Response(200, stream=body), max_bytes=1000).fetch("http://files.test/x")
    assert body.sent <= 1200
    assert body.closed
    announced = httpx.Response(200, headers={"Content-Length": "1001"}, stream=Body(0, 0))
    with pytest.raises(FetchError, match="larger"):
        await fetcher(lambda _: announced, max_bytes=1000).fetch("http://files.test/x")


async def test_all_downloads_together_have_a_limit_too() -> None:
    results: list[str] = []

    async def fetch(files: Fetcher) -> None:
        try:
            results.append(str(len((await files.fetch("http://files.test/x")).body)))
        except FetchError as error:
            results.append(str(error))

    files = fetcher(lambda _: httpx.Response(200, stream=Body(10, 100, pause=1)), max_buffered=1500)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetch, files)
        nursery.start_soon(fetch, files)
    assert sorted(results) == ["1000", "too much is being downloaded"]
    assert len((await files.fetch("http://files.test/x")).body) == 1000


async def test_a_body_that_trickles_costs_the_timeout_and_no_more() -> None:
    body = Body(chunks=10**6, size=1, pause=1)
    with trio.fail_after(31), pytest.raises(FetchError, match="within 30 s"):
        await fetcher(lambda _: httpx.Response(200, stream=body), timeout_seconds=30).fetch("http://files.test/x")
    assert body.closed


async def test_compression_that_was_not_asked_for_is_refused() -> None:
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Body(1, 10))
    with pytest.raises(FetchError, match="compressed"):
        await fetcher(lambda _: answer).fetch("http://files.test/x")


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    tried: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.host)
        if len(tried) == 1:
            raise httpx.ConnectError("connection refused")
        return httpx.Response(200, stream=Whole(b"ok"))

    assert (await fetcher(answer).fetch("http://two.test/x")).body == b"ok"
    assert tried == NAMES["two.test"]


async def test_transport_failures_are_fetch_errors() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    def tear(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("server disconnected")

    with pytest.raises(FetchError, match=r"files\.test:80: connection refused"):
        await fetcher(refuse).fetch("http://files.test/x")
    with pytest.raises(FetchError, match="server disconnected"):
        await fetcher(tear).fetch("http://files.test/x")


@pytest.mark.realtime
async def test_files_inside_the_play_directory(tmp_path: Path) -> None:
    root = tmp_path / "prompts"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a b.wav").write_bytes(b"RIFF")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    files = fetcher(lambda _: httpx.Response(500), play_dir=root, max_bytes=100)
    for url in ("file:sub/a%20b.wav", f"file://{root}/sub/a%20b.wav", f"file://localhost{root}/sub/../sub/a%20b.wav"):
        files.check(url)
        assert (await files.fetch(url)).body == b"RIFF"
    for url in (
        "file:../secret", "file:out", "file:///etc/passwd", "file:%2e%2e/secret", "file:", "file://host/x",
        "file:a%00b", "FILE:///etc/passwd", f"file://{root}-other/x",
    ):  # fmt: skip
        with pytest.raises(Invalid):
            files.check(url)
        with pytest.raises(Invalid):
            await files.fetch(url)
    (root / "big").write_bytes(b"x" * 101)
    for url, text in (
        ("file:nosuch", "No such file"),
        ("file:sub", "sub: "),
        ("file:pipe", "not a file"),
        ("file:big", "larger"),
    ):
        files.check(url)
        with pytest.raises(FetchError, match=text):
            await files.fetch(url)


async def test_no_file_without_a_play_directory() -> None:
    with pytest.raises(Invalid, match="not allowed"):
        fetcher(lambda _: httpx.Response(200)).check("file:///etc/passwd")


@asynccontextmanager
async def served(reply: bytes) -> AsyncIterator[int]:
    """A server on loopback that sends ``reply`` to whatever comes."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            await stream.send_all(reply)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.mark.realtime
async def test_a_real_download() -> None:
    async with served(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nRIFF") as port:
        async with open_fetcher() as real:
            assert (await real.fetch(f"http://127.0.0.1:{port}/x")).body == b"RIFF"
            assert (await real.fetch(f"http://localhost:{port}/x")).body == b"RIFF"
            with pytest.raises(FetchError):
                await real.fetch("http://127.0.0.1:9/x")
        async with open_fetcher(FetchSettings(AddressRule("none"))) as strict:
            with pytest.raises(FetchError, match="may be fetched"):
                await strict.fetch(f"http://127.0.0.1:{port}/x")


@pytest.mark.realtime
@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
async def test_a_server_that_breaks_off(reply: bytes) -> None:
    async with served(reply) as port, open_fetcher() as real:
        with pytest.raises(FetchError):
            await real.fetch(f"http://127.0.0.1:{port}/x")
