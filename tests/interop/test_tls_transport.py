"""baresip over TLS: it calls us and is called, speaks, and learns that the call has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.interop.peers import need, preferred
from tests.interop.server import Application, answer, serving
from tests.interop.test_baresip import CONFIG, MODULES
from tests.interop.voices import write_speech
from tests.net.certificates import Authority
from vb.demo.processes import free_ports, running


@asynccontextmanager
async def baresip(folder: Path, authority: Authority, port: int, voice: Path, *options: str) -> AsyncIterator[Path]:
    """A baresip that listens for TLS beside ``port`` (it takes the next one) with a certificate of its own."""
    home = folder / "alice"
    home.mkdir()
    certificate, key = authority.issue("127.0.0.1", stem="baresip")
    both = home / "certificate.pem"
    both.write_bytes(b"".join((folder / name).read_bytes() for name in (certificate, key)))
    config = CONFIG.format(sip=port, folder=home, voice=voice, modules=MODULES)
    (home / "config").write_text(f"{config}sip_cafile {authority.path}\nsip_certificate {both}\n")
    (home / "accounts").write_text(
        "<sip:alice@127.0.0.1;transport=tls>;regint=0;audio_codecs=PCMU/8000/1;answermode=auto\n"
    )
    command = [need("baresip"), "-f", str(home), *options]
    log = home / "stdout.log"
    async with running("alice", ["sh", "-c", 'exec "$@" >"$0" 2>&1', str(log), *preferred(command)], home / "err.log"):
        yield home


@asynccontextmanager
async def secure_server(folder: Path, authority: Authority) -> AsyncIterator[tuple[Application, int]]:
    """A server with a TLS port, which is the second value."""
    (port,) = free_ports(1)
    certificate, key = authority.issue("127.0.0.1")
    settings = {"SIP_TLS_PORT": str(port), "SIP_TLS_CERT": certificate, "SIP_TLS_KEY": key}
    async with serving(folder, **settings, SIP_TLS_CA_FILE=authority.path) as app:
        yield app, port


async def end_of_call(app: Application) -> None:
    """Once it is answered: let it speak for a second, then hang up."""
    await app.wait(lambda: len(app.of("leg.connected")) == 1, 15)
    await trio.sleep(1)
    (connected,) = app.of("leg.connected")
    await app.api.delete(f"/v1/legs/{connected['leg_id']}")
    await app.wait(lambda: len(app.of("leg.disconnected")) == 1, 15)
    (ended,) = app.of("leg.disconnected")
    assert ended["cdr"]["reason"] == "api_hangup"
    assert ended["quality"]["rtp_packets_received"] > 20
    await trio.sleep(0.5)


async def test_it_calls_us(tmp_path: Path) -> None:
    voice, authority = write_speech(tmp_path / "alice.wav"), Authority(tmp_path)
    (own,) = free_ports(1)
    async with secure_server(tmp_path, authority) as (app, port):
        app.react = answer
        dial = f"/dial sip:room@127.0.0.1:{port};transport=tls"
        async with baresip(tmp_path, authority, own, voice, "-e", dial) as home:
            await end_of_call(app)
            assert "session closed" in said_by(home)


async def test_we_call_it(tmp_path: Path) -> None:
    voice, authority = write_speech(tmp_path / "alice.wav"), Authority(tmp_path)
    (own,) = free_ports(1)
    async with secure_server(tmp_path, authority) as (app, _), baresip(tmp_path, authority, own, voice) as home:
        await trio.sleep(1)
        body = {"type": "sip", "to": f"sips:alice@127.0.0.1:{own + 1}"}
        assert (await app.api.post("/v1/legs", json=body)).status_code == 201
        await end_of_call(app)
        assert "session closed" in said_by(home)


def said_by(home: Path) -> str:
    return (home / "stdout.log").read_text(errors="replace")
