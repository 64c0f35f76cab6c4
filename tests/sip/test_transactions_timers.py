"""Every timer of RFC 3261 Table 4 and RFC 6026, in virtual time, on each transaction alone."""

from __future__ import annotations

from itertools import product
from math import inf

import pytest

from tests.sip.bench import PEER, request
from vb.sip.effects import Hop, Send
from vb.sip.invite_client import InviteClient
from vb.sip.invite_server import InviteServer
from vb.sip.message import Request, Response, make_response, parse_message
from vb.sip.non_invite_client import NonInviteClient
from vb.sip.non_invite_server import NonInviteServer
from vb.sip.timers import DEFAULT_TIMERS, Timer, TimerValues
from vb.sip.transaction import Effect, Input, PassUp, State, Terminated, Transaction

TCP = Hop("TCP", "192.0.2.9", 5060)
INVITE_SCHEDULE = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
NON_INVITE_SCHEDULE = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def parsed(method: str) -> Request:
    message = parse_message(request(method))
    assert isinstance(message, Request)
    return message


def response(status: int, method: str = "INVITE") -> Response:
    return make_response(parsed(method), status, to_tag="x")


def invite_client(hop: Hop = PEER, values: TimerValues = DEFAULT_TIMERS) -> InviteClient:
    return InviteClient("key", b"INVITE", hop, values, lambda response: b"ACK")


def invite_server(hop: Hop = PEER) -> InviteServer:
    return InviteServer("key", parsed("INVITE"), hop, None, DEFAULT_TIMERS)


def non_invite_client(hop: Hop = PEER) -> NonInviteClient:
    return NonInviteClient("key", b"OPTIONS", hop, DEFAULT_TIMERS)


def non_invite_server(hop: Hop = PEER) -> NonInviteServer:
    return NonInviteServer("key", parsed("OPTIONS"), hop, None, DEFAULT_TIMERS)


def play_out(transaction: Transaction, first: list[Effect], now: float = 0.0) -> tuple[list[float], float, str]:
    """When it sent, when it ended, and why, if only time passes."""
    sent = [now for effect in first if isinstance(effect, Send)]
    effects = first
    while transaction.state is not State.TERMINATED:
        now = transaction.timers.next_deadline()
        assert now < inf, "waits for ever"
        effects = transaction.handle_timers(now)
        sent += [now for effect in effects if isinstance(effect, Send)]
    end = effects[-1]
    assert isinstance(end, Terminated)
    assert transaction.timers.next_deadline() == inf
    return sent, now, end.cause


def test_timer_a_and_b() -> None:
    """RFC 3261 §17.1.1.2: A doubles, B ends it."""
    client = invite_client()
    assert play_out(client, client.start(0.0)) == (INVITE_SCHEDULE, 32, "timeout")


def test_timer_b_alone_on_a_reliable_transport() -> None:
    """RFC 3261 §17.1.1.2."""
    client = invite_client(TCP)
    assert play_out(client, client.start(0.0)) == ([0], 32, "timeout")


def test_timers_scale_with_t1() -> None:
    client = invite_client(values=TimerValues(t1=0.1))
    sent, end, _ = play_out(client, client.start(0.0))
    assert sent == pytest.approx([t / 5 for t in INVITE_SCHEDULE])
    assert end == pytest.approx(6.4)


def test_a_provisional_response_stops_a_and_b_for_good() -> None:
    """RFC 3261 §17.1.1.2: no more INVITEs once a 1xx came."""
    client = invite_client()
    client.start(0.0)
    client.receive(response(100), 0.2)
    assert client.timers.next_deadline() == inf
    assert client.state is State.PROCEEDING


