"""Posting to URLs that programs give: one kept connection per URL, addresses judged before they are connected to."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections import OrderedDict
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs
import h11
import trio

from vb.activity.address_rule import AddressRefused, AddressRule
from vb.api.webhooks import BadTarget

IDLE_CONNECTIONS: Final = 256
_IDLE_SECONDS: Final = 30.0
_MAX_ANSWER: Final = 64 * 1024


@attrs.frozen
class _Target:
    tls: bool
    host: str
    port: int
    authority: str
    path: str
    authorization: str = attrs.field(default="", repr=False)


@attrs.define(eq=False)
class _Connection:
    stream: trio.abc.Stream
    http: h11.Connection
    used_at: float = 0.0


class HttpPoster:
    """One for the whole process. ``rule`` says where it may go; ``trusted`` are URLs that the rule does not bind."""

    def __init__(
        self,
        rule: AddressRule,
        *,
        trusted: frozenset[str] = frozenset(),
        tls: ssl.SSLContext | None = None,
        user_agent: str = "voiceblender",
    ) -> None:
        self._rule = rule
        self._any = attrs.evolve(rule, allow="all")
        self._trusted = trusted
        self._tls = tls or ssl.create_default_context()
        self._user_agent = user_agent
        self._idle: OrderedDict[str, _Connection] = OrderedDict()

    async def __call__(self, url: str, headers: list[tuple[str, str]], body: bytes) -> int:
        """The status of the answer. Raises BadTarget, OSError, trio and h11 errors; the caller gives the timeout."""
        target = _parse(url)
        kept = await self._take_idle(url)
        if kept is not None:
            # A server may close an idle connection at any moment (RFC 9112 §9.5): then once more on a new one.
            with suppress(OSError, trio.BrokenResourceError, h11.RemoteProtocolError):
                return await self._exchange(url, kept, target, headers, body)
        return await self._exchange(url, await self._connect(url, target), target, headers, body)

    async def aclose(self) -> None:
        """Close what is kept open."""
        while self._idle:
            await trio.aclose_forcefully(self._idle.popitem()[1].stream)

    async def _take_idle(self, url: str) -> _Connection | None:
        connection = self._idle.pop(url, None)
        if connection is None or connection.used_at + _IDLE_SECONDS >= trio.current_time():
            return connection
        await trio.aclose_forcefully(connection.stream)
        return None

    async def _connect(self, url: str, target: _Target) -> _Connection:
        rule = self._any if url in self._trusted else self._rule
        try:
            addresses = await rule.addresses(target.host, target.port)
        except AddressRefused as refused:
            raise ConnectionError(str(refused)) from refused  # the name may resolve to something else next time
        failure: OSError | None = None
        for address in addresses:
            try:
                stream: trio.abc.Stream = await trio.open_tcp_stream(address, target.port)
            except OSError as error:
                failure = error
                continue
            if target.tls:
                stream = trio.SSLStream(stream, self._tls, server_hostname=target.host, https_compatible=True)
            return _Connection(stream, h11.Connection(h11.CLIENT))
        assert failure is not None
        raise failure

    async def _exchange(
        self, url: str, connection: _Connection, target: _Target, headers: list[tuple[str, str]], body: bytes
    ) -> int:
        keep = False
        try:
            await self._send(connection, target, headers, body)
            status = await self._receive(connection)
            keep = connection.http.our_state is h11.DONE and connection.http.their_state is h11.DONE
        finally:
            if not keep:
                await trio.aclose_forcefully(connection.stream)
        if keep:
            await self._keep(url, connection)
        return status

    async def _keep(self, url: str, connection: _Connection) -> None:
        connection.http.start_next_cycle()
        connection.used_at = trio.current_time()
        if url in self._idle:
            await trio.aclose_forcefully(self._idle.pop(url).stream)
        self._idle[url] = connection
        while len(self._idle) > IDLE_CONNECTIONS:
            await trio.aclose_forcefully(self._idle.popitem(last=False)[1].stream)

    async def _send(
        self, connection: _Connection, target: _Target, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        request = h11.Request(
            method="POST",
            target=target.path,
            headers=[
                ("Host", target.authority),
                ("User-Agent", self._user_agent),
                ("Content-Length", str(len(body))),
                *([("Authorization", target.authorization)] if target.authorization else []),
                *headers,
            ],
        )
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        await connection.stream.send_all(b"".join(connection.http.send(part) or b"" for part in parts))

    @staticmethod
    async def _receive(connection: _Connection) -> int:
        status, size = 0, 0
        while True:
            event = connection.http.next_event()
            if event is h11.NEED_DATA:
                data = await connection.stream.receive_some(65536)
                size += len(data)
                if size > _MAX_ANSWER:
                    return status or 502
                connection.http.receive_data(bytes(data))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.EndOfMessage):
                return status


def check_url(url: str) -> None:
    """Raises BadTarget for a URL that can never be posted to."""
    _parse(url)


def _parse(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    except (ValueError, UnicodeError) as error:
        # What is said of the authority quotes it, password and all.
        raise BadTarget("invalid URL" if "@" in str(error) else f"invalid URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BadTarget("not an http or https URL")
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    if not path.isascii() or any(ord(char) <= 32 or ord(char) == 127 for char in path + host):
        raise BadTarget("invalid URL: characters that must be escaped")
    tls = parts.scheme == "https"
    authority = parts.netloc.rpartition("@")[2]
    shown = authority if authority.isascii() else host
    return _Target(tls, host, port or (443 if tls else 80), shown, path, _basic(parts.username, parts.password))


def _basic(user: str | None, password: str | None) -> str:
    """User and password of a URL as HTTP knows them (RFC 7617 §2), "" without any."""
    if not user and not password:
        return ""
    return "Basic " + b64encode(f"{unquote(user or '')}:{unquote(password or '')}".encode()).decode()
