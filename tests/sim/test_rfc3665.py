"""The basic call flows of RFC 3665, each from the side of every endpoint in it: endpoint, agent and their verbs."""

from __future__ import annotations

from random import Random

import attrs
import pytest
import trio

from tests.sim.flows import LONG, Player, read_flow
from tests.sim.network import VirtualNetwork
from vb.net.driver import Listen, SipEndpoint
from vb.sip.config import ALLOW, UaConfig
from vb.sip.digest import Credentials
from vb.sip.effects import (
    AnswerReceived,
    Event,
    Hop,
    InviteFailed,
    InviteReceived,
    RefusalReceived,
    ResponseReceived,
    SessionEnded,
)
from vb.sip.fields import NameAddr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Message, Request, Response
from vb.sip.session import Session
from vb.sip.uri import parse_uri
from vb.sip.user_agent import UserAgent

ALICE, BOB, BOB_IN_CHICAGO = "192.0.2.101", "192.0.2.201", "192.0.2.100"
ACCOUNT = Credentials("alice", "secret")


class Phone:
    """An agent behind its endpoint, and a user who does what the text does next."""

    def __init__(self, network: VirtualNetwork, name: str, hosts: tuple[str, ...], next_hops: tuple[str, ...]) -> None:
        self.host = hosts[0]
        config = UaConfig(
            contact=lambda hop: parse_uri(f"sip:{name}@{self.host}"),
            sent_by=lambda hop: (self.host, 5060),
            allow=ALLOW,
        )
        self.agent = UserAgent(config, Random(name))
        self.endpoint: SipEndpoint[Event] = SipEndpoint(
            self.agent,
            [Listen("UDP", host, 5060) for host in hosts],
            self._deliver,
            open_datagrams=network.open,
        )
        self.events: list[Event] = []
        self.session: Session | None = None
        self.next = "first"
        """Why the next INVITE or REGISTER without a To tag is for us to send: "" where the agent does by itself."""
        self.calls = 0
        self._hops = [Hop("UDP", host, 5060) for host in next_hops]

    def _deliver(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, InviteReceived):
            self.session = event.session
            self.calls += 1
        elif isinstance(event, RefusalReceived) and event.response.status < 400:
            self.next = "redirected"
        elif isinstance(event, InviteFailed):
            self.next = "given up"

    def act(self, wanted: Message) -> None:
        if isinstance(wanted, Request):
            self.endpoint.command(lambda now: self._request(wanted, now))
        elif wanted.cseq.method == "INVITE":
            self.endpoint.command(lambda now: self._respond(wanted, now))

    def _respond(self, wanted: Response, now: float) -> None:
        session = self.session
        if not isinstance(session, InviteServerSession):
            assert session is not None
            session.respond_reinvite(now, wanted.status, wanted.body)
        elif wanted.status < 200:
            session.provisional(now, wanted.status)
        elif wanted.status < 300:
            session.accept(now, wanted.body)
        elif wanted.status != 487:
            session.reject(now, wanted.status)

    def _request(self, wanted: Request, now: float) -> None:
        session = self.session
        if wanted.method == "REGISTER":
            self._register(wanted, now)
        elif wanted.method == "INVITE" and wanted.to.tag:
            assert session is not None
            self.host = wanted.via.host  # §3.7: Bob has moved
            session.reinvite(now, wanted.body)
        elif wanted.method == "INVITE":
            self._invite(wanted, now)
        elif wanted.method == "ACK" and isinstance(session, InviteClientSession) and self._has_answer():
            session.ack(now, wanted.body)
        elif wanted.method == "CANCEL":
            assert isinstance(session, InviteClientSession)
            session.cancel(now)
        elif wanted.method == "BYE":
            assert session is not None
            session.bye(now)

    def _has_answer(self) -> bool:
        """The ACK of a refusal, and of the answer to a re-INVITE, are the agent's business."""
        return any(isinstance(event, AnswerReceived) for event in self.events)

    def _register(self, wanted: Request, now: float) -> None:
        if self.next != "first":
            return  # answering the challenge is the agent's business
        self.next = ""
        lines = [(name, value) for name, value in wanted.headers if name in ("Contact", "Expires")]
        self.agent.request(
            "REGISTER",
            target=wanted.uri,
            hop=self._hops.pop(0),
            from_=NameAddr("Bob", wanted.from_.uri),
            to=wanted.to,
            now=now,
            headers=lines,
            credentials=Credentials("bob", "secret"),
        )

    def _invite(self, wanted: Request, now: float) -> None:
        if not self.next:
            return  # answering a challenge is the agent's business
        before = self.session.request if self.session is not None else None
        again = before if self.next == "redirected" else None
        self.next = ""
        self.calls += 1
        self.session = self.agent.invite(
            target=wanted.uri,
            hop=self._hops.pop(0),
            from_=before.from_ if before else NameAddr("Alice", wanted.from_.uri),
            to=wanted.to,
            now=now,
            routes=wanted.routes,
            body=wanted.body,
            call_id=again.call_id if again else None,
            cseq=again.cseq.number + 1 if again else None,
            credentials=ACCOUNT,
        )