def test_timer_d_and_the_ack_of_each_repeated_refusal() -> None:
    """RFC 3261 §17.1.1.2: at least 32 s, and an ACK for each; §17.1.1.3 for the ACK."""
    client = invite_client()
    client.start(0.0)
    refused = response(486)
    assert client.receive(refused, 1.0) == [Send(b"ACK", PEER), PassUp(refused)]
    assert client.receive(refused, 2.0) == [Send(b"ACK", PEER)]
    assert play_out(client, [], 2.0) == ([], 33.0, "normal")


def test_timer_d_is_zero_on_a_reliable_transport() -> None:
    """RFC 3261 §17.1.1.2."""
    client = invite_client(TCP)
    client.start(0.0)
    assert client.receive(response(486), 1.0)[-1] == Terminated("normal")


@pytest.mark.parametrize("hop", [PEER, TCP])
def test_timer_m_passes_up_every_2xx_and_never_acks(hop: Hop) -> None:
    """RFC 6026 §7.2, §8.4."""
    client = invite_client(hop)
    client.start(0.0)
    for at in (1.0, 1.5, 2.5):
        ok = response(200)
        assert client.receive(ok, at) == [PassUp(ok)]
    assert client.receive(response(486), 3.0) == []
    assert play_out(client, [], 3.0) == ([], 33.0, "normal")


def test_timer_e_and_f() -> None:
    """RFC 3261 §17.1.2.2: E doubles up to T2, F ends it."""
    client = non_invite_client()
    assert play_out(client, client.start(0.0)) == (NON_INVITE_SCHEDULE, 32, "timeout")


def test_timer_e_is_t2_after_a_provisional_response() -> None:
    """RFC 3261 §17.1.2.2."""
    client = non_invite_client()
    effects = client.start(0.0)
    client.receive(response(100, "OPTIONS"), 0.1)
    sent, end, cause = play_out(client, effects)
    assert sent == [0, 0.5, *[4.5 + 4 * n for n in range(7)]]
    assert (end, cause) == (32, "timeout")


def test_timer_f_alone_on_a_reliable_transport() -> None:
    """RFC 3261 §17.1.2.2."""
    client = non_invite_client(TCP)
    assert play_out(client, client.start(0.0)) == ([0], 32, "timeout")


def test_timer_k() -> None:
    """RFC 3261 §17.1.2.2: repeated responses are absorbed."""
    client = non_invite_client()
    client.start(0.0)
    ok = response(200, "OPTIONS")
    assert client.receive(ok, 1.0) == [PassUp(ok)]
    assert client.receive(ok, 2.0) == []
    assert play_out(client, [], 2.0) == ([], 6.0, "normal")
    client = non_invite_client(TCP)
    client.start(0.0)
    assert client.receive(ok, 1.0) == [PassUp(ok), Terminated("normal")]


def test_timer_g_and_h() -> None:
    """RFC 3261 §17.2.1: G doubles up to T2, H gives up."""
    server = invite_server()
    sent, end, cause = play_out(server, server.respond(response(486), 0.0))
    assert sent == NON_INVITE_SCHEDULE
    assert (end, cause) == (32, "timeout")


def test_timer_h_alone_on_a_reliable_transport() -> None:
    """RFC 3261 §17.2.1."""
    server = invite_server(TCP)
    assert play_out(server, server.respond(response(486), 0.0)) == ([0], 32, "timeout")


def test_timer_i() -> None:
    """RFC 3261 §17.2.1: repeated ACKs are absorbed."""
    server = invite_server()
    server.respond(response(486), 0.0)
    ack = parsed("ACK")
    assert server.receive_request(ack, 1.0) == []
    assert server.receive_request(ack, 2.0) == []
    assert play_out(server, [], 2.0) == ([], 6.0, "normal")
    server = invite_server(TCP)
    server.respond(response(486), 0.0)
    assert server.receive_request(ack, 1.0) == [Terminated("normal")]


