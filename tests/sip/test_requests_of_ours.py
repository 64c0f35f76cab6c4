"""What RFC 3261 §8.1 wants of every request, and §8.2 of every answer, looked at field by field."""

from __future__ import annotations

import pytest

from tests.sip.bench import PEER, Bench, request
from vb.sip.config import ALLOW
from vb.sip.effects import Hop, InviteReceived, RefusalReceived, RequestFailed, ResponseReceived
from vb.sip.fields import parse_name_addr
from vb.sip.message import Request, Response, make_response
from vb.sip.uri import parse_uri


def sent(bench: Bench, **options: object) -> Request:
    values: dict[str, object] = {
        "target": parse_uri("sip:peer@192.0.2.9"),
        "from_": parse_name_addr("<sip:vb@192.0.2.1>"),
        "to": parse_name_addr("<sip:somebody@example.com>"),
        "now": bench.now,
    }
    bench.agent.request("OPTIONS", **(values | options))  # type: ignore[arg-type]
    [message] = bench.drain()
    assert isinstance(message, Request)
    return message


def test_the_fields_of_a_request_outside_a_dialog() -> None:
    """§8.1.1, §8.1.1.2, §8.1.1.3: no To tag, a From tag; §8.1.1.5: the CSeq method is that of the request."""
    options = sent(Bench())
    assert options.to.tag is None
    assert options.from_.tag
    assert options.cseq.method == options.method == "OPTIONS"
    assert 0 < options.cseq.number < 2**31
    assert options.max_forwards == 70  # §8.1.1.6


def test_the_request_uri_is_the_target_whatever_the_to_says() -> None:
    """§8.1.1.1, §8.1.1.2."""
    options = sent(Bench())
    assert (str(options.uri), str(options.to.uri)) == ("sip:peer@192.0.2.9", "sip:somebody@example.com")


def test_call_ids_and_branches_are_never_the_same() -> None:
    """§8.1.1.4, §8.1.1.7: unique in space and time, the branch with its cookie."""
    bench = Bench()
    requests = [sent(bench) for _ in range(200)]
    assert len({each.call_id for each in requests}) == len({each.via.branch for each in requests}) == 200
    assert len({each.from_.tag for each in requests}) == 200
    assert all((each.via.branch or "").startswith("z9hG4bK") for each in requests)


@pytest.mark.parametrize(
    ("target", "routes", "uri", "values", "host"),
    [
        ("sip:peer@192.0.2.9", (), "sip:peer@192.0.2.9", [], "192.0.2.9"),
        ("sip:p@192.0.2.9", ("<sip:192.0.2.50;lr>",), "sip:p@192.0.2.9", ["<sip:192.0.2.50;lr>"], "192.0.2.50"),
        ("sip:p@192.0.2.9", ("<sip:192.0.2.50>",), "sip:192.0.2.50", ["<sip:p@192.0.2.9>"], "192.0.2.50"),
    ],
)
def test_where_a_request_goes(target: str, routes: tuple[str, ...], uri: str, values: list[str], host: str) -> None:
    """§8.1.2: by the first Route, or by the Request-URI; a strict router takes the place of the latter."""
    bench = Bench()
    options = sent(bench, target=parse_uri(target), routes=[parse_name_addr(route) for route in routes])
    assert str(options.uri) == uri
    assert options.headers.values("Route") == values
    assert bench.sent[-1][2].host == host


def test_what_an_invite_requires_and_supports() -> None:
    """§8.1.1.9, §13.2.1: Supported names what we can, Require only what we insist on."""
    bench = Bench(supported=("100rel", "timer"))
    bench.agent.invite(
        target=parse_uri("sip:peer@192.0.2.9"),
        from_=parse_name_addr("<sip:vb@192.0.2.1>"),
        to=parse_name_addr("<sip:peer@192.0.2.9>"),
        now=0.0,
    )
    [invite] = bench.drain()
    assert invite.supported == ("100rel", "timer")
    assert invite.require == ()


@pytest.mark.parametrize(("status", "known"), [(199, 183), (299, 200), (499, 400), (599, 500), (699, 600)])
def test_statuses_that_nobody_knows_count_as_those_of_their_class(status: int, known: int) -> None:
    """§8.1.3.2."""
    ends = []
    for each in (status, known):
        bench = Bench()
        options = sent(bench)
        bench.agent.receive(make_response(options, each, to_tag="peer").to_bytes(), PEER, bench.now)
        bench.advance(100)
        ends.append([type(event) for event in bench.events])
        assert bench.is_empty()
    final = [ResponseReceived] if status >= 200 else [ResponseReceived, RequestFailed]
    assert ends == [final, final]


def test_a_provisional_response_has_no_tag_when_it_is_a_100() -> None:
    """§8.2.6.1, §8.2.6.2: no other response is without."""
    bench = Bench()
    [trying] = bench.receive(request("INVITE", "Timestamp: 12"))
    assert (trying.status, trying.to.tag, trying.headers.get("Timestamp")) == (100, None, "12")
    [event] = [event for event in bench.events if isinstance(event, InviteReceived)]
    event.session.provisional(bench.now)
    [ringing] = bench.drain()
    assert ringing.to.tag


