"""A pjsua2 phone registers over TCP, is challenged, called by its address-of-record, and unregisters."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.interop.peers import need_module
from tests.interop.server import Frame, serving
from vb.demo.processes import free_ports

PHONE = Path(__file__).with_name("pjsua_register.py")


def challenge(frame: Frame) -> tuple[str, Frame] | None:
    if frame["type"] != "sip.registration_attempt":
        return None
    if frame["contact"].endswith("expires=0") or frame.get("has_authorization"):
        return "accept_registration", {"id": frame["attempt_id"]}
    terms = {"realm": "lab", "username": "alice", "password": "pw", "algorithm": "SHA-256", "qop": ["auth"]}
    return "challenge_registration", {"id": frame["attempt_id"], **terms}


async def test_a_phone_is_reached_where_it_registered(tmp_path: Path) -> None:
    need_module("pjsua2")
    async with serving(tmp_path, SIP_TCP_ENABLED="true") as app:
        app.react = challenge
        (port,) = free_ports(1)
        command = [sys.executable, str(PHONE), str(port), f"127.0.0.1:{app.sip_port}", "pw", "15"]
        said: list[bytes] = []

        async def phone() -> None:
            done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
            said.append(done.stdout)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(phone)
            await app.wait(lambda: bool(app.of("sip.registration_active")), 10)
            (binding,) = (await app.api.get("/v1/sip/registrations")).json()["bindings"]
            assert (binding["aor"], binding["transport"]) == ("sip:alice@pbx.test", "tcp")
            assert binding["granted_expires_seconds"] == 300
            leg = (await app.api.post("/v1/legs", json={"type": "sip", "to": "sip:alice@pbx.test"})).json()
            await app.wait(lambda: bool(app.of("leg.connected")), 10)
            assert (await app.api.delete(f"/v1/legs/{leg['id']}")).status_code == 202
            await app.wait(lambda: bool(app.of("sip.registration_expired")), 10)
        assert b"registered 200 299" in said[0], said
        assert b"confirmed" in said[0]
        assert app.of("sip.registration_expired")[0]["reason"] == "unregistered"
        assert (await app.api.get("/v1/sip/registrations")).json()["bindings"] == []
