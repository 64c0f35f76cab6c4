"""Two servers in this process call each other over the transports that need more than a socket."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
from trio_websocket import open_websocket

from tests.net.certificates import Authority
from tests.test_app import free_port, serving, settings
from vb.app import StartError
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.message import Request, Response, make_response, parse_message

pytestmark = pytest.mark.realtime


@pytest.mark.parametrize("form", ["sips:bob@127.0.0.1:{}", "sip:bob@127.0.0.1:{};transport=tls"])
@pytest.mark.parametrize("who_hangs_up", ["caller", "callee"])
async def test_a_call_over_tls(tmp_path: Path, form: str, who_hangs_up: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("127.0.0.1")
    ours = settings(tmp_path, SIP_PORT="0", SIP_TLS_PORT="0", SIP_TLS_CERT=certificate, SIP_TLS_KEY=key)
    theirs = settings(tmp_path, SIP_PORT="0", SIP_TLS_CA_FILE=authority.path)
    async with serving(ours) as callee, serving(theirs) as caller:
        port = callee.app.sip_ports["TLS"]
        out = caller.app.sip.create_outbound(OutboundRequest(to=form.format(port)))
        await callee.wait_for("leg.ringing")
        (leg,) = callee.app.legs.all()
        leg.answer()
        await callee.wait_for("leg.connected")
        await caller.wait_for("leg.connected")
        (out if who_hangs_up == "caller" else leg).hangup()
        for server in (caller, callee):
            await server.wait_for("leg.disconnected")
        await trio.sleep(0.05)
        for server in (caller, callee):
            assert server.app.endpoint.statistics().sends_failed == 0
            assert server.app.endpoint.statistics().open_connections == 1
            assert server.app.endpoint.statistics().datagrams_out == 0


@pytest.mark.parametrize("tcp", ["true", "false"])
async def test_a_large_invite_goes_by_tcp_where_the_peer_has_it(tmp_path: Path, tcp: str) -> None:
    """RFC 3261 §18.1.1."""
    port = free_port()
    ours = settings(tmp_path, SIP_PORT=str(port), SIP_TCP_ENABLED=tcp)
    async with serving(ours) as callee, serving(settings(tmp_path, SIP_PORT="0")) as caller:
        headers = {f"X-Long-{number}": "x" * 500 for number in range(3)}
        out = caller.app.sip.create_outbound(OutboundRequest(to=f"sip:bob@127.0.0.1:{port}", headers=headers))
        await callee.wait_for("leg.ringing")
        (leg,) = callee.app.legs.all()
        leg.answer()
        await caller.wait_for("leg.connected")
        out.hangup()
        await callee.wait_for("leg.disconnected")
        assert callee.app.endpoint.statistics().open_connections == (1 if tcp == "true" else 0)


SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def from_browser(method: str, branch: str, to: str, body: str = "") -> str:
    """A request as a client in a browser sends it (RFC 7118 §8.1): it knows no address of its own."""
    lines = [
        f"{method} sip:service@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        "From: <sip:alice@example.com>;tag=alice",
        f"To: {to}",
        "Call-ID: browser-1",
        f"CSeq: 1 {method}",
        "Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>",
        *(["Content-Type: application/sdp"] if body else []),
        "",
        body,
    ]
    return "\r\n".join(lines)


@pytest.mark.parametrize("transport", ["WS", "WSS"])
async def test_a_call_from_a_browser(tmp_path: Path, transport: str) -> None:
    """Responses and requests of the dialog come back over the connection of the INVITE."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost")
    tls = {"SIP_TLS_CERT": certificate, "SIP_TLS_KEY": key}
    config = settings(tmp_path, SIP_PORT="0", SIP_WS_PORT="0", SIP_WSS_PORT="0", **tls)
    trust = ssl.create_default_context(cafile=authority.path) if transport == "WSS" else False
    async with serving(config) as server:
        port = server.app.sip_ports[transport]
        async with open_websocket("localhost", port, "/", use_ssl=trust, subprotocols=["sip"]) as socket:
            await socket.send_message(from_browser("INVITE", "1", "<sip:service@127.0.0.1>", SDP))
            assert str(await socket.get_message()).startswith("SIP/2.0 100 ")
            await server.wait_for("leg.ringing")
            (leg,) = server.app.legs.all()
            leg.answer()
            answer = parse_message(str(await socket.get_message()).encode())
            assert isinstance(answer, Response)
            assert answer.status == 200
            assert str(answer.contacts[0].uri) == f"sip:127.0.0.1:{port};transport=ws"
            await socket.send_message(from_browser("ACK", "2", str(answer.to)))
            await server.wait_for("leg.connected")
            leg.hangup()
            bye = parse_message(str(await socket.get_message()).encode())
            assert isinstance(bye, Request)
            assert (bye.method, str(bye.uri)) == ("BYE", "sip:alice@df7jal23ls0d.invalid;transport=ws")
            assert bye.via.transport == transport
            await socket.send_message(make_response(bye, 200).to_bytes().decode())
            await server.wait_for("leg.disconnected")
        assert server.app.endpoint.statistics().sends_failed == 0


async def test_a_certificate_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    config = settings(tmp_path, SIP_TLS_PORT="0", SIP_TLS_CERT="/no/such.pem", SIP_TLS_KEY="/no/such.key")
    with pytest.raises(StartError, match=r'^SIP_TLS_CERT="/no/such.pem" cannot be used'):
        async with serving(config):
            raise AssertionError("it started")
