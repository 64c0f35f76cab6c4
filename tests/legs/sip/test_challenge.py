"""Inbound calls that have to prove who they are (RFC 3261 §22.2): the open challenges, and legs in front of them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
import trio

from tests.legs.sip.world import World, sdp, settle, world
from vb.call.errors import Conflict, Invalid, NotFound
from vb.legs.sip.challenge import OpenChallenges, Terms, terms_of
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.digest import ALGORITHMS, Credentials, authorization, challenges_of, hash_credentials
from vb.sip.effects import RefusalReceived
from vb.sip.fields import NameAddr
from vb.sip.headers import Headers
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Request, Response
from vb.sip.uri import parse_uri

SERVICE = parse_uri("sip:service@192.0.2.1")
TERMS = terms_of(realm="lab", username="alice", password="pw")


def answer_to(
    store: OpenChallenges, terms: Terms, *, password: str = "pw", username: str = "alice", call_id: str = "call"
) -> Request:
    """A new INVITE that answers a challenge of the call ``call``."""
    lines = [("WWW-Authenticate", store.demand("call", terms, 0.0).line())]
    (challenge,) = challenges_of(Response(401, "", Headers(lines), b""))
    line = authorization(challenge, Credentials(username, password), method="INVITE", uri=str(SERVICE), cnonce="c")
    return Request("INVITE", SERVICE, Headers([("Call-ID", call_id), line]), b"")


def open_challenges() -> OpenChallenges:
    return OpenChallenges(60.0, Random(1))


def test_a_good_answer_counts_once() -> None:
    store = open_challenges()
    request = answer_to(store, TERMS)
    verdict = store.check(request, 59.0)
    assert verdict is not None
    assert (verdict.valid, verdict.username) == (True, "alice")
    assert store.check(request, 59.0) is None


def test_a_wrong_answer_uses_the_challenge_up() -> None:
    store = open_challenges()
    wrong = answer_to(store, TERMS, password="no")
    verdict = store.check(wrong, 1.0)
    assert verdict is not None
    assert not verdict.valid
    assert len(store) == 0


def test_no_answer_leaves_it_open() -> None:
    store = open_challenges()
    store.demand("call", TERMS, 0.0)
    assert store.check(Request("INVITE", SERVICE, Headers([("Call-ID", "call")]), b""), 1.0) is None
    assert len(store) == 1


@pytest.mark.parametrize("value", ["", "nonsense", "Basic YTpi", 'Digest username="alice"', "Digest " + "x=y," * 500])
def test_credentials_that_cannot_be_read_are_wrong(value: str) -> None:
    store = open_challenges()
    store.demand("call", TERMS, 0.0)
    verdict = store.check(Request("INVITE", SERVICE, Headers([("Call-ID", "call"), ("Authorization", value)]), b""), 1)
    assert verdict is not None
    assert not verdict.valid


def test_a_challenge_belongs_to_its_call() -> None:
    store = open_challenges()
    assert store.check(answer_to(store, TERMS, call_id="another"), 1.0) is None


def test_a_challenge_does_not_wait_for_ever() -> None:
    store = open_challenges()
    assert store.check(answer_to(store, TERMS), 60.0) is None
    assert len(store) == 0


def test_a_second_challenge_voids_the_first() -> None:
    store = open_challenges()
    first = answer_to(store, TERMS)
    answer_to(store, TERMS)
    verdict = store.check(first, 1.0)
    assert verdict is not None
    assert not verdict.valid


def test_open_challenges_are_bounded() -> None:
    store = open_challenges()
    for n in range(10_005):
        store.demand(f"call {n}", TERMS, 0.0)
    assert len(store) == 10_000


@pytest.mark.parametrize(
    ("named", "given", "valid"), [("Alice", "aLICE", True), ("", "who", True), ("bob", "x", False)]
)
def test_names_are_compared_without_case(named: str, given: str, valid: bool) -> None:
    store = open_challenges()
    terms = terms_of(realm="lab", username=named, password="pw")
    verdict = store.check(answer_to(store, terms, username=given), 1.0)
    assert verdict is not None
    assert (verdict.valid, verdict.username) == (valid, given if valid else "")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hash_instead_of_the_password(algorithm: str) -> None:
    ha1 = hash_credentials(algorithm, "alice", "lab", "pw")
    store = open_challenges()
    terms = terms_of(realm="lab", password="ignored", ha1=ha1, algorithm=algorithm.lower(), qop=["AUTH", "auth-int"])
    assert (terms.algorithm, terms.qop) == (algorithm, ("auth", "auth-int"))
    verdict = store.check(answer_to(store, terms), 1.0)
    assert verdict is not None
    assert verdict.valid


BAD_TERMS: list[tuple[dict[str, Any], str]] = [
    ({"realm": ""}, "realm is required"),
    ({"realm": "lab"}, "password or ha1 is required"),
    ({"realm": "", "username": "a", "password": "b"}, "realm is required"),
    ({"realm": "lab", "password": "b", "algorithm": "MD4"}, "algorithm"),
    ({"realm": "lab", "password": "b", "algorithm": "MD5-sess"}, "algorithm"),
    ({"realm": "lab", "password": "b", "qop": ["weird"]}, "qop"),
    ({"realm": "lab", "ha1": "zz"}, "ha1"),
    ({"realm": "lab", "ha1": "0" * 32, "algorithm": "SHA-256"}, "ha1"),
    ({"realm": "l\r\nab", "password": "b"}, "realm"),
    ({"realm": "l" * 257, "password": "b"}, "realm"),
    ({"realm": "lab", "username": "\0", "password": "b"}, "username"),
]


@pytest.mark.parametrize(("terms", "error"), BAD_TERMS)
def test_terms_are_checked(terms: dict[str, Any], error: str) -> None:
    with pytest.raises(Invalid, match=error) as refusal:
        terms_of(**terms)
    assert "zz" not in str(refusal.value)


# Legs.


def call(w: World, credentials: Credentials | None = None) -> InviteClientSession:
    """The peer calls, and answers challenges with an account if it has one."""
    agent = w.peer.agent
    return w.peer.endpoint.command(
        lambda now: agent.invite(
            target=SERVICE,
            from_=NameAddr("", parse_uri("sip:alice@192.0.2.2")),
            to=NameAddr("", SERVICE),
            now=now,
            body=sdp(),
            credentials=credentials,
        )
    )


@pytest.mark.parametrize("qop", [[], ["auth"], ["auth-int"], ["auth", "auth-int"]])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_caller_that_proves_itself_comes_back_as_a_new_leg(algorithm: str, qop: list[str]) -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        call(w, Credentials("alice", "pw"))
        await settle()
        first = w.leg
        first.challenge(realm="lab", username="Alice", password="pw", algorithm=algorithm, qop=qop)
        with pytest.raises(NotFound):
            w.legs.get(first.id)
        await settle()
        second = w.leg
        assert second.id != first.id
        assert second.call_id == first.call_id
        assert w.events.count("leg.ringing") == 2
        fields = json.loads(w.recorder.of("leg.ringing")[1].json)
        assert (fields["authenticated"], fields["auth_username"]) == (True, "alice")
        assert "authenticated" not in json.loads(w.recorder.of("leg.ringing")[0].json)
        assert w.reasons() == ["challenged"]
        second.answer()
        await settle()
        assert second.state == "connected"
        (refusal,) = w.sent("SIP/2.0 401")
        assert f"algorithm={algorithm}" in refusal
        assert ("qop=" in refusal) is bool(qop)


async def test_wrong_credentials_are_forbidden_and_no_leg() -> None:
    async with world() as w:
        call(w, Credentials("alice", "wrong"))
        await settle()
        w.leg.challenge(realm="lab", username="alice", password="pw")
        await settle()
        assert w.peer.last(RefusalReceived).response.status == 403
        assert w.legs.active == 0
        assert w.events == ["leg.ringing", "leg.disconnected"]
        assert w.service.refused == 1


async def test_a_caller_without_credentials_is_refused_for_good() -> None:
    async with world() as w:
        call(w)
        await settle()
        w.leg.challenge(realm="lab", password="pw")
        await settle()
        assert w.peer.last(RefusalReceived).response.status == 401
        assert w.reasons() == ["challenged"]


async def test_an_answer_that_comes_too_late_is_a_call_like_any_other() -> None:
    async with world(challenge_lifetime=10.0) as w:
        w.peer.call(sdp())
        await settle()
        w.leg.challenge(realm="lab", password="pw")
        await settle()
        session = w.peer.last(RefusalReceived).session
        response = w.peer.last(RefusalReceived).response
        await trio.sleep(11)
        line = authorization(
            challenges_of(response)[0], Credentials("u", "pw"), method="INVITE", uri=str(SERVICE), cnonce="c"
        )
        w.peer.do(
            lambda now: w.peer.agent.invite(
                target=SERVICE,
                from_=NameAddr("", parse_uri("sip:alice@192.0.2.2")).with_tag(session.local_tag),
                to=NameAddr("", SERVICE),
                now=now,
                body=sdp(),
                headers=[line],
                call_id=session.call_id,
                cseq=session.request.cseq.number + 1,
            )
        )
        await settle()
        assert w.leg.state == "ringing"
        assert "authenticated" not in w.recorder.of("leg.ringing")[1].data


@pytest.mark.parametrize("verb", ["answer", "early_media"])
async def test_only_a_ringing_leg_can_be_challenged(verb: str) -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp())
        await settle()
        leg = w.leg
        getattr(leg, verb)()
        with pytest.raises(Conflict, match="not ringing"):
            leg.challenge(realm="lab", password="pw")
        await settle()
        shown = "connected" if verb == "answer" else "early_media"
        with pytest.raises(Conflict, match=f"leg is {shown}, not ringing"):
            leg.challenge(realm="lab", password="pw")


async def test_a_leg_that_rings_by_itself_can_still_be_challenged() -> None:
    async with world(auto_ringing=True) as w:
        call(w, Credentials("alice", "pw"))
        await settle()
        w.leg.challenge(realm="lab", password="pw")
        await settle()
        assert w.recorder.of("leg.ringing")[1].data["authenticated"] is True


async def test_wrong_terms_change_nothing() -> None:
    async with world() as w:
        w.peer.call(sdp())
        await settle()
        with pytest.raises(Invalid):
            w.leg.challenge(realm="lab")
        assert w.leg.state == "ringing"


async def test_outbound_legs_are_not_challenged() -> None:
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to="sip:bob@192.0.2.2:5060"))
        with pytest.raises(Invalid):
            leg.challenge(realm="lab", password="pw")


async def test_the_secret_is_in_no_event_and_in_no_message_of_ours() -> None:
    async with world() as w:
        call(w, Credentials("alice", "hush-hush"))
        await settle()
        w.leg.challenge(realm="lab", username="alice", password="hush-hush")
        await settle()
        assert w.recorder.of("leg.ringing")[1].data["authenticated"] is True
        assert not any(b"hush-hush" in event.json for event in w.recorder.events)
        assert not any(b"hush-hush" in packet.data for packet in w.network.log)
        assert "hush-hush" not in repr(terms_of(realm="lab", password="hush-hush"))
