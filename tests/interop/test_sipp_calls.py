"""Calls of SIPp that do not go the usual way: what a caller may do to us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from tests.interop.peers import need
from tests.interop.scenario import TAG, Scenario, description
from tests.interop.server import Application, Frame, answer, serving
from tests.interop.sipp_peer import playing
from vb.demo.processes import free_ports


def on(kind: str, command: str) -> Callable[[Frame], tuple[str, Frame] | None]:
    """A reaction: each caller is answered, and each leg that gets ``kind`` gets ``command``."""

    def react(frame: Frame) -> tuple[str, Frame] | None:
        if frame["type"] == kind:
            return command, {"id": frame["leg_id"]}
        return answer(frame)

    return react


async def over(app: Application, *reasons: str) -> None:
    """All legs are over for these reasons, and nothing is left."""
    await app.wait(lambda: len(app.of("leg.disconnected")) >= len(reasons), 40)
    assert sorted(event["cdr"]["reason"] for event in app.of("leg.disconnected")) == sorted(reasons)
    assert (await app.api.get("/v1/legs")).json() == []


def answered(name: str, *, strict: bool = False) -> Scenario:
    """A call that we have answered, up to its ACK."""
    scenario = Scenario(name, strict=strict).invite().takes(100, optional=True).takes(180, optional=True)
    return scenario.takes(200, rrs=True).sends("ACK", 1)


HOLDS = answered("holds").pause(100)
for number, (mine, theirs) in enumerate((("sendonly", "recvonly"), ("sendrecv", "sendrecv")), 2):
    HOLDS.sends("INVITE", number, description(mine, version=number)).takes(100, optional=True)
    HOLDS.takes(200, body=f"a={theirs}").sends("ACK", number)
HOLDS.sends("INVITE", 4, description(version=4, address="0.0.0.0")).takes(100, optional=True)  # RFC 2543's way
HOLDS.takes(200, body="a=").sends("ACK", 4).sends("BYE", 5).takes(200)


@pytest.mark.parametrize("transport", ["u1", "t1", "tn"])
async def test_hold_and_back(tmp_path: Path, transport: str) -> None:
    """By UDP, by one TCP connection, and by a connection for each call."""
    calls = 10
    async with serving(tmp_path) as app:
        app.react = answer
        await call(app, tmp_path, HOLDS, calls=calls, options=("-t", transport, "-max_socket", "500"))
        await over(app, *["remote_bye"] * calls)
        assert len(app.of("leg.hold")) == 2 * calls
        assert len(app.of("leg.unhold")) == calls


async def test_early_media_without_prack(tmp_path: Path) -> None:
    def react(frame: Frame) -> tuple[str, Frame] | None:
        if frame["type"] == "leg.ringing":
            return "leg_early_media", {"id": frame["leg_id"]}
        if frame["type"] == "leg_early_media.result":
            return "answer_leg", {"id": app.of("leg.ringing")[0]["leg_id"]}
        return None

    scenario = Scenario("early").invite().takes(100, optional=True).takes(183, body="m=audio")
    scenario.takes(200, rrs=True, body="m=audio").sends("ACK", 1).sends("BYE", 2).takes(200)
    async with serving(tmp_path) as app:
        app.react = react
        await call(app, tmp_path, scenario)
        await over(app, "remote_bye")


async def test_a_lost_ack(tmp_path: Path) -> None:
    """RFC 3261 §13.3.1.4: the 200 comes again until 64*T1 have passed, then a BYE."""
    scenario = Scenario("lost").invite().takes(100, optional=True).takes(200, rrs=True)
    scenario.takes("BYE", Reason="SIP").answers(200)
    async with serving(tmp_path, SIP_T1_MS="50", SIP_T2_MS="400") as app:
        app.react = answer
        await call(app, tmp_path, scenario)
        await over(app, "ack_timeout")
    (messages,) = (tmp_path / "lost").glob("*_messages.log")
    assert messages.read_text().count("CSeq: 1 INVITE\nContact: <sip:127.0.0.1:") >= 9


async def test_a_bye_overtakes_the_ack(tmp_path: Path) -> None:
    scenario = Scenario("overtaken").invite().takes(100, optional=True).takes(200, rrs=True)
    scenario.sends("BYE", 2).takes(200).sends("ACK", 1).pause(300)
    async with serving(tmp_path) as app:
        app.react = answer
        await call(app, tmp_path, scenario, calls=10)
        await over(app, *["remote_bye"] * 10)


async def test_a_cancel(tmp_path: Path) -> None:
    scenario = Scenario("cancel").invite().takes(100, optional=True).takes(180).follows("CANCEL", 1)
    scenario.takes(200).takes(487).follows("ACK", 1)
    async with serving(tmp_path, SIP_AUTO_RINGING="true") as app:
        await call(app, tmp_path, scenario, calls=10)
        await over(app, *["caller_cancel"] * 10)


async def test_a_cancel_after_the_answer(tmp_path: Path) -> None:
    """RFC 3261 §9.2: it has no effect; the call is up, and ends by BYE."""
    scenario = Scenario("late").invite().takes(100, optional=True).takes(200, rrs=True).follows("CANCEL", 1)
    scenario.takes(200, CSeq="CANCEL").sends("ACK", 1).pause(200).sends("BYE", 2).takes(200)
    async with serving(tmp_path) as app:
        app.react = answer
        await call(app, tmp_path, scenario, calls=10)
        await over(app, *["remote_bye"] * 10)
        assert len(app.of("leg.connected")) == 10


async def test_glare(tmp_path: Path) -> None:
    """RFC 3261 §14.1: both get 491; we did not choose the Call-ID and try again within two seconds."""
    scenario = answered("glare").keeps(body="a=sendonly").sends("INVITE", 2, description(version=2))
    scenario.takes(491).refuses_ack(2)
    scenario.replies(491, tag="", retrans=True).takes("ACK")
    scenario.takes("INVITE", body="a=sendonly").answers(200, description("recvonly", version=2), retrans=True)
    scenario.takes("ACK").sends("BYE", 3).takes(200)
    async with serving(tmp_path) as app:
        app.react = on("leg.connected", "hold_leg")
        await call(app, tmp_path, scenario)
        await over(app, "remote_bye")
        assert len(app.of("leg.hold")) == 1


async def test_a_refer_that_is_carried_out(tmp_path: Path) -> None:
    """SIPp refers us to another SIPp, and hears in NOTIFYs what became of it."""
    need("sipp")
    (other,) = free_ports(1)
    scenario = answered("refers").pause(100).sends("REFER", 2, headers=(f"Refer-To: <sip:desk@127.0.0.1:{other}>",))
    scenario.takes(202).takes("NOTIFY", body="SIP/2.0 100").answers(200)
    scenario.takes("NOTIFY", body="SIP/2.0 200", Subscription_State="terminated").answers(200)
    scenario.takes("BYE").answers(200)
    desk = Scenario("desk").invited(Referred_By="sip:sipp@").answers(180, tag=TAG).pause(300)
    desk.answers(200, description(), tag=TAG, retrans=True).takes("ACK").pause(500)
    desk.sends("BYE", 1).takes(200)
    async with serving(tmp_path, SIP_REFER_AUTO_DIAL="true") as app:
        app.react = answer
        async with playing(tmp_path, desk, other):
            await call(app, tmp_path, scenario)
        await over(app, "transfer_completed", "remote_bye")


async def test_a_refer_that_is_declined(tmp_path: Path) -> None:
    scenario = answered("refers").pause(100).sends("REFER", 2, headers=("Refer-To: <sip:desk@127.0.0.1:9>",))
    scenario.takes(603).sends("BYE", 3).takes(200)
    async with serving(tmp_path) as app:
        app.react = on("leg.transfer_requested", "decline_transfer")
        await call(app, tmp_path, scenario)
        await over(app, "remote_bye")


async def test_one_message_in_five_is_lost(tmp_path: Path) -> None:
    """SIPp loses them in both directions; every call comes about and ends, and nothing is left."""
    calls = 20
    scenario = answered("lossy", strict=True).pause(300).sends("BYE", 2).takes(200)
    async with serving(tmp_path) as app:
        app.react = answer
        await call(app, tmp_path, scenario, calls=calls, options=("-lost", "20"))
        await over(app, *["remote_bye"] * calls)


async def call(
    app: Application, folder: Path, scenario: Scenario, *, calls: int = 1, options: tuple[str, ...] = ()
) -> None:
    """SIPp calls us and plays the scenario to its end."""
    here = f"127.0.0.1:{app.sip_port}"
    (port,) = free_ports(1)
    async with playing(folder, scenario, port, calls=calls, target=here, via=here, options=options):
        await trio.lowlevel.checkpoint()
