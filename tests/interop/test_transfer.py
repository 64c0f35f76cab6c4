"""Transfers with pjsua2 on the other side: referred by us, referring us, and two calls of its connected."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.interop.peers import need_module, preferred
from tests.interop.server import Application, Frame, answer, serving
from vb.demo.processes import free_ports

PHONE = Path(__file__).with_name("pjsua_transfer.py")


async def phone(app: Application, role: str, seconds: float, *target: str) -> list[str]:
    """Run the phone to its end; what it printed, line by line."""
    need_module("pjsua2")
    (port,) = free_ports(1)
    uri = f"sip:service@127.0.0.1:{app.sip_port}"
    command = preferred([sys.executable, str(PHONE), role, uri, str(port), str(seconds), *target])
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert b"confirmed" in done.stdout, (done.stdout, done.stderr[-1000:])
    return done.stdout.decode().splitlines()


def outcomes(app: Application) -> list[tuple[str, int | None]]:
    return [
        (event["type"].removeprefix("leg.transfer_"), event.get("status_code"))
        for event in app.events
        if event["type"].startswith("leg.transfer_")
    ]


def reasons(app: Application) -> list[str]:
    return [event["cdr"]["reason"] for event in app.of("leg.disconnected")]


async def test_a_phone_does_what_our_refer_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as app:
        app.react = answer
        said: list[str] = []

        async def run() -> None:
            said.extend(await phone(app, "wait", 6))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await app.wait(lambda: bool(app.of("leg.connected")), 10)
            leg_id = app.of("leg.connected")[0]["leg_id"]
            target = f"sip:desk@127.0.0.1:{app.sip_port}"
            response = await app.api.post(f"/v1/legs/{leg_id}/transfer", json={"target": target})
            assert response.status_code == 202
        assert f"referred <{target}>" in said or f"referred {target}" in said
        told = outcomes(app)
        assert (told[0], told[-1]) == (("initiated", None), ("completed", 200))
        assert [event["to"] for event in app.of("leg.ringing")] == ["service", "desk"]
        assert reasons(app) == ["transfer_completed", "remote_bye"]


async def test_the_application_carries_out_what_a_phone_asks_for(tmp_path: Path) -> None:
    def react(frame: Frame) -> tuple[str, Frame] | None:
        if frame["type"] == "leg.transfer_requested":
            return "accept_transfer", {"id": frame["leg_id"]}
        if frame["type"] == "accept_transfer.result":
            return "progress_transfer", {"id": app.of("leg.connected")[0]["leg_id"], "status_code": 180}
        if frame["type"] == "progress_transfer.result":
            return "complete_transfer", {"id": app.of("leg.connected")[0]["leg_id"], "success": True}
        return answer(frame)

    async with serving(tmp_path) as app:
        app.react = react
        said = await phone(app, "blind", 3, "sip:bob@127.0.0.1:7000")
        assert [line for line in said if line.startswith("status")][-1] == "status 200 True"
        assert outcomes(app) == [("requested", None), ("completed", 200)]


async def test_a_phone_connects_the_other_ends_of_its_two_calls(tmp_path: Path) -> None:
    """The INVITE with Replaces comes to ourselves: the new call takes the place of the second one."""
    async with serving(tmp_path, SIP_REFER_AUTO_DIAL="true") as app:
        app.react = answer
        said = await phone(app, "attended", 5)
        assert said.count("confirmed") == 2
        assert [line for line in said if line.startswith("status")][-1] == "status 200 True"
        [requested] = app.of("leg.transfer_requested")
        assert requested["kind"] == "attended"
        assert outcomes(app)[-1] == ("completed", 200)
        assert reasons(app)[:2] == ["transfer_completed", "transfer_completed"]
