"""Which challenges our requests answer, and how (RFC 3261 §22, RFC 7616 §3.3, RFC 8760 §2)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.bench import PEER, Bench, request
from vb.sip.digest import Challenge, Credentials
from vb.sip.digest_client import DigestClient, credentials_of, renewed
from vb.sip.digest_server import Answer, Demand, Secret, answers_of, is_valid
from vb.sip.effects import (
    AnswerReceived,
    ByeCompleted,
    ReferAnswered,
    ReferReceived,
    RefusalReceived,
    ReinviteCompleted,
    RequestFailed,
    ResponseReceived,
    SessionEnded,
)
from vb.sip.fields import parse_name_addr
from vb.sip.headers import Headers
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Message, Request, Response, make_response, parse_message
from vb.sip.session import SessionState
from vb.sip.uri import parse_uri

ACCOUNT = Credentials("alice", "hush")
TARGET = parse_uri("sip:peer@192.0.2.9")
ME, PEER_ADDRESS = parse_name_addr("<sip:vb@192.0.2.1>"), parse_name_addr("<sip:peer@192.0.2.9>")


def demand(nonce: str = "n1", realm: str = "lab", algorithm: str = "MD5", qop: str = "auth", **more: bool) -> Demand:
    return Demand(realm, nonce, "o", algorithm, (qop,) if qop else (), **more)


class Caller(Bench):
    """An agent with an account, and a server written by hand."""

    def __init__(self, credentials: Credentials | DigestClient | None = ACCOUNT, **settings: object) -> None:
        super().__init__(**settings)
        self.credentials = credentials

    def call(self) -> InviteClientSession:
        session = self.agent.invite(
            target=TARGET, from_=ME, to=PEER_ADDRESS, now=self.now, body=b"v=0\r\n", credentials=self.credentials
        )
        self.session = session
        return session

    def last(self, method: str) -> Request:
        return self.all(method)[-1]

    def all(self, method: str) -> list[Request]:
        self.drain()
        found: list[Message] = [parse_message(data) for _, data, _ in self.sent if data.startswith(method.encode())]
        return [message for message in found if isinstance(message, Request)]

    def respond(self, request: Request, status: int, *lines: tuple[str, str], tag: str = "peer") -> None:
        contact = [("Contact", "<sip:peer@192.0.2.9>")] if 100 < status < 300 else []
        to_tag = None if request.to.tag else tag
        response = make_response(request, status, to_tag=to_tag, headers=[*contact, *lines])
        self.agent.receive(response.to_bytes(), PEER, self.now)
        self.drain()

    def challenge(self, request: Request, *demands: Demand, status: int = 401) -> None:
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        self.respond(request, status, *((name, each.line()) for each in demands))

    def confirmed(self) -> Request:
        """A call that was challenged once and answered; its second INVITE."""
        self.call()
        self.challenge(self.last("INVITE"), demand())
        invite = self.last("INVITE")
        self.respond(invite, 200)
        self.session.ack(self.now)
        return invite


def the_answer(request: Request, *, proxy: bool = False) -> Answer:
    (answer,) = answers_of(request, proxy=proxy)
    return answer


def proves(request: Request, wanted: Demand, *, proxy: bool = False) -> bool:
    answers = [answer for answer in answers_of(request, proxy=proxy) if answer.realm == wanted.realm]
    return any(is_valid(a, wanted, Secret("hush"), method=request.method, body=request.body) for a in answers)


@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
@pytest.mark.parametrize("status", [401, 407])
def test_a_new_invite_in_the_same_call_answers_a_challenge(status: int, algorithm: str, qop: str) -> None:
    # §22.2, §8.1.3.5: same Call-ID, From and To, the next CSeq, another branch, the same body
    caller = Caller()
    caller.call()
    first = caller.last("INVITE")
    wanted = demand(algorithm=algorithm, qop=qop)
    caller.challenge(first, wanted, status=status)
    second = caller.last("INVITE")
    assert proves(second, wanted, proxy=status == 407)
    assert second.call_id == first.call_id
    assert second.headers.get("From") == first.headers.get("From")
    assert second.headers.get("To") == first.headers.get("To")
    assert second.cseq.number == first.cseq.number + 1
    assert second.via.branch != first.via.branch
    assert (second.body, second.uri) == (first.body, first.uri)
    assert second.content_type == first.content_type
    assert caller.session.request == second or caller.session.request.via == second.via
    assert caller.last("ACK").cseq.number == first.cseq.number
    assert not caller.events
    caller.respond(second, 200)
    assert [type(event) for event in caller.events] == [AnswerReceived]


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    caller = Caller(None)
    caller.call()
    caller.challenge(caller.last("INVITE"), demand())
    assert caller.of(RefusalReceived)
    assert len(caller.all("INVITE")) == 1


def test_the_first_known_algorithm_of_a_realm_is_answered() -> None:
    # RFC 8760 §2.4: the server lists them by preference
    caller = Caller()
    caller.call()
    caller.challenge(
        caller.last("INVITE"), demand(algorithm="SHA3-256"), demand("n2", algorithm="SHA-256"), demand("n3")
    )
    assert the_answer(caller.last("INVITE")).algorithm == "SHA-256"


def test_a_proxy_and_the_callee_in_turn() -> None:
    # §22.3: credentials for a proxy stay in all later requests of the call
    caller = Caller()
    caller.call()
    caller.challenge(caller.last("INVITE"), demand("p1", "proxy"), status=407)
    caller.challenge(caller.last("INVITE"), demand("c1", "callee"), status=401)
    third = caller.last("INVITE")
    assert the_answer(third, proxy=True).nc == "00000002"
    assert proves(third, demand("p1", "proxy"), proxy=True)
    assert proves(third, demand("c1", "callee"))
    caller.challenge(third, demand("c2", "callee"), status=401)
    assert caller.of(RefusalReceived)


def test_several_realms_of_a_forked_request_at_once() -> None:
    caller = Caller()
    caller.call()
    caller.challenge(caller.last("INVITE"), demand("a1", "a"), demand("b1", "b"))
    assert [answer.realm for answer in answers_of(caller.last("INVITE"))] == ["a", "b"]


def test_wrong_credentials_are_tried_once() -> None:
    caller = Caller()
    caller.call()
    for nonce in ("n1", "n2"):
        caller.challenge(caller.last("INVITE"), demand(nonce))
    assert len(caller.all("INVITE")) == 2
    (refusal,) = caller.of(RefusalReceived)
    assert isinstance(refusal, RefusalReceived)
    assert refusal.response.status == 401


def test_a_stale_nonce_is_replaced_once() -> None:
    # RFC 7616 §3.3: the credentials were right
    caller = Caller()
    caller.call()
    for nonce in ("n1", "n2", "n3"):
        caller.challenge(caller.last("INVITE"), demand(nonce, stale=nonce != "n1"))
    assert [answer.nonce for invite in caller.all("INVITE")[1:] for answer in answers_of(invite)] == ["n1", "n2"]
    assert caller.of(RefusalReceived)


def test_a_peer_that_invents_realms_is_not_followed_for_ever() -> None:
    caller = Caller()
    caller.call()
    for n in range(50):
        if not caller.of(RefusalReceived):
            caller.challenge(caller.last("INVITE"), demand(f"n{n}", f"realm {n}"))
    assert len(caller.all("INVITE")) == 9
    assert caller.of(RefusalReceived)
    caller.advance(40)
    assert caller.is_empty()


def test_a_cancelled_call_answers_no_challenge() -> None:
    caller = Caller()
    session = caller.call()
    caller.respond(caller.last("INVITE"), 180)
    session.cancel(caller.now)
    caller.challenge(caller.last("INVITE"), demand())
    assert len(caller.all("INVITE")) == 1
    assert caller.of(RefusalReceived)


def test_cancel_after_a_challenge_is_that_of_the_second_invite_and_carries_no_credentials() -> None:
    # §9.1, §22.1: CANCEL is not challenged
    caller = Caller()
    session = caller.call()
    caller.respond(caller.last("INVITE"), 183, tag="early")
    caller.challenge(caller.last("INVITE"), demand())
    assert session.state is SessionState.CALLING
    assert caller.agent.statistics().dialogs == 0
    session.cancel(caller.now)
    assert not caller.all("CANCEL")  # not before a 1xx to that INVITE
    second = caller.last("INVITE")
    caller.respond(second, 180)
    cancel = caller.last("CANCEL")
    assert (cancel.via.branch, cancel.cseq.number) == (second.via.branch, second.cseq.number)
    assert not answers_of(cancel)


def test_the_ack_of_a_2xx_repeats_the_credentials() -> None:
    # §13.2.2.4
    caller = Caller()
    invite = caller.confirmed()
    assert credentials_of(caller.last("ACK")) == credentials_of(invite)
    caller.session.reinvite(caller.now, b"v=1\r\n")
    again = caller.last("INVITE")
    caller.respond(again, 200)
    assert credentials_of(caller.last("ACK")) == credentials_of(again) != credentials_of(invite)


def test_the_ack_of_a_refusal_repeats_them_too() -> None:
    # §22.1
    caller = Caller()
    caller.call()
    caller.challenge(caller.last("INVITE"), demand())
    caller.respond(caller.last("INVITE"), 486)
    assert credentials_of(caller.last("ACK")) == credentials_of(caller.last("INVITE"))


def test_later_requests_of_the_call_are_authorized_at_once_and_counted() -> None:
    caller = Caller()
    caller.confirmed()
    caller.session.reinvite(caller.now, b"v=1\r\n")
    reinvite = caller.last("INVITE")
    assert proves(reinvite, demand())
    assert the_answer(reinvite).nc == "00000002"
    caller.respond(reinvite, 200)
    caller.session.bye(caller.now)
    assert proves(caller.last("BYE"), demand())
    assert the_answer(caller.last("BYE")).nc == "00000003"


def test_a_challenged_bye_is_sent_again() -> None:
    caller = Caller()
    caller.confirmed()
    caller.session.bye(caller.now, [("Reason", "Q.850;cause=16")])
    first = caller.last("BYE")
    caller.challenge(first, demand("n2", stale=True))
    second = caller.last("BYE")
    assert proves(second, demand("n2"))
    assert second.cseq.number == first.cseq.number + 1
    assert second.headers.get("Reason") == "Q.850;cause=16"
    assert not caller.of(ByeCompleted)
    caller.respond(second, 200)
    assert len(caller.of(ByeCompleted)) == 1
    caller.advance(40)
    assert len(caller.of(SessionEnded)) == 1
    assert caller.is_empty()


def test_a_bye_that_is_refused_again_and_again_still_ends() -> None:
    caller = Caller()
    caller.confirmed()
    caller.session.bye(caller.now)
    for nonce in ("n2", "n3", "n4"):
        if not caller.of(ByeCompleted):
            caller.challenge(caller.last("BYE"), demand(nonce))
    assert len(caller.all("BYE")) == 2
    assert len(caller.of(ByeCompleted)) == 1
    caller.advance(40)
    assert caller.is_empty()


def test_a_challenged_reinvite_is_sent_again() -> None:
    caller = Caller()
    caller.confirmed()
    caller.session.reinvite(caller.now, b"v=1\r\n")
    caller.challenge(caller.last("INVITE"), demand("n2", stale=True))
    again = caller.last("INVITE")
    assert proves(again, demand("n2"))
    assert again.body == b"v=1\r\n"
    caller.respond(again, 200)
    (done,) = caller.of(ReinviteCompleted)
    assert isinstance(done, ReinviteCompleted)
    assert done.response is not None
    assert done.response.status == 200


def test_a_refused_reinvite_leaves_the_session() -> None:
    caller = Caller()
    caller.confirmed()
    caller.session.reinvite(caller.now, b"v=1\r\n")
    for nonce in ("n2", "n3"):
        caller.challenge(caller.last("INVITE"), demand(nonce))
    assert len(caller.of(ReinviteCompleted)) == 1
    assert caller.session.state is SessionState.CONFIRMED


def register(caller: Caller, credentials: Credentials | DigestClient) -> None:
    caller.agent.request(
        "REGISTER", target=TARGET, from_=ME, to=ME, now=caller.now, call_id="registration", credentials=credentials
    )


def test_requests_outside_dialogs_answer_challenges_too() -> None:
    caller = Caller()
    register(caller, ACCOUNT)
    first = caller.last("REGISTER")
    caller.challenge(first, demand(algorithm="SHA-256"))
    second = caller.last("REGISTER")
    assert proves(second, demand(algorithm="SHA-256"))
    assert second.cseq.number == first.cseq.number + 1
    caller.advance(6)  # the first transaction ends meanwhile
    assert not caller.of(RequestFailed)
    caller.respond(second, 200)
    (answer,) = caller.of(ResponseReceived)
    assert isinstance(answer, ResponseReceived)
    assert answer.response.status == 200
    caller.advance(40)
    assert caller.is_empty()


def test_a_second_request_without_any_response_has_failed() -> None:
    caller = Caller()
    register(caller, ACCOUNT)
    caller.challenge(caller.last("REGISTER"), demand())
    caller.advance(40)
    assert len(caller.of(RequestFailed)) == 1


def test_what_one_request_learned_serves_the_next_to_that_server() -> None:
    caller = Caller()
    client = DigestClient(ACCOUNT, Random(1))
    register(caller, client)
    caller.challenge(caller.last("REGISTER"), demand())
    caller.respond(caller.last("REGISTER"), 200)
    register(caller, client)
    assert the_answer(caller.last("REGISTER")).nc == "00000002"
    caller.challenge(caller.last("REGISTER"), demand("n2"))  # a server that takes every nonce once, without a word
    assert the_answer(caller.last("REGISTER")).nonce == "n2"
    assert the_answer(caller.last("REGISTER")).nc == "00000001"


def test_the_same_nonce_once_more_goes_on_being_counted() -> None:
    client = DigestClient(ACCOUNT, Random(1))
    request = Request("OPTIONS", TARGET, Headers(), b"")
    for _ in range(3):
        client.learn(Challenge("lab", "n1", qop=("auth",)))
        request.headers.remove("Authorization")
        client.authorize(request)
    assert the_answer(request).nc == "00000003"


def test_realms_are_remembered_within_bounds() -> None:
    client = DigestClient(ACCOUNT, Random(1))
    for n in range(100):
        client.learn(Challenge(f"r{n}", "n"))
    request = Request("OPTIONS", TARGET, Headers(), b"")
    client.authorize(request)
    assert [answer.realm for answer in answers_of(request)] == [f"r{n}" for n in range(84, 100)]


def test_a_renewed_request_has_no_old_credentials() -> None:
    lines = [("Via", "SIP/2.0/UDP h;branch=z9hG4bKa;rport"), ("CSeq", "1 REGISTER"), ("Authorization", "Digest x=y")]
    again = renewed(Request("REGISTER", TARGET, Headers(lines), b"body"), "z9hG4bKb", 2)
    assert list(again.headers) == [("Via", "SIP/2.0/UDP h;branch=z9hG4bKb;rport"), ("CSeq", "2 REGISTER")]
    assert again.body == b"body"


HOSTILE = st.binary(max_size=80).filter(lambda data: b"\r" not in data and b"\n" not in data)


@given(st.lists(st.one_of(HOSTILE, st.sampled_from([b"Digest ", b'nonce="', b'realm="', b",", b'"'])), max_size=12))
def test_whatever_a_challenge_says_the_call_goes_on_or_ends(pieces: list[bytes]) -> None:
    caller = Caller()
    caller.call()
    good = demand().line().encode()
    for value in (
        b"".join(pieces),
        good + b", " + b"".join(pieces),
        b'Digest realm="' + b"".join(pieces) + b'", nonce="n"',
    ):
        request = caller.last("INVITE")
        data = make_response(request, 401, to_tag="t", headers=[("WWW-Authenticate", "HERE")]).to_bytes()
        caller.agent.receive(data.replace(b"HERE", value), PEER, caller.now)
        caller.drain()
    assert len(caller.all("INVITE")) + len(caller.of(RefusalReceived)) >= 1


def test_a_realm_too_long_to_say_back_is_not_answered() -> None:
    caller = Caller()
    caller.call()
    caller.challenge(caller.last("INVITE"), demand(realm="r" * 1025))
    assert caller.of(RefusalReceived)


def test_a_response_is_not_a_challenge_by_its_headers_alone() -> None:
    tries = DigestClient(ACCOUNT, Random(1)).tries()
    assert not tries.learn(Response(403, "Forbidden", Headers([("WWW-Authenticate", demand().line())]), b""))


def test_a_challenged_refer_is_sent_again() -> None:
    caller = Caller()
    caller.confirmed()
    referral = caller.session.referrals.refer(caller.now, "<sip:carol@h>")
    first = caller.last("REFER")
    assert proves(first, demand())
    caller.challenge(first, demand("n2", stale=True))
    second = caller.last("REFER")
    assert proves(second, demand("n2"))
    assert second.headers.get("Refer-To") == "<sip:carol@h>"
    assert referral.number == second.cseq.number == first.cseq.number + 1  # what NOTIFYs will name
    assert not caller.of(ReferAnswered)
    caller.respond(second, 202)
    caller.advance(20)
    (answered,) = caller.of(ReferAnswered)
    assert isinstance(answered, ReferAnswered)
    assert answered.response is not None
    assert answered.response.status == 202


def test_a_challenged_notify_is_sent_again_before_the_next() -> None:
    caller = Caller()
    caller.confirmed()
    dialog = caller.session.dialog
    assert dialog is not None
    refer = request(
        "REFER",
        "Refer-To: <sip:carol@h>",
        to=dialog.local,
        from_=dialog.remote,
        call_id=dialog.call_id,
    )
    caller.agent.receive(refer, PEER, caller.now)
    caller.drain()
    (received,) = caller.of(ReferReceived)
    assert isinstance(received, ReferReceived)
    received.referral.accept(caller.now)
    received.referral.complete(caller.now, 200)
    first = caller.last("NOTIFY")
    caller.challenge(first, demand("n2", stale=True))
    second = caller.last("NOTIFY")
    assert len(caller.all("NOTIFY")) == 2
    assert proves(second, demand("n2"))
    assert second.body == first.body
    caller.respond(second, 200)
    assert b"200" in caller.last("NOTIFY").body
    assert proves(caller.last("NOTIFY"), demand("n2"))