def test_no_other_method_gets_a_provisional_response_of_ours() -> None:
    """§8.2.6.1: not for anything but INVITE."""
    bench = Bench(handed_up=frozenset({"MESSAGE"}), allow=(*ALLOW, "MESSAGE"))
    assert bench.receive(request("MESSAGE", body="hi", content_type="text/plain")) == []


def test_a_stray_retransmission_of_an_ack_starts_nothing() -> None:
    """§17.2.3, §18.1.2: what matches nothing is dropped, and an ACK is never answered."""
    bench = Bench()
    assert bench.receive(request("ACK", to="<sip:vb@192.0.2.1>;tag=x")) == []
    assert bench.agent.next_deadline() == float("inf")


def test_a_response_of_another_method_is_no_answer() -> None:
    """§17.1.3: branch and CSeq method have to match both."""
    bench = Bench()
    options = sent(bench)
    for old, new in ((b"CSeq: 1 OPTIONS", b"CSeq: 1 MESSAGE"), (b"branch=z9hG4bK", b"branch=z9hG4bKx")):
        data = make_response(options, 200, to_tag="peer").to_bytes()
        assert old in data
        bench.agent.receive(data.replace(old, new), Hop("UDP", "192.0.2.9", 5060), bench.now)
    bench.drain()
    assert bench.of(ResponseReceived) == []


def test_an_unknown_method_is_refused_with_what_we_allow() -> None:
    """§8.2.1."""
    [refusal] = Bench().receive(request("DANCE"))
    assert refusal.status == 405
    assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"} <= set(refusal.headers.values("Allow"))


def test_no_extension_is_used_that_the_request_does_not_support() -> None:
    """§8.2.4: a 183 is not sent reliably, and the answer requires nothing."""
    bench = Bench(supported=("100rel", "timer"))
    bench.receive(request("INVITE", body="v=0\r\n"))
    [event] = [event for event in bench.events if isinstance(event, InviteReceived)]
    event.session.provisional(bench.now, 183, body=b"v=0\r\n")
    event.session.accept(bench.now, b"v=0\r\n")
    answers = [message for message in bench.drain() if isinstance(message, Response)]
    assert [answer.status for answer in answers] == [183, 200]
    assert all("Require" not in answer.headers and "RSeq" not in answer.headers for answer in answers)


def test_a_call_is_redirected() -> None:
    """§13.3.1.2, §8.1.3.4: the 3xx names contacts; the caller's agent follows none by itself."""
    bench = Bench()
    bench.receive(request("INVITE"))
    [event] = [event for event in bench.events if isinstance(event, InviteReceived)]
    event.session.reject(bench.now, 302, headers=[("Contact", "<sip:other@192.0.2.7>")])
    [redirection] = bench.drain()
    assert isinstance(redirection, Response)
    assert redirection.headers.get("Contact") == "<sip:other@192.0.2.7>"
    caller = Bench()
    caller.agent.invite(
        target=parse_uri("sip:peer@192.0.2.9"),
        from_=parse_name_addr("<sip:vb@192.0.2.1>"),
        to=parse_name_addr("<sip:peer@192.0.2.9>"),
        now=0.0,
    )
    [invite] = caller.drain()
    assert isinstance(invite, Request)
    lines = [("Contact", "<sip:other@192.0.2.7>")]
    caller.agent.receive(make_response(invite, 302, to_tag="peer", headers=lines).to_bytes(), PEER, 0.0)
    [ack] = caller.drain()
    assert isinstance(ack, Request)
    assert (ack.method, ack.via.branch) == ("ACK", invite.via.branch)
    assert len(caller.of(RefusalReceived)) == 1
    caller.advance(60)
    assert caller.is_empty()


@pytest.mark.parametrize("status", [404, 500, 603])
def test_a_refusal_ends_every_early_dialog(status: int) -> None:
    """§13.2.2.3, §12.3."""
    caller = Bench()
    session = caller.agent.invite(
        target=parse_uri("sip:peer@192.0.2.9"),
        from_=parse_name_addr("<sip:vb@192.0.2.1>"),
        to=parse_name_addr("<sip:peer@192.0.2.9>"),
        now=0.0,
    )
    [invite] = caller.drain()
    assert isinstance(invite, Request)
    lines = [("Contact", "<sip:peer@192.0.2.9>")]
    for tag in ("one", "two"):
        caller.agent.receive(make_response(invite, 180, to_tag=tag, headers=lines).to_bytes(), PEER, 0.0)
    assert caller.agent.statistics().dialogs == 2
    caller.agent.receive(make_response(invite, status, to_tag="one").to_bytes(), PEER, 0.0)
    assert caller.agent.statistics().dialogs == 0
    assert session.is_over
