"""A pjsua2 phone that requires 100rel and a session interval, as caller and as callee: PRACK, and a refresh at 45 s."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.interop.peers import need_module
from tests.interop.server import Application, serving
from tests.interop.test_sipp_sessions import early_media
from vb.demo.processes import free_ports

PHONE = Path(__file__).with_name("pjsua_session_phone.py")
SECONDS = 50


async def messages(app: Application, leg: str) -> list[str]:
    """The start lines and the Session-Expires of a leg's messages, those of the peer with "<" before them."""
    trace = (await app.api.get(f"/v1/legs/{leg}/trace")).json()
    return [("< " if message["dir"] == "in" else "> ") + message["text"] for message in trace["messages"]]


def sent(texts: list[str], start: str) -> list[str]:
    return [text for text in texts if text.startswith(start)]


async def test_prack_and_refresh_in_both_directions(tmp_path: Path) -> None:
    need_module("pjsua2")
    ports = free_ports(2)
    async with serving(tmp_path, SIP_SESSION_EXPIRES_SECONDS="90") as app:
        app.react = early_media
        caller = [sys.executable, str(PHONE), str(ports[0]), str(SECONDS), f"sip:service@127.0.0.1:{app.sip_port}"]
        callee = [sys.executable, str(PHONE), str(ports[1]), str(SECONDS + 5)]
        outputs: list[bytes] = []

        async def phone(command: list[str]) -> None:
            done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
            outputs.append(done.stdout)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(phone, callee)
            await trio.sleep(2)
            nursery.start_soon(phone, caller)
            await app.wait(lambda: bool(app.of("leg.ringing")), 10)
            inbound = app.of("leg.ringing")[0]["leg_id"]
            await trio.sleep(0.5)
            assert (await app.api.post(f"/v1/legs/{inbound}/answer", json={})).status_code == 202
            reply = await app.api.post("/v1/legs", json={"type": "sip", "to": f"sip:service@127.0.0.1:{ports[1]}"})
            outbound = reply.json()["id"]
            await app.wait(lambda: len(app.of("leg.connected")) == 2, 10)
        await app.wait(lambda: len(app.of("leg.disconnected")) == 2, 10)
        assert {event["cdr"]["reason"] for event in app.of("leg.disconnected")} == {"remote_bye"}
        assert len(app.of("leg.early_media")) == 1
        assert all(b"confirmed" in output for output in outputs), outputs
        came, went = await messages(app, inbound), await messages(app, outbound)
    assert sent(came, "< PRACK")
    assert sent(went, "> PRACK")
    for texts in (came, went):
        refreshes = sent(texts, "< UPDATE") + sent(texts, "> UPDATE")
        assert len(refreshes) == 1, [text.splitlines()[0] for text in texts]
        assert "Session-Expires: 90" in refreshes[0]
