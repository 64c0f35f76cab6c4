"""A proxy that we did not write between us and the others: Record-Route and loose routing, whatever the transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.interop.proxy import Proxy, kamailio
from tests.interop.scenario import TAG, Scenario, description
from tests.interop.server import Application, Frame, answer, serving
from tests.interop.sipp_peer import playing
from tests.net.certificates import Authority
from vb.demo.processes import free_ports

TRANSPORTS = ("udp", "tcp", "tls")


@attrs.frozen
class Place:
    """A server and a proxy, and where the server is by each transport."""

    app: Application
    proxy: Proxy
    secure: int

    def host(self, transport: str) -> str:
        return f"127.0.0.1:{self.secure if transport == 'tls' else self.app.sip_port};transport={transport}"

    async def call(self, to: str, transport: str, **more: object) -> str:
        """Call through the proxy, which is reached by ``transport``; the leg's id."""
        body = {"type": "sip", "to": to, "outbound_proxy": self.proxy.uri(transport), **more}
        reply = await self.app.api.post("/v1/legs", json=body)
        assert reply.status_code == 201, reply.text
        leg_id: str = reply.json()["leg_id"] if "leg_id" in reply.json() else reply.json()["id"]
        return leg_id

    async def ended(self, *reasons: str) -> None:
        """All legs are over for these reasons, and nothing is left."""
        await self.app.wait(lambda: len(self.app.of("leg.disconnected")) == len(reasons), 15)
        assert sorted(event["cdr"]["reason"] for event in self.app.of("leg.disconnected")) == sorted(reasons)
        assert (await self.app.api.get("/v1/legs")).json() == []


@asynccontextmanager
async def place(folder: Path, algorithm: str = "MD5") -> AsyncIterator[Place]:
    authority = Authority(folder)
    (secure,) = free_ports(1)
    certificate, key = authority.issue("127.0.0.1")
    settings = {"SIP_TLS_PORT": str(secure), "SIP_TLS_CERT": certificate, "SIP_TLS_KEY": key}
    async with (
        kamailio(folder, authority, algorithm=algorithm) as proxy,
        serving(folder, **settings, SIP_TLS_CA_FILE=authority.path) as app,
    ):
        yield Place(app, proxy, secure)


def ring(frame: Frame) -> tuple[str, Frame] | None:
    """A reaction: it rings at whoever is called, for ever."""
    if frame["type"] == "leg.ringing" and frame.get("leg_type") == "sip_inbound":
        return "leg_ring", {"id": frame["leg_id"]}
    return None


def hold_and_back(scenario: Scenario, first: int) -> Scenario:
    """Holds by a re-INVITE, and takes back."""
    for number, (mine, theirs) in enumerate((("sendonly", "recvonly"), ("sendrecv", "sendrecv")), first):
        scenario.sends("INVITE", number, description(mine, version=number)).takes(100, optional=True)
        scenario.takes(200, rrs=False, body=f"a={theirs}").sends("ACK", number)
    return scenario


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_to_us(tmp_path: Path, transport: str) -> None:
    """SIPp speaks UDP to the proxy: it calls, holds and hangs up."""
    caller = Scenario("caller").invite().takes(100, optional=True).takes(180, optional=True)
    caller.takes(200, rrs=True, Record_Route="sip:127").sends("ACK", 1).pause(200)
    hold_and_back(caller, 2).sends("BYE", 4).takes(200)
    async with place(tmp_path) as here:
        here.app.react = answer
        (port,) = free_ports(1)
        async with playing(tmp_path, caller, port, target=here.host(transport), via=f"127.0.0.1:{here.proxy.port}"):
            pass
        await here.ended("remote_bye")
        assert len(here.app.of("leg.hold")) == len(here.app.of("leg.unhold")) == 1
        assert here.proxy.said(f"initial INVITE from udp to sip:service@{here.host(transport)}")
        assert here.proxy.said("routed BYE from udp")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_from_us(tmp_path: Path, transport: str) -> None:
    """To SIPp, which speaks UDP to the proxy: it holds; we hold and hang up."""
    called = Scenario("called").invited(Record_Route="sip:127").answers(180, tag=TAG).pause(100)
    called.answers(200, description(), tag=TAG, retrans=True).takes("ACK").pause(200)
    hold_and_back(called, 10).takes("INVITE", body="a=sendonly").answers(200, description("recvonly"), retrans=True)
    called.takes("ACK").takes("BYE", Reason="Q.850|SIP|.*").answers(200)
    async with place(tmp_path) as here:
        (port,) = free_ports(1)
        async with playing(tmp_path, called, port):
            leg_id = await here.call(f"sip:service@127.0.0.1:{port}", transport)
            await here.app.wait(lambda: bool(here.app.of("leg.unhold")), 10)
            await trio.sleep(0.1)  # the ACK
            assert (await here.app.api.post(f"/v1/legs/{leg_id}/hold")).status_code == 202
            await here.app.wait(lambda: len(here.app.of("leg.hold")) == 2, 10)
            await here.app.api.delete(f"/v1/legs/{leg_id}")
        await here.ended("api_hangup")
        assert here.proxy.said(f"initial INVITE from {transport} to sip:service@127.0.0.1:{port}")
        assert here.proxy.said(f"routed BYE from {transport} to ")


