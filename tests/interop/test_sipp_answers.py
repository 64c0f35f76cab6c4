"""Calls to SIPp that do not go the usual way: what whom we call may do to us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.interop.scenario import TAG, Scenario, description
from tests.interop.server import Application, serving
from tests.interop.sipp_peer import playing
from tests.interop.test_sipp_calls import over
from vb.demo.processes import free_ports


def answers(name: str) -> Scenario:
    """A call that SIPp answers, up to our ACK."""
    return Scenario(name).invited().answers(200, description(), tag=TAG, retrans=True).takes("ACK")


@asynccontextmanager
async def calling(
    folder: Path, scenario: Scenario, *, calls: int = 1, options: tuple[str, ...] = (), **body: object
) -> AsyncIterator[Application]:
    """SIPp waits and we call it; at the end of the block it has played its scenario."""
    (port,) = free_ports(1)
    transport = ";transport=tcp" if "t1" in options else ""
    async with serving(folder) as app, playing(folder, scenario, port, calls=calls, options=options):
        for _ in range(calls):
            request = {"type": "sip", "to": f"sip:service@127.0.0.1:{port}{transport}", **body}
            reply = await app.api.post("/v1/legs", json=request)
            assert reply.status_code == 201, reply.text
            await trio.sleep(0.05)
        yield app


async def test_a_fork_answers_twice(tmp_path: Path) -> None:
    """RFC 3261 §13.2.2.4: both 2xx get their ACK, the second call a BYE at once."""
    first, second = f"{TAG}a", f"{TAG}b"
    scenario = Scenario("fork").invited().replies(180, tag=first).replies(183, description(), tag=second)
    scenario.replies(200, description(), tag=first).takes("ACK", To="SIPpTag01[0-9]+a")
    scenario.replies(200, description(), tag=second).takes("ACK", To="SIPpTag01[0-9]+b")
    scenario.takes("BYE", To="SIPpTag01[0-9]+b").answers(200).replies(200, description(), tag=second)
    scenario.takes("ACK", To="SIPpTag01[0-9]+b").takes("BYE", To="SIPpTag01[0-9]+a").answers(200)
    async with calling(tmp_path, scenario, max_duration=1) as app:
        await over(app, "max_duration")


async def test_provisional_responses(tmp_path: Path) -> None:
    """Of all kinds: the first with a description is early media, once."""
    scenario = Scenario("early").invited().answers(100).answers(180, tag=TAG).answers(182, tag=TAG)
    scenario.answers(183, description(), tag=TAG).answers(183, description(), tag=TAG).answers(180, tag=TAG)
    scenario.answers(199, tag=TAG).pause(200).answers(200, description(), tag=TAG, retrans=True).takes("ACK")
    scenario.takes("BYE").answers(200)
    async with calling(tmp_path, scenario, calls=5, max_duration=1) as app:
        await over(app, *["max_duration"] * 5)
        assert len(app.of("leg.early_media")) == 5


@pytest.mark.parametrize(
    ("status", "reason", "headers"),
    [
        (302, "invite_failed", ("Contact: <sip:elsewhere@127.0.0.1:9>",)),
        (486, "busy", ()),
        (422, "sip_422", ()),  # without Min-SE there is nothing to ask for
        (503, "service_unavailable", ("Retry-After: 10",)),
        (603, "declined", ()),
    ],
)
async def test_refusals(tmp_path: Path, status: int, reason: str, headers: tuple[str, ...]) -> None:
    scenario = Scenario("refuses").invited().answers(status, tag=TAG, headers=headers, retrans=True).takes("ACK")
    async with calling(tmp_path, scenario) as app:
        await over(app, reason)
        (ended,) = app.of("leg.disconnected")
        assert ended["sip_code"] == status


@pytest.mark.parametrize("qop", ['qop="auth",', ""])
async def test_a_challenge(tmp_path: Path, qop: str) -> None:
    """SIPp's own arithmetic checks the digest; a proxy's challenge is Kamailio's part."""
    line = f'WWW-Authenticate: Digest realm="vb.test",{qop}nonce="0123456789abcdef",algorithm=MD5'
    scenario = Scenario("challenge").invited().answers(401, tag=f"{TAG}c", headers=(line,), retrans=True)
    scenario.takes("ACK").verified("alice", "secret").answers(200, description(), tag=TAG, retrans=True)
    scenario.takes("ACK").takes("BYE").answers(200)
    auth = {"username": "alice", "password": "secret"}
    async with calling(tmp_path, scenario, calls=3, auth=auth, max_duration=1) as app:
        await over(app, *["max_duration"] * 3)