PROXY_1, PROXY_2, PROXY_3, ALG = "192.0.2.111", "192.0.2.222", "192.0.2.233", "192.0.2.128"

# Section, party, its addresses, the next hops of its first request, and which messages it receives and sends.
FLOWS = [
    ("2.01", "bob", (BOB,), (PROXY_2,), ">1 <2 >3 <4"),
    ("2.02", "bob", (BOB,), (PROXY_2,), ">1 <2"),
    ("2.03", "bob", (BOB,), (PROXY_2,), ">1 <2"),
    ("2.04", "bob", (BOB,), (PROXY_2,), ">1 <2"),
    ("2.05", "bob", (BOB,), (PROXY_2,), ">1 <2 >3 <4"),
    ("3.01", "alice", (ALICE,), (BOB,), ">1 <2 <3 >4 <5 >6"),
    ("3.01", "bob", (BOB,), (), "<1 >2 >3 <4 >5 <6"),
    ("3.02", "alice", (ALICE,), (PROXY_1,), ">1 <2 >3 >4 <6 <11 <14 >15 <20 >21"),
    ("3.02", "bob", (BOB,), (), "<7 >9 >12 <17 >18 <23"),
    ("3.03", "alice", (ALICE,), (PROXY_1,), ">1 <2 >3 >4 <5 <9 >10 >11 <12 <18 >19"),
    ("3.03", "bob", (BOB,), (), "<15 >16 <21"),
    ("3.04", "alice", (ALICE,), (PROXY_1, PROXY_2), ">1 ~2 ~3 ~4 ~5 ~6 ~7 -1 >8 <9 >10 >11 <13 <15 <17 >18 <21 >22"),
    ("3.04", "bob", (BOB,), (), "<12 >14 >16 <19 >20 <23"),
    ("3.05", "alice", (ALICE,), (ALG,), ">1 <3 <8 <11 >12 >14 <17"),
    ("3.05", "bob", (BOB,), (), "<4 >6 >9 <13 <15 >16"),
    ("3.06", "alice", (ALICE,), (PROXY_1, PROXY_3), ">1 <2 >3 >4 <6 <8 <10 >11 <14 >15"),
    ("3.06", "bob", (BOB_IN_CHICAGO,), (), "<5 >7 >9 <12 >13 <16"),
    ("3.07", "alice", (ALICE,), (PROXY_2,), ">1 <3 <5 <7 >8 <9 >10 <11 >12 <13"),
    ("3.07", "bob", (BOB, BOB_IN_CHICAGO), (), "<2 >4 >6 <8 >9 <10 >11 <12 >13"),
    ("3.08", "alice", (ALICE,), (PROXY_1,), ">1 <3 <8 >9 <10 <19 >20"),
    ("3.08", "bob", (BOB,), (), "<4 >6 <13 >14 >15 <16"),
    ("3.09", "alice", (ALICE,), (PROXY_1,), ">1 <3 <10 >11"),
    ("3.09", "bob", (BOB,), (), "<4 >6 <7"),
    ("3.10", "alice", (ALICE,), (PROXY_1,), ">1 <3 <14 >15"),
    ("3.11", "alice", (ALICE,), (PROXY_1,), ">1 <3 <8 <13 >14"),
    ("3.11", "bob", (BOB,), (), "<4 >6 >9 <10"),
]


@pytest.mark.parametrize(("section", "party", "hosts", "hops", "script"), FLOWS)
async def test_the_flow(section: str, party: str, hosts: tuple[str, ...], hops: tuple[str, ...], script: str) -> None:
    """RFC 3665 §2, §3."""
    network = VirtualNetwork(Random(1))
    phone = Phone(network, party, hosts, hops)
    async with trio.open_nursery() as nursery:
        await nursery.start(phone.endpoint.run)
        player = Player(network, hosts, read_flow("rfc3665", section))
        await player.play(script, phone)
        assert phone.endpoint.statistics().agent_errors == 0
        await finish(phone)
        nursery.cancel_scope.cancel()


async def finish(phone: Phone) -> None:
    """However the flow left it: after a BYE and every timer nothing is left, and the session has ended once."""
    session = phone.session
    if session is not None and not session.is_over:
        phone.endpoint.command(session.bye)
    await trio.sleep(LONG)
    assert attrs.astuple(phone.agent.statistics())[:6] == (0,) * 6
    ended = [event.session for event in phone.events if isinstance(event, SessionEnded)]
    assert len(ended) == len(set(ended)) == phone.calls


async def test_wrong_credentials_are_not_tried_again() -> None:
    """RFC 3665 §2.5, RFC 3261 §22.1: the second 401 is for the user."""
    network = VirtualNetwork(Random(1))
    phone = Phone(network, "bob", (BOB,), (PROXY_2,))
    async with trio.open_nursery() as nursery:
        await nursery.start(phone.endpoint.run)
        await Player(network, (BOB,), read_flow("rfc3665", "2.05")).play(">1 <2 >3 <4", phone)
        [told] = [event for event in phone.events if isinstance(event, ResponseReceived)]
        assert told.response.status == 401
        nursery.cancel_scope.cancel()
