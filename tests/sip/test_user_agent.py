"""The UA core: what it refuses and how (RFC 3261 §8.2), where responses go (§18.2), limits, requests of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.bench import PEER, Bench, agent, request
from vb.sip.effects import Hop, InviteReceived, RequestFailed, RequestReceived, ResponseReceived
from vb.sip.errors import LocalError, RemoteError
from vb.sip.fields import parse_name_addr
from vb.sip.message import Request, Response, make_response
from vb.sip.uri import parse_uri

DATA = Path(__file__).parent.parent / "data"
TAGGED = "<sip:vb@192.0.2.1>;tag=nobody"


def only(responses: list[Response]) -> Response:
    [response] = responses
    return response


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", 200),
        ("REGISTER", 403),
        ("BYE", 481),
        ("UPDATE", 481),
        ("CANCEL", 481),
        ("NOTIFY", 481),
        ("REFER", 400),
        ("INFO", 405),
        ("MESSAGE", 405),
        ("SUBSCRIBE", 489),
        ("PUBLISH", 405),
        ("PRACK", 405),
        ("DANCE", 405),
        ("invite", 405),
    ],
)
def test_requests_outside_dialogs(method: str, status: int) -> None:
    bench = Bench()
    response = only(bench.receive(request(method)))
    assert response.status == status
    assert response.headers.values("Allow") == [
        "INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "REFER", "NOTIFY", "OPTIONS", "REGISTER",
    ]  # fmt: skip
    assert response.to.tag
    assert bench.events == []
    bench.advance(60)
    assert bench.is_empty()


@pytest.mark.parametrize("method", ["INVITE", "BYE", "UPDATE", "NOTIFY", "REFER"])
def test_dialogs_that_we_do_not_have(method: str) -> None:
    assert only(Bench().receive(request(method, "Refer-To: <sip:a@b>", to=TAGGED))).status == 481


def test_options_tells_what_we_can() -> None:
    """§11.2."""
    response = only(Bench(supported=("timer",)).receive(request("OPTIONS")))
    assert response.headers.values("Accept") == ["application/sdp", "multipart/mixed"]
    assert response.headers.values("Supported") == ["timer"]
    assert response.headers.get("Contact") == "<sip:vb@192.0.2.1:5060>"
    assert response.headers.get("Server") == "voiceblender"


def test_extensions() -> None:
    """§8.2.2.3."""
    bench = Bench(supported=("timer",))
    response = only(bench.receive(request("INVITE", "Require: timer, foo", "Require: bar")))
    assert (response.status, response.headers.values("Unsupported")) == (420, ["foo", "bar"])
    assert [r.status for r in bench.receive(request("INVITE", "Require: timer", call_id="2", branch="z9hG4bK2"))] == [
        100
    ]


@pytest.mark.parametrize(
    ("lines", "content_type", "status"),
    [
        ((), "application/sdp", 100),
        ((), "APPLICATION/SDP;charset=utf-8", 100),
        ((), "text/plain", 415),
        ((), "", 400),
        (("Content-Disposition: session;handling=optional",), "text/plain", 100),
        (("Content-Encoding: gzip",), "application/sdp", 415),
        (("Accept: application/sdp",), "application/sdp", 100),
        (("Accept: application/*;q=0.5",), "application/sdp", 100),
        (("Accept: */*",), "application/sdp", 100),
        (("Accept: text/plain",), "application/sdp", 406),
    ],
)
def test_bodies(lines: tuple[str, ...], content_type: str, status: int) -> None:
    """§8.2.3."""
    response = only(Bench().receive(request("INVITE", *lines, body="v=0\r\n", content_type=content_type)))
    assert response.status == status
    if status == 415:
        assert response.headers.values("Accept") == ["application/sdp", "multipart/mixed"]


@pytest.mark.parametrize(
    ("uri", "status"),
    [("sip:x@192.0.2.1", 100), ("sips:x@192.0.2.1", 100), ("tel:+123", 416), ("http://x", 416), ("<sip:x@y>", 400)],
)
def test_request_uris(uri: str, status: int) -> None:
    assert only(Bench().receive(request("INVITE", uri=uri))).status == status


def test_another_version() -> None:
    assert only(Bench().receive(request().replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"))).status == 505


def test_max_forwards_zero_is_for_us() -> None:
    """§16.3: only a proxy refuses it with 483."""
    data = request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    assert only(Bench().receive(data)).status == 200


def test_merged_requests() -> None:
    """§8.2.2.2: the same request over another path."""
    bench = Bench()
    bench.receive(request())
    assert only(bench.receive(request())).status == 100  # a retransmission is none
    assert only(bench.receive(request(branch="z9hG4bKtwo"))).status == 482
    assert [r.status for r in bench.receive(request(branch="z9hG4bKthree", cseq=2))] == [100]
    assert len(bench.of(InviteReceived)) == 2


def test_retransmissions_get_the_same_answer() -> None:
    bench = Bench()
    first = only(bench.receive(request("OPTIONS")))
    assert only(bench.receive(request("OPTIONS"))) == first
    assert bench.agent.statistics().retransmitted == 1


def test_requests_of_rfc_2543_are_matched() -> None:
    """§17.2.3: branches without the cookie."""
    bench = Bench()
    for _ in range(2):
        assert [r.status for r in bench.receive(request(branch="1"))] == [100]
    assert [r.status for r in bench.receive(request(branch="1", call_id="2"))] == [100]
    [one, two] = bench.of(InviteReceived)
    assert isinstance(one, InviteReceived)
    one.session.reject(bench.now, 486)
    bench.drain()
    tag = one.session.local_tag
    bench.receive(request("ACK", branch="1", to=f"<sip:vb@192.0.2.1>;tag={tag}"))
    bench.advance(10)
    assert bench.statuses.count(486) == 1
    assert two is not one


def test_requests_of_rfc_2543_are_matched_behind_a_nat_too() -> None:
    """The Via is compared as it came, without our `received`."""
    bench = Bench()
    data = request(branch="1", via="SIP/2.0/UDP 10.1.1.1;rport")
    for _ in range(2):
        assert [r.status for r in bench.receive(data)] == [100]
    cancel = request("CANCEL", branch="1", via="SIP/2.0/UDP 10.1.1.1;rport")
    assert [r.status for r in bench.receive(cancel)] == [200, 487]
    assert len(bench.of(InviteReceived)) == 1


def test_stateless_refusals_are_the_same_each_time() -> None:
    """§8.2.7."""
    bench = Bench(max_transactions=1)
    bench.receive(request("OPTIONS"))
    one, two = [only(bench.receive(request("OPTIONS", branch="z9hG4bKtwo"))) for _ in range(2)]
    assert one.status == 503
    assert one == two


@pytest.mark.parametrize(
    ("via", "source", "target", "received", "rport"),
    [
        ("SIP/2.0/UDP 192.0.2.9:5060", PEER, PEER, None, None),
        ("SIP/2.0/UDP 192.0.2.9", PEER, PEER, None, None),
        ("SIP/2.0/UDP 192.0.2.9:5088", PEER, Hop("UDP", "192.0.2.9", 5088), None, None),
        ("SIP/2.0/UDP phone.local:5088", PEER, Hop("UDP", "192.0.2.9", 5088), "192.0.2.9", None),
        ("SIP/2.0/UDP 10.1.1.1:5088;rport", Hop("UDP", "1.2.3.4", 999), Hop("UDP", "1.2.3.4", 999), "1.2.3.4", 999),
        ("SIP/2.0/UDP 192.0.2.9:5060;rport", PEER, PEER, "192.0.2.9", 5060),
        ("SIP/2.0/UDP 10.1.1.1;received=6.6.6.6", PEER, PEER, "192.0.2.9", None),
        ("SIP/2.0/UDP 10.1.1.1;maddr=224.2.0.1;ttl=1", PEER, Hop("UDP", "224.2.0.1", 5060), "192.0.2.9", None),
        ("SIP/2.0/TCP 10.1.1.1", Hop("TCP", "1.2.3.4", 999, 7), Hop("TCP", "1.2.3.4", 999, 7), "1.2.3.4", None),
        (
            "SIP/2.0/UDP [2001:db8::9]",
            Hop("UDP", "2001:db8::a", 9),
            Hop("UDP", "2001:db8::a", 5060),
            "2001:db8::a",
            None,
        ),
    ],
)
def test_where_responses_go(via: str, source: Hop, target: Hop, received: str | None, rport: int | None) -> None:
    """§18.2.1, §18.2.2, RFC 3581."""
    bench = Bench()
    response = only(bench.receive(request("OPTIONS", via=via), source))
    assert bench.sent[-1][2] == target
    assert (response.via.received, response.via.rport) == (received, rport)
    assert response.via.branch == "z9hG4bKone"


def test_only_the_top_via_is_touched() -> None:
    data = request("OPTIONS", "Via: SIP/2.0/UDP c;branch=3", via="SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;x=2")
    response = only(Bench().receive(data))
    assert [via.host for via in response.vias] == ["a", "b", "c"]
    assert [via.received for via in response.vias] == ["192.0.2.9", None, None]


def test_a_lost_connection_is_replaced_once() -> None:
    """§18.2.2: to the address of the source, at the port of the Via."""
    bench = Bench()
    source = Hop("TCP", "192.0.2.9", 41000, 7)
    bench.receive(request(via="SIP/2.0/TCP phone.local:5088"), source)
    [event] = bench.of(InviteReceived)
    assert isinstance(event, InviteReceived)
    event.session.accept(bench.now, b"v=0\r\n")
    bench.drain()
    bench.agent.transport_failed(source, bench.now)
    bench.drain()
    assert bench.sent[-1][2] == Hop("TCP", "192.0.2.9", 5088)
    assert bench.sent[-1][1].startswith(b"SIP/2.0 200")


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\0\0\0\0", b"\r\n"])
def test_keep_alives_are_no_messages(data: bytes) -> None:
    bench = Bench()
    assert bench.receive(data) == []
    assert bench.agent.statistics().received == 0


def test_a_malformed_ack_is_never_answered() -> None:
    bench = Bench()
    assert bench.receive(request("ACK").replace(b"CSeq: 1", b"CSeq: x")) == []
    assert bench.receive(request("ACK")) == []
    assert bench.agent.statistics().dropped == {"malformed": 1, "ack": 1}


def test_a_stream_that_cannot_be_framed_is_answered() -> None:
    bench = Bench()
    source = Hop("TCP", "192.0.2.9", 41000, 7)
    bench.agent.reject_stream(request("OPTIONS"), RemoteError(413, "message too large"), source, bench.now)
    [response] = bench.drain()
    assert isinstance(response, Response)
    assert (response.status, bench.sent[-1][2]) == (413, source)


def test_too_many_sessions() -> None:
    bench = Bench(max_sessions=1, retry_after=9)
    bench.receive(request())
    response = only(bench.receive(request(branch="z9hG4bKtwo", call_id="2")))
    assert (response.status, response.headers.get("Retry-After")) == (503, "9")
    [event] = bench.of(InviteReceived)
    assert isinstance(event, InviteReceived)
    event.session.reject(bench.now, 486)
    bench.drain()
    assert [r.status for r in bench.receive(request(branch="z9hG4bKthree", call_id="3"))] == [100]


def test_too_many_transactions_are_refused_without_state() -> None:
    bench = Bench(max_transactions=3)
    statuses = [only(bench.receive(request("OPTIONS", branch=f"z9hG4bK{n}", cseq=n))).status for n in range(1, 10)]
    assert statuses == [200] * 3 + [503] * 6
    assert bench.agent.statistics().non_invite_servers == 3
    assert bench.agent.statistics().dropped == {"overload": 6}


def options(bench: Bench, hop: Hop | None = None) -> Request:
    bench.agent.request(
        "OPTIONS",
        target=parse_uri("sip:192.0.2.9"),
        hop=hop,
        from_=parse_name_addr("<sip:vb@192.0.2.1>"),
        to=parse_name_addr("<sip:192.0.2.9>"),
        now=bench.now,
    )
    [sent] = bench.drain()
    assert isinstance(sent, Request)
    return sent


def test_a_request_of_ours_and_its_answer() -> None:
    bench = Bench()
    sent = options(bench)
    for status in (100, 200, 200):
        bench.receive(make_response(sent, status, to_tag="x").to_bytes())
    assert [e.response.status for e in bench.of(ResponseReceived) if isinstance(e, ResponseReceived)] == [100, 200]
    bench.advance(10)
    assert bench.of(RequestFailed) == []
    assert bench.is_empty()


def test_a_request_of_ours_without_an_answer() -> None:
    bench = Bench()
    options(bench)
    bench.advance(40)
    [event] = bench.of(RequestFailed)
    assert isinstance(event, RequestFailed)
    assert event.cause == "timeout"
    hop = Hop("TCP", "192.0.2.9", 5060)
    options(bench, hop)
    bench.agent.transport_failed(hop, bench.now)
    bench.drain()
    assert [e.cause for e in bench.of(RequestFailed) if isinstance(e, RequestFailed)] == ["timeout", "transport"]
    assert bench.is_empty()


def test_responses_that_are_not_ours() -> None:
    """§8.1.3.3: more than one Via; §18.1.2: no transaction."""
    bench = Bench()
    sent = options(bench)
    response = make_response(sent, 200, to_tag="x")
    response.headers.add("Via", "SIP/2.0/UDP other;branch=z9hG4bKx")
    bench.receive(response.to_bytes())
    bench.receive(make_response(sent, 200).to_bytes().replace(b"branch=z9hG4bK", b"branch=z9hG4bKz"))
    assert bench.of(ResponseReceived) == []
    assert sum(bench.agent.statistics().dropped.values()) == 2


def test_invite_ack_and_cancel_are_no_requests_of_their_own() -> None:
    for method in ("INVITE", "ACK", "CANCEL"):
        with pytest.raises(LocalError):
            agent().request(
                method,
                target=parse_uri("sip:a"),
                from_=parse_name_addr("<sip:a>"),
                to=parse_name_addr("<sip:a>"),
                now=0.0,
            )


def test_a_request_that_was_handed_up_is_answered_once() -> None:
    bench = Bench(handed_up=frozenset({"MESSAGE"}))
    assert bench.receive(request("MESSAGE", body="hi", content_type="text/plain")) == []
    [event] = bench.of(RequestReceived)
    assert isinstance(event, RequestReceived)
    bench.agent.respond(event, bench.now, 202)
    with pytest.raises(LocalError):
        bench.agent.respond(event, bench.now, 200)
    assert bench.statuses == []
    bench.drain()
    assert bench.statuses == [202]


@pytest.mark.parametrize("path", sorted((DATA / "rfc5118").glob("*.dat")), ids=lambda path: path.stem)
def test_ipv6_torture_is_answered_or_dropped(path: Path) -> None:
    """RFC 5118."""
    bench = Bench()
    before = bench.agent.statistics()
    bench.receive(path.read_bytes(), Hop("UDP", "2001:db8::bad", 5060))
    after = bench.agent.statistics()
    assert len(bench.statuses) + sum(after.dropped.values()) > 0
    assert after.received == before.received + 1


def test_a_second_try_of_a_call() -> None:
    """§8.1.3.5."""
    bench = Bench()
    me, to = parse_name_addr("<sip:vb@192.0.2.1>;tag=mine"), parse_name_addr("<sip:peer@192.0.2.9>")
    bench.agent.invite(
        target=parse_uri("sip:peer@192.0.2.9"), from_=me, to=to, now=0.0, cseq=8, call_id="same", body=b"v=0\r\n"
    )
    [invite] = bench.drain()
    assert isinstance(invite, Request)
    assert (invite.cseq.number, invite.call_id, invite.from_.tag) == (8, "same", "mine")


VALID = [
    request(),
    request("BYE"),
    request("OPTIONS"),
    request("CANCEL"),
    request("ACK"),
    request("REFER", "Refer-To: <x>"),
]


@given(st.sampled_from(VALID), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=6)), max_size=6))
def test_no_bytes_raise(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    bench = Bench()
    options(bench)
    for at, new in changes:
        data = data[:at] + new + data[at + len(new) :]
    bench.agent.receive(data, PEER, 0.0)
    bench.agent.reject_stream(data, RemoteError(400, "bad"), Hop("TCP", "192.0.2.9", 1, 1), 0.0)
    bench.agent.take_sends()


@given(st.binary(max_size=200))
def test_no_noise_raises(data: bytes) -> None:
    bench = Bench()
    bench.agent.receive(data, PEER, 0.0)
    bench.agent.receive(b"SIP/2.0 " + data, PEER, 0.0)
    assert bench.agent.take_events() == []


@pytest.mark.parametrize(
    ("hop", "needed"),
    [
        (Hop("TLS", "192.0.2.9", 40000, 7), True),
        (Hop("TLS", "192.0.2.9", 40000, 8), True),  # another connection to the same place
        (Hop("TLS", "192.0.2.9", 40001, 8), False),
        (Hop("TCP", "192.0.2.9", 40000, 8), False),
    ],
)
def test_connections_of_dialogs_are_needed(hop: Hop, needed: bool) -> None:
    bench = Bench()
    source = Hop("TLS", "192.0.2.9", 40000, 7)
    bench.receive(request(via="SIP/2.0/TLS 192.0.2.9", body="v=0\r\n"), source)
    assert bench.agent.needs(hop) is needed
    bench.of(InviteReceived)[0].session.reject(bench.now, 486)  # type: ignore[union-attr]
    bench.advance(64)
    assert not bench.agent.needs(source)