@pytest.mark.parametrize(("near", "far"), [("udp", "tcp"), ("tcp", "tls"), ("tls", "udp")])
async def test_both_ends_are_ours(tmp_path: Path, near: str, far: str) -> None:
    """Two legs with one Call-ID: each holds and takes back, and the called one hangs up."""
    async with place(tmp_path) as here:
        app = here.app
        app.react = answer
        ours = await here.call(f"sip:service@{here.host(far)}", near)
        await app.wait(lambda: len(app.of("leg.connected")) == 2, 10)
        (theirs,) = [event["leg_id"] for event in app.of("leg.connected") if event["leg_id"] != ours]
        for leg_id in (ours, theirs):
            held, back = len(app.of("leg.hold")), len(app.of("leg.unhold"))
            assert (await app.api.post(f"/v1/legs/{leg_id}/hold")).status_code == 202
            await app.wait(lambda held=held: len(app.of("leg.hold")) == held + 2, 10)  # type: ignore[misc]
            assert (await app.api.delete(f"/v1/legs/{leg_id}/hold")).status_code == 202
            await app.wait(lambda back=back: len(app.of("leg.unhold")) == back + 2, 10)  # type: ignore[misc]
            await trio.sleep(0.1)  # the ACK: before it the other side may not change anything
        await app.api.delete(f"/v1/legs/{theirs}")
        await here.ended("api_hangup", "remote_bye")
        assert here.proxy.said(f"initial INVITE from {near}")
        assert here.proxy.said(f"routed BYE from {far}")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_we_cancel(tmp_path: Path, transport: str) -> None:
    called = Scenario("called").invited().answers(180, tag=TAG).takes("CANCEL").answers(200, tag=TAG)
    called.replies(487, through_proxy=True, retrans=True).takes("ACK")
    async with place(tmp_path) as here:
        (port,) = free_ports(1)
        async with playing(tmp_path, called, port):
            leg_id = await here.call(f"sip:service@127.0.0.1:{port}", transport)
            await trio.sleep(0.5)
            await here.app.api.delete(f"/v1/legs/{leg_id}")
        await here.ended("api_hangup")


async def test_a_caller_cancels(tmp_path: Path) -> None:
    caller = Scenario("caller").invite().takes(100, optional=True).takes(180).pause(100).follows("CANCEL", 1)
    caller.takes(200, optional=True).takes(487).follows("ACK", 1)  # the proxy's 200 to the CANCEL may come later
    async with place(tmp_path) as here:
        here.app.react = ring
        (port,) = free_ports(1)
        async with playing(
            tmp_path, caller, port, target=here.host("tcp"), via=f"127.0.0.1:{here.proxy.port}", seconds=10
        ):
            pass
        await here.ended("caller_cancel")


async def test_it_rings_twice(tmp_path: Path) -> None:
    """The proxy forks: the second phone answers, the first one gets a CANCEL."""
    first = Scenario("first").invited().answers(180, tag=TAG).takes("CANCEL").answers(200, tag=TAG)
    first.replies(487, through_proxy=True, retrans=True).takes("ACK")
    second = Scenario("second").invited().answers(180, tag=f"{TAG}b").pause(300)
    second.answers(200, description(), tag=f"{TAG}b", retrans=True).takes("ACK").takes("BYE").answers(200)
    async with place(tmp_path) as here:
        (port,) = free_ports(1)
        async with playing(tmp_path, first, port), playing(tmp_path, second, here.proxy.second):
            await here.call(f"sip:both@127.0.0.1:{port}", "tcp", max_duration=1)
        await here.ended("max_duration")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_the_proxy_wants_to_know_who_calls(tmp_path: Path, algorithm: str) -> None:
    """Its own arithmetic checks our digest (RFC 7616, RFC 8760), of the INVITE only."""
    called = Scenario("called").invited().answers(200, description(), tag=TAG, retrans=True).takes("ACK")
    called.takes("BYE").answers(200)
    async with place(tmp_path, algorithm) as here:
        (port,) = free_ports(1)
        to, from_ = f"sip:service@127.0.0.1:{port}", "sip:guarded@vb.test"
        async with playing(tmp_path, called, port):
            wrong = {"username": "guarded", "password": "wrong"}
            await here.call(to, "udp", **{"from": from_, "auth": wrong})
            await here.app.wait(lambda: bool(here.app.of("leg.disconnected")), 10)
            right = {"username": "guarded", "password": "secret"}
            await here.call(to, "udp", **{"from": from_, "auth": right}, max_duration=1)
        await here.ended("unauthorized", "max_duration")
