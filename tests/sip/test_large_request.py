"""Requests of ours beyond 1300 octets: by TCP, and by UDP after all where there is no TCP (RFC 3261 §18.1.1)."""

from __future__ import annotations

import attrs
import pytest

from tests.sip.bench import PEER, Bench
from vb.sip.effects import Hop, InviteFailed, RefusalReceived, RequestFailed
from vb.sip.fields import parse_name_addr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Request, make_response
from vb.sip.uri import parse_uri

STREAM = attrs.evolve(PEER, transport="TCP")
US, THEM = parse_name_addr("<sip:vb@192.0.2.1>"), parse_name_addr("<sip:peer@192.0.2.9>")


def call(bench: Bench, size: int) -> InviteClientSession:
    target = parse_uri("sip:peer@192.0.2.9")
    return bench.agent.invite(target=target, from_=US, to=THEM, now=bench.now, body=b"x" * size)


def sent(bench: Bench) -> list[tuple[str, str, Hop]]:
    """Method, transport of the Via, and hop of what has just been sent."""
    messages = bench.drain()
    hops = [hop for _, _, hop in bench.sent[-len(messages) :]]
    requests = [message for message in messages if isinstance(message, Request)]
    return [(request.method, request.via.transport, hop) for request, hop in zip(requests, hops, strict=True)]


@pytest.mark.parametrize(("limit", "size", "hop"), [(1300, 100, PEER), (1300, 1300, STREAM), (0, 60_000, PEER)])
def test_which_transport(limit: int, size: int, hop: Hop) -> None:
    bench = Bench(largest_datagram=limit)
    call(bench, size)
    assert sent(bench) == [("INVITE", hop.transport, hop)]


def test_who_is_known_by_datagrams_gets_datagrams() -> None:
    bench = Bench(largest_datagram=1300)
    flow = attrs.evolve(PEER, local=("192.0.2.1", 5060))
    target = parse_uri("sip:peer@192.0.2.9")
    bench.agent.invite(target=target, hop=flow, from_=US, to=THEM, now=bench.now, body=b"x" * 1300)
    assert sent(bench) == [("INVITE", "UDP", flow)]


def test_a_whole_call_attempt_over_tcp() -> None:
    bench = Bench(largest_datagram=1300)
    session = call(bench, 1300)
    bench.drain()
    assert bench.advance(2) == [], "nothing is repeated"
    bench.receive(make_response(session.request, 180, to_tag="t").to_bytes(), attrs.evolve(STREAM, connection=3))
    session.cancel(bench.now)
    assert sent(bench) == [("CANCEL", "TCP", STREAM)]  # §9.1: the same way
    bench.agent.receive(make_response(session.request, 487, to_tag="t").to_bytes(), STREAM, bench.now)
    assert sent(bench) == [("ACK", "TCP", STREAM)]  # §17.1.1.3: the Via of the INVITE
    assert len(bench.of(RefusalReceived)) == 1


def test_without_tcp_it_is_udp_after_all() -> None:
    bench = Bench(largest_datagram=1300)
    session = call(bench, 1300)
    bench.drain()
    bench.agent.transport_failed(STREAM, bench.now)
    assert sent(bench) == [("INVITE", "UDP", PEER)]
    assert session.request.via.transport == "UDP"
    assert len(bench.advance(0.5)) == 1, "and repeated, as over UDP"
    bench.agent.transport_failed(PEER, bench.now)
    bench.drain()
    assert [event.cause for event in bench.of(InviteFailed)] == ["transport"]  # type: ignore[union-attr]
    assert bench.is_empty()


def test_requests_outside_calls_too() -> None:
    bench = Bench(largest_datagram=1300)
    bench.agent.request("MESSAGE", target=parse_uri("sip:peer@192.0.2.9"), from_=US, to=THEM, now=0.0, body=b"x" * 1300)
    assert sent(bench) == [("MESSAGE", "TCP", STREAM)]
    bench.agent.transport_failed(STREAM, bench.now)
    assert sent(bench) == [("MESSAGE", "UDP", PEER)]
    bench.agent.transport_failed(PEER, bench.now)
    bench.drain()
    assert len(bench.of(RequestFailed)) == 1
    assert bench.is_empty()
