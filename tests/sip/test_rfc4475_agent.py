"""The torture messages of RFC 4475 against the user agent: what comes back is the verdict an endpoint owes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sip.bench import Bench
from vb.sip.effects import Hop, InviteReceived, RequestReceived
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, Response

FOLDER = Path(__file__).parent.parent / "data" / "rfc4475"
VERDICTS = {row["name"]: row for row in json.loads((FOLDER / "verdicts.json").read_text())}
SOURCE = Hop("UDP", "192.0.2.200", 5060)

# What an endpoint that is also a registrar and takes messages answers: `process` is the 200 of its user, who gets the
# request, or 180 for a call. Where the RFC leaves a choice (expected_endpoint), this is ours.
EXPECTED: dict[str, int | str] = {
    "wsinv": 481,
    "intmeth": 405,
    "esc01": "call",
    "escnull": "handed up",
    "esc02": 405,
    "lwsdisp": 200,
    "longreq": "call",
    "dblreq": "handed up",
    "semiuri": 200,
    "transports": 200,
    "mpart01": "handed up",
    "unreason": "accepted",
    "noreason": "accepted",
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": "drop",
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "baddate": "call",
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,
    "bigcode": "drop",
    "badbranch": 200,
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 400,
    "bext01": 420,
    "invut": 415,
    "regaut01": "handed up",
    "multi01": 400,
    "mcl01": 400,
    "bcast": "drop",
    "zeromf": 200,
    "cparam01": "handed up",
    "cparam02": "handed up",
    "regescrt": "handed up",
    "sdp01": 406,
    "inv2543": "call",
    "test": "drop",
}


def receive(name: str) -> tuple[Bench, list[Response]]:
    bench = Bench(
        allow=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE"),
        handed_up=frozenset({"REGISTER", "MESSAGE"}),
    )
    return bench, bench.receive((FOLDER / f"{name}.dat").read_bytes(), SOURCE)


def names(*verdicts: str) -> list[str]:
    return [name for name, expected in EXPECTED.items() if expected in verdicts]


def test_every_message_has_its_verdict() -> None:
    assert set(EXPECTED) == {path.name.split(".")[0] for path in FOLDER.glob("*.dat")} == set(VERDICTS)
    assert len(EXPECTED) == 50


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if isinstance(expected, int)])
def test_answered_by_the_agent(name: str) -> None:
    bench, responses = receive(name)
    assert [response.status for response in responses] == [EXPECTED[name]]
    assert bench.events == []
    bench.advance(70)
    assert bench.is_empty()


@pytest.mark.parametrize("name", names("call"))
def test_handed_up_as_a_call(name: str) -> None:
    bench, responses = receive(name)
    assert [response.status for response in responses] == [100]
    [event] = bench.of(InviteReceived)
    assert isinstance(event, InviteReceived)
    session = event.session
    assert isinstance(session, InviteServerSession)
    session.accept(bench.now, b"v=0\r\n")
    [answer] = bench.drain()
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert answer.to.tag == session.local_tag
    assert answer.headers.get_all("Record-Route") == event.request.headers.get_all("Record-Route")


@pytest.mark.parametrize("name", names("handed up"))
def test_handed_up_to_the_user(name: str) -> None:
    bench, responses = receive(name)
    assert responses == []
    [event] = bench.of(RequestReceived)
    assert isinstance(event, RequestReceived)
    assert event.request.method == ("MESSAGE" if name == "mpart01" else "REGISTER")
    contacts = [("Contact", value) for value in event.request.headers.values("Contact")]
    bench.agent.respond(event, bench.now, 200, headers=contacts)
    [answer] = bench.drain()
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert answer.headers.values("Contact") == event.request.headers.values("Contact")
    bench.advance(70)
    assert bench.is_empty()


@pytest.mark.parametrize("name", names("drop", "accepted"))
def test_dropped_without_a_word(name: str) -> None:
    bench, responses = receive(name)
    assert responses == []
    assert bench.events == []
    assert sum(bench.agent.statistics().dropped.values()) == 1
    assert bench.is_empty()


@pytest.mark.parametrize(("name", "status"), [("unreason", 200), ("noreason", 100)])
def test_unusual_reason_phrases_reach_their_transaction(name: str, status: int) -> None:
    """The same message, with the Via, Call-ID and CSeq of a request of ours."""
    from tests.sim.agents import address
    from vb.sip.effects import ResponseReceived
    from vb.sip.message import parse_message
    from vb.sip.uri import parse_uri

    bench = Bench()
    bench.agent.request(
        "OPTIONS", target=parse_uri("sip:x@192.0.2.9"), from_=address("a", "a"), to=address("b", "b"), now=0.0
    )
    [request] = bench.drain()
    assert isinstance(request, Request)
    response = parse_message((FOLDER / f"{name}.dat").read_bytes())
    assert isinstance(response, Response)
    for field in ("Via", "Call-ID", "CSeq"):
        response.headers.set(field, request.headers.get(field) or "")
    bench.receive(response.to_bytes())
    [event] = bench.of(ResponseReceived)
    assert isinstance(event, ResponseReceived)
    assert event.response.status == status
    assert event.response.reason == response.reason


def test_unsupported_names_every_unknown_extension() -> None:
    """bext01: Require, not Proxy-Require, is a UAS's business."""
    _, [response] = receive("bext01")
    assert response.headers.values("Unsupported") == ["nothingSupportsThis", "nothingSupportsThisEither"]


def test_the_other_headers_that_refusals_owe() -> None:
    _, [response] = receive("invut")
    assert response.headers.values("Accept") == ["application/sdp", "multipart/mixed"]
    _, [response] = receive("sdp01")
    assert (response.headers.get("Warning") or "").startswith("399 ")
    _, [response] = receive("intmeth")
    assert "INVITE" in response.headers.values("Allow")


def test_a_uri_never_becomes_a_header() -> None:
    """escruri: a Route in the Request-URI is refused, not followed."""
    bench, [response] = receive("escruri")
    assert "Route" not in response.headers
    assert [hop for _, _, hop in bench.sent] == [SOURCE]