async def test_we_cancel(tmp_path: Path) -> None:
    scenario = Scenario("cancelled").invited().answers(180, tag=TAG).takes("CANCEL").answers(200, tag=TAG)
    scenario.replies(487, retrans=True).takes("ACK")
    async with calling(tmp_path, scenario, calls=5, ring_timeout=1) as app:
        await over(app, *["ring_timeout"] * 5)


async def test_the_answer_crosses_our_cancel(tmp_path: Path) -> None:
    """RFC 3261 §9.1, §15: the CANCEL came too late; there is a call, and it gets its ACK and a BYE."""
    scenario = Scenario("crossed").invited().answers(180, tag=TAG).takes("CANCEL").answers(200, tag=TAG)
    scenario.replies(200, description(), retrans=True).takes("ACK").takes("BYE").answers(200)
    async with calling(tmp_path, scenario, calls=5, ring_timeout=1) as app:
        await over(app, *["ring_timeout"] * 5)
        assert app.of("leg.connected") == []


async def test_nothing_is_cancelled_before_a_response(tmp_path: Path) -> None:
    """RFC 3261 §9.1: only after the first 1xx."""
    scenario = Scenario("silent").invited().pause(350).replies(180).takes("CANCEL").answers(200, tag=TAG)
    scenario.replies(487, retrans=True).takes("ACK")
    async with calling(tmp_path, scenario) as app:
        await app.api.delete(f"/v1/legs/{app.of('leg.ringing')[0]['leg_id']}")
        await over(app, "api_hangup")


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_hold_by_the_called(tmp_path: Path, transport: str) -> None:
    scenario = answers("holds").pause(200)
    for number, (mine, theirs) in enumerate((("sendonly", "recvonly"), ("sendrecv", "sendrecv")), 10):
        scenario.sends("INVITE", number, description(mine, version=number)).takes(100, optional=True)
        scenario.takes(200, body=f"a={theirs}").sends("ACK", number)
    scenario.sends("BYE", 20).takes(200)
    async with calling(tmp_path, scenario, calls=5, options=("-t", transport)) as app:
        await over(app, *["remote_bye"] * 5)
        assert len(app.of("leg.hold")) == len(app.of("leg.unhold")) == 5


async def test_glare(tmp_path: Path) -> None:
    """RFC 3261 §14.1: the Call-ID is ours, so we wait for at least 2.1 s, and the called side is first."""
    scenario = answers("glare").keeps(body="a=sendonly").sends("INVITE", 10, description(version=2))
    scenario.takes(491).refuses_ack(10).replies(491, tag="", retrans=True).takes("ACK")
    scenario.pause(500).sends("INVITE", 11, description(version=2)).takes(100, optional=True).takes(200)
    scenario.sends("ACK", 11).takes("INVITE", body="a=sendonly")
    scenario.answers(200, description("recvonly", version=3), retrans=True).takes("ACK").sends("BYE", 12).takes(200)
    async with calling(tmp_path, scenario) as app:
        await app.wait(lambda: bool(app.of("leg.connected")), 10)
        await trio.sleep(0.1)
        await app.api.post(f"/v1/legs/{app.of('leg.connected')[0]['leg_id']}/hold")
        await over(app, "remote_bye")
        assert len(app.of("leg.hold")) == 1


async def test_it_does_what_our_refer_says(tmp_path: Path) -> None:
    scenario = answers("referred").takes("REFER", Refer_To="sip:desk@127.0.0.1").answers(202)
    for number, (line, state) in enumerate(
        (("100 Trying", "active;expires=60"), ("200 OK", "terminated;reason=noresource")), 10
    ):
        headers = ("Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag;version=2.0")
        scenario.sends("NOTIFY", number, f"SIP/2.0 {line}", headers=headers).takes(200)
    scenario.takes("BYE").answers(200)
    async with calling(tmp_path, scenario) as app:
        await app.wait(lambda: bool(app.of("leg.connected")), 10)
        leg_id = app.of("leg.connected")[0]["leg_id"]
        reply = await app.api.post(f"/v1/legs/{leg_id}/transfer", json={"target": "sip:desk@127.0.0.1:9"})
        assert reply.status_code == 202
        await over(app, "transfer_completed")


async def test_one_message_in_five_is_lost(tmp_path: Path) -> None:
    """SIPp loses them in both directions; every call comes about and ends, and nothing is left."""
    calls = 20
    scenario = Scenario("lossy").invited().answers(200, description(), tag=TAG, retrans=True)
    scenario.takes("ACK", optional=True).takes("BYE").answers(200).lingers(4000)
    async with calling(tmp_path, scenario, calls=calls, options=("-lost", "20"), max_duration=2) as app:
        await over(app, *["max_duration"] * calls)
