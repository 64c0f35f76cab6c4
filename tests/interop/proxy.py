"""Kamailio in the middle: a record-routing proxy between UDP, TCP and TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.interop.peers import need
from tests.net.certificates import Authority
from vb.demo.processes import free_ports, running

_CONFIGURATION = Path(__file__).parent / "kamailio"


@attrs.frozen
class Proxy:
    """Where it listens: ``port`` for UDP and TCP, ``secure`` for TLS. ``second`` is where its fork goes, too."""

    port: int
    secure: int
    second: int
    log: Path

    def uri(self, transport: str) -> str:
        return f"sip:127.0.0.1:{self.secure if transport == 'tls' else self.port};transport={transport}"

    def said(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")


@asynccontextmanager
async def kamailio(folder: Path, authority: Authority, *, algorithm: str = "MD5") -> AsyncIterator[Proxy]:
    """A proxy with a certificate of ``authority``, which is the only one it trusts."""
    program = need("kamailio")
    home = folder / "kamailio"
    home.mkdir()
    certificate, key = authority.issue("127.0.0.1", stem="proxy")
    port, secure, second = free_ports(3)
    values = {
        "UDP": port,
        "TLS": secure,
        "SECOND": second,
        "FOLDER": home,
        "ALGORITHM": algorithm,
        "CERTIFICATE": certificate,
        "KEY": key,
        "AUTHORITY": authority.path,
    }
    for name in ("proxy.cfg", "tls.cfg"):
        text = (_CONFIGURATION / name).read_text()
        for word, value in values.items():
            text = text.replace(f"@{word}@", str(value))
        (home / name).write_text(text)
    log = home / "log"
    command = [program, "-DD", "-E", "-f", str(home / "proxy.cfg"), "-m", "32", "-M", "8", "-Y", str(home)]
    async with running("kamailio", command, log):
        await _listening(port, log)
        yield Proxy(port, secure, second, log)


async def _listening(port: int, log: Path) -> None:
    with trio.move_on_after(10):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.1)
            else:
                await stream.aclose()
                return
    raise AssertionError(f"kamailio does not listen: see {log}")
