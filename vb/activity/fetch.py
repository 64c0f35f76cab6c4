"""Downloads of audio: bounded in size and time, public addresses only unless allowed, every redirect checked again."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs
import httpx
import trio

from vb.activity.address_rule import AddressRefused, AddressRule
from vb.call.errors import Invalid

MAX_REDIRECTS = 5
MAX_ADDRESSES_TRIED = 3


class FetchError(Exception):
    """The audio could not be had; the text says why and ends up in ``playback.error``."""


@attrs.frozen
class FetchSettings:
    rule: AddressRule = attrs.field(factory=AddressRule)
    play_dir: Path | None = None
    """Folder whose files ``file:`` URLs may name; None: no ``file:`` URL at all."""
    max_bytes: int = 64 * 1024 * 1024
    timeout_seconds: float = 60.0
    """For the whole download, redirects included."""
    concurrent: int = 256
    """Downloads at a time; others wait their turn."""
    max_buffered: int = 512 * 1024 * 1024
    """Bytes of all downloads that are going on; what would be more fails."""


@attrs.frozen
class Fetched:
    body: bytes = attrs.field(repr=False)
    content_type: str


class Fetcher:
    """One HTTP client for all downloads. Made by ``open_fetcher``."""

    def __init__(self, client: httpx.AsyncClient, settings: FetchSettings) -> None:
        self._client = client
        self._settings = settings
        self._turn = trio.CapacityLimiter(settings.concurrent)
        self._buffered = 0

    def check(self, url: str) -> None:
        """Refuses at once what can never be fetched: a ``file:`` URL outside PLAY_DIR. Raises Invalid (400)."""
        if scheme_of(url) == "file":
            self._file_path(url)

    async def fetch(self, url: str) -> Fetched:
        """The whole body of a 200. Raises FetchError; Invalid for a ``file:`` URL that is not allowed."""
        async with self._turn:
            with trio.move_on_after(self._settings.timeout_seconds):
                if scheme_of(url) == "file":
                    return await trio.to_thread.run_sync(self._read_file, url, abandon_on_cancel=True)
                return await self._fetch_http(url)
        raise FetchError(f"no answer within {self._settings.timeout_seconds:g} s")

    async def _fetch_http(self, url: str) -> Fetched:
        target = self._parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._open(target)
            try:
                if response.has_redirect_location:
                    target = self._parse(str(target.join(response.headers["Location"])))
                    continue
                if response.status_code != 200:
                    raise FetchError(f"status {response.status_code}")
                return Fetched(await self._read(response), response.headers.get("Content-Type", ""))
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise FetchError(_words(error)) from error
            finally:
                with trio.CancelScope(shield=True):  # only closes a socket, never waits for the peer
                    await response.aclose()
        raise FetchError(f"more than {MAX_REDIRECTS} redirects")

    @staticmethod
    def _parse(url: str) -> httpx.URL:
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise FetchError(f"invalid URL: {error}") from error
        if target.scheme not in ("http", "https"):
            raise FetchError(f'unsupported protocol scheme "{target.scheme}"')
        if not target.host:
            raise FetchError("no host in request URL")
        if target.port is not None and not 0 < target.port < 65536:
            raise FetchError(f"invalid URL: port {target.port}")
        return target

    async def _open(self, target: httpx.URL) -> httpx.Response:
        """Sends the request to an address that was checked; the name goes into Host and SNI only."""
        port = target.port or (443 if target.scheme == "https" else 80)
        try:
            addresses = await self._settings.rule.addresses(target.host, port)
        except AddressRefused as refused:
            raise FetchError(str(refused)) from refused
        failure: Exception | None = None
        for address in addresses[:MAX_ADDRESSES_TRIED]:
            request = self._client.build_request(
                "GET",
                target.copy_with(host=address),
                headers={"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
                extensions={"sni_hostname": target.host},
            )
            try:
                return await self._client.send(request, stream=True, follow_redirects=False)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except httpx.HTTPError as error:
                raise FetchError(_words(error)) from error
        raise FetchError(f"{target.host}:{port}: {_words(failure)}") from failure

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise FetchError("compressed although identity was asked for")
        limit = self._settings.max_bytes
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > limit:
            raise FetchError(f"larger than {limit} bytes")
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                self._buffered += len(chunk)
                if len(body) > limit:
                    raise FetchError(f"larger than {limit} bytes")
                if self._buffered > self._settings.max_buffered:
                    raise FetchError("too much is being downloaded")
            return bytes(body)
        finally:
            self._buffered -= len(body)

    def _file_path(self, url: str) -> Path:
        """The file that a ``file:`` URL names: absolute, or relative to PLAY_DIR. Symbolic links may not lead out."""
        parts = urlsplit(url)
        folder = self._settings.play_dir
        if folder is None:
            raise Invalid("file URLs are not allowed")
        name = unquote(parts.path)
        if parts.netloc not in ("", "localhost") or not name or "\0" in name:
            raise Invalid("invalid file URL")
        root = folder.resolve()
        try:
            path = (root / name).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
            raise Invalid("invalid file URL") from error
        if not path.is_relative_to(root):
            raise Invalid("file URL outside the play directory")
        return path

    def _read_file(self, url: str) -> Fetched:
        path = self._file_path(url)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # a FIFO would never end
                    raise FetchError(f"{path.name}: not a file")
                body = file.read(self._settings.max_bytes + 1)
        except OSError as error:
            raise FetchError(f"{path.name}: {error.strerror}") from error
        if len(body) > self._settings.max_bytes:
            raise FetchError(f"larger than {self._settings.max_bytes} bytes")
        return Fetched(body, "")


def scheme_of(url: str) -> str | None:
    """The scheme of a URL in lower case; None for text that is no URL at all."""
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return None


def _words(error: Exception | None) -> str:
    return str(error) or type(error).__name__


@asynccontextmanager
async def open_fetcher(settings: FetchSettings | None = None) -> AsyncIterator[Fetcher]:
    """The fetcher for as long as the block lasts; its client is closed with it."""
    client = httpx.AsyncClient(
        # Connections are made to addresses, not names: kept alive, one verified for a name could serve another.
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=httpx.Timeout(20.0, connect=10.0),
        trust_env=False,  # a proxy from the environment would undo the address rule
        headers={"User-Agent": "voiceblender"},
    )
    async with client:
        yield Fetcher(client, settings or FetchSettings())