@pytest.mark.parametrize("hop", [PEER, TCP])
def test_timer_l_absorbs_invites_and_passes_acks_up(hop: Hop) -> None:
    """RFC 6026 §7.1, §8.5."""
    server = invite_server(hop)
    server.respond(response(200), 0.0)
    assert server.receive_request(parsed("INVITE"), 1.0) == []
    ack = parsed("ACK")
    assert server.receive_request(ack, 2.0) == [PassUp(ack)]
    assert play_out(server, [], 2.0) == ([], 32.0, "normal")


def test_a_repeated_invite_gets_the_last_provisional_response() -> None:
    """RFC 3261 §17.2.1."""
    server = invite_server()
    assert server.receive_request(parsed("INVITE"), 0.0) == []
    server.respond(response(100), 0.0)
    ringing = response(180)
    server.respond(ringing, 1.0)
    assert server.receive_request(parsed("INVITE"), 2.0) == [Send(ringing.to_bytes(), PEER)]


def test_timer_j() -> None:
    """RFC 3261 §17.2.2: the response is repeated for repeated requests."""
    server = non_invite_server()
    ok = response(200, "OPTIONS")
    assert server.receive_request(parsed("OPTIONS"), 0.0) == []
    server.respond(ok, 1.0)
    assert server.receive_request(parsed("OPTIONS"), 2.0) == [Send(ok.to_bytes(), PEER)]
    assert server.respond(response(500, "OPTIONS"), 3.0) == []
    assert play_out(server, [], 3.0) == ([], 33.0, "normal")
    server = non_invite_server(TCP)
    assert server.respond(ok, 1.0) == [Send(ok.to_bytes(), TCP), Terminated("normal")]


def test_a_transport_error_ends_clients_that_still_send() -> None:
    """RFC 3261 §17.1.4."""
    for client in (invite_client(TCP), non_invite_client(TCP)):
        client.start(0.0)
        assert client.transport_error(0.1) == [Terminated("transport")]
        assert client.timers.next_deadline() == inf


def test_a_lost_connection_moves_a_response_to_the_address_of_the_via() -> None:
    """RFC 3261 §17.2.4, §18.2.2."""
    fallback = Hop("TCP", "192.0.2.9", 5062)
    server = InviteServer("key", parsed("INVITE"), TCP, fallback, DEFAULT_TIMERS)
    refused = response(486)
    server.respond(refused, 0.0)
    assert server.transport_error(0.1) == [Send(refused.to_bytes(), fallback)]
    assert server.transport_error(0.2) == [Terminated("transport")]


REACHABLE = {
    InviteClient: (State.CALLING, State.PROCEEDING, State.COMPLETED, State.ACCEPTED, State.TERMINATED),
    InviteServer: (State.PROCEEDING, State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED),
    NonInviteClient: (State.TRYING, State.PROCEEDING, State.COMPLETED, State.TERMINATED),
    NonInviteServer: (State.TRYING, State.PROCEEDING, State.COMPLETED, State.TERMINATED),
}
RESPONSES = (Input.PROVISIONAL, Input.SUCCESS, Input.REFUSAL)
INPUTS = {
    InviteClient: (*RESPONSES, Input.TRANSPORT_ERROR, Timer.A, Timer.B, Timer.D, Timer.M),
    InviteServer: (
        *RESPONSES,
        Input.REQUEST,
        Input.ACK,
        Input.TRANSPORT_ERROR,
        Timer.G,
        Timer.H,
        Timer.I,
        Timer.L,
    ),
    NonInviteClient: (*RESPONSES, Input.TRANSPORT_ERROR, Timer.E, Timer.F, Timer.K),
    NonInviteServer: (*RESPONSES, Input.REQUEST, Input.TRANSPORT_ERROR, Timer.J),
}


@pytest.mark.parametrize("kind", REACHABLE, ids=lambda kind: kind.__name__)
def test_the_tables_are_total(kind: type[Transaction]) -> None:
    assert set(kind.table) == set(product(REACHABLE[kind], INPUTS[kind]))  # type: ignore[index]
