"""Phones that register: the recorded flows, challenges, limits, and what the operator may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.legs.sip.world import PEER, SERVER, World, settle, world
from tests.sip.bench import request
from vb.call.errors import CommandError, Invalid, NotFound
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.settings import RegistrarSettings
from vb.sip.digest import Credentials, authorization, challenges_of
from vb.sip.effects import Hop, RequestReceived
from vb.sip.message import Request, Response, parse_message
from vb.sip.registrar import RegistrarPolicy
from vb.sip.uri import parse_uri

FLOWS = Path(__file__).parent / "flows"
AOR = "sip:alice@example.com"
PHONE = (PEER, 5062)
UNDECIDED = "registration attempt not found or already decided"


def registrar(**changes: Any) -> RegistrarSettings:
    return attrs.evolve(RegistrarSettings(), **changes)


ACCEPT = registrar(accept_by_default=True, consult_timeout=0.0)


def register(w: World, cseq: int, *lines: str, call_id: str = "reg", to: str = AOR, branch: str = "") -> None:
    """A REGISTER of a phone at PHONE."""
    text = [
        f"REGISTER {to.replace('alice@', '').replace('bob@', '')} SIP/2.0",
        f"Via: SIP/2.0/UDP {PEER}:5062;branch=z9hG4bK{branch or f'{call_id}{cseq}'};rport",
        "Max-Forwards: 70",
        f"From: <{to}>;tag=a",
        f"To: <{to}>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *lines,
    ]
    w.network.send(PHONE, (SERVER, 5060), "\r\n".join([*text, "", ""]).encode())


def contact(user: str = "alice", more: str = "") -> str:
    return f"Contact: <sip:{user}@{PEER}:5062>{more}"


def answers(w: World) -> list[Response]:
    """What the phone was answered, retransmissions left out."""
    found = [parse_message(p.data) for p in w.network.log if p.target == PHONE]
    return [message for message in found if isinstance(message, Response)]


def last(w: World) -> Response:
    return answers(w)[-1]


def attempt(w: World) -> str:
    return str(w.recorder.of("sip.registration_attempt")[-1].data["attempt_id"])


# --- the recorded flows


class Replay:
    """What the phones of a recorded flow send, and its operator's commands, at their times."""

    def __init__(self, w: World, steps: list[dict[str, Any]]) -> None:
        self.world = w
        self.steps = steps
        self.names: dict[str, str] = {}

    async def run(self) -> None:
        start = trio.current_time()
        for step in self.steps:
            if "sends" in step or "do" in step:
                await trio.sleep_until(start + step["t"] / 1000)
            if "sends" in step:
                port = {"alice": 5062, "desk": 5064}[step["phone"]]
                data = "\r\n".join([*step["sends"], "", ""]).encode()
                self.world.network.send((PEER, port), (SERVER, 5060), data)
            elif "do" in step:
                await trio.sleep(0.01)  # what is on the wire arrives
                self.learn()
                assert self.do(step) == (step["status"], step.get("answer")), step
        await trio.sleep(3)
        self.learn()
        assert [self.told(event) for event in self.events()] == [s["event"] for s in self.steps if "event" in s]
        assert self.answered() == [
            (s["gets"], s["reason"], sorted(s.get("contacts", []))) for s in self.steps if "gets" in s
        ]

    def events(self) -> list[Any]:
        return [event for event in self.world.recorder.events if event.type.startswith("sip.")]

    def told(self, event: Any) -> dict[str, Any]:
        fields = event.fields
        for name in ("event_id", "instance_id", "timestamp", "expires_at"):
            fields.pop(name, None)
        known = {there: here for here, there in self.names.items()}
        return {name: known.get(value, value) if isinstance(value, str) else value for name, value in fields.items()}

    def learn(self) -> None:
        ours = [event.data["attempt_id"] for event in self.events() if "attempt_id" in event.data]
        theirs = [s["event"]["attempt_id"] for s in self.steps if "attempt_id" in s.get("event", {})]
        self.names.update(zip(theirs, ours, strict=False))

    def answered(self) -> list[tuple[int, str, list[str]]]:
        found = []
        for passage in self.world.network.log:
            if passage.source == (SERVER, 5060):
                message = parse_message(passage.data)
                assert isinstance(message, Response)
                found.append((message.status, message.reason, sorted(message.headers.get_all("Contact"))))
        return found

    def do(self, step: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        registrations, body = self.world.service.registrations, step.get("body", {})
        method, _, path = step["do"].partition(" ")
        try:
            if method == "GET":
                views = [dict(view) for view in registrations.views()]
                for view in views:
                    for name in ("created_at", "last_refresh", "expires_at"):
                        assert view.pop(name)
                return 200, {"bindings": views}
            if method == "DELETE":
                aor, _, query = path.partition("?contact=")
                registrations.remove(aor, query)
                return 204, None
            _, name, verb = path.split("/")
            name = self.names.get(name, name)
            if verb == "challenge":
                registrations.challenge(name, **({"password": "", "ha1": ""} | body))
            else:
                getattr(registrations, verb)(name, *body.values())
        except CommandError as error:
            return error.status, {"error": error.message}
        return 202, {"status": {"accept": "accepting", "reject": "rejecting"}[verb]}


@pytest.mark.parametrize("name", ["decisions", "default_accept", "single_contact", "ttl"])
async def test_recorded(name: str) -> None:
    flow = json.loads((FLOWS / f"registrar_{name}.json").read_text())
    given = flow["settings"]
    settings = registrar(
        policy=RegistrarPolicy(several=given.get("SIP_REGISTRATION_ALLOW_MULTIPLE_CONTACTS") != "false"),
        consult_timeout=int(given.get("SIP_INBOUND_AUTH_CONSULT_TIMEOUT_MS", 2000)) / 1000,
        accept_by_default=given.get("SIP_INBOUND_REGISTER_DEFAULT") == "accept",
        sweep_interval=int(given.get("SIP_REGISTRATION_SWEEP_INTERVAL_MS", 1000)) / 1000,
    )
    async with world(registrar=settings) as w:
        await Replay(w, flow["steps"]).run()


# --- challenges


async def challenged(w: World, **terms: Any) -> tuple[str, str]:
    """An Authorization line that answers right."""
    register(w, 1, contact(), "Expires: 300")
    await settle()
    w.service.registrations.challenge(
        attempt(w), **({"realm": "lab", "username": "alice", "password": "pw", "ha1": ""} | terms)
    )
    await settle()
    (challenge,) = challenges_of(last(w))
    return authorization(challenge, Credentials("alice", "pw"), method="REGISTER", uri="sip:example.com", cnonce="c")


async def test_good_credentials_bind_for_as_long_as_the_operator_said() -> None:
    async with world() as w:
        line = await challenged(w, algorithm="SHA-256", qop=["auth"], max_expires=90)
        assert last(w).status == 401
        register(w, 2, contact(), "Expires: 300", ": ".join(line))
        await settle()
        assert (last(w).status, last(w).headers.get("Contact")) == (200, f"<sip:alice@{PEER}:5062>;expires=89")
        register(w, 3, contact(), "Expires: 300", ": ".join(line))  # the challenge is used up: ask again
        await settle()
        assert w.recorder.of("sip.registration_attempt")[-1].data["has_authorization"] is True
        assert w.events == ["sip.registration_attempt", "sip.registration_active", "sip.registration_attempt"]


async def test_wrong_credentials() -> None:
    async with world() as w:
        line = await challenged(w, password="other")
        register(w, 2, contact(), ": ".join(line))
        await settle()
        assert last(w).status == 403
        assert w.service.registrations.views() == []


async def test_credentials_are_good_for_the_address_that_was_asked_about_only() -> None:
    async with world() as w:
        line = await challenged(w)
        register(w, 2, contact(), ": ".join(line), to="sip:bob@example.com")
        await settle()
        assert last(w).status == 403
        assert w.service.registrations.views() == []


# --- what is refused at once


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Contact: *",), 400),
        (("Contact: *", "Expires: 60"), 400),
        (("Contact: *", contact(), "Expires: 0"), 400),
        (("Contact: garbage",), 400),
        ((contact(), "Expires: soon"), 400),
        ((contact(), "Require: outbound"), 420),
        ((contact("a"), contact("b"), contact("c")), 403),
    ],
)
async def test_refused_without_asking_anybody(lines: tuple[str, ...], status: int) -> None:
    async with world(registrar=attrs.evolve(ACCEPT, policy=RegistrarPolicy(max_contacts=2))) as w:
        register(w, 1, *lines)
        await settle()
        assert last(w).status == status
        assert w.events == []
        assert w.service.registrations.views() == []


async def test_a_late_request() -> None:
    async with world(registrar=ACCEPT) as w:
        register(w, 5, contact())
        await settle()
        register(w, 4, contact(more=";expires=0"))
        await settle()
        assert last(w).status == 500
        assert len(w.service.registrations.views()) == 1


async def test_of_two_that_wait_the_later_one_counts() -> None:
    async with world() as w:
        register(w, 1, contact(), "Expires: 100")
        await settle()
        first = attempt(w)
        register(w, 2, contact(), "Expires: 200")
        await settle()
        w.service.registrations.accept(attempt(w))
        w.service.registrations.accept(first)
        await settle()
        assert [answer.status for answer in answers(w)] == [200, 500]
        assert [view["granted_expires_seconds"] for view in w.service.registrations.views()] == [200]


async def test_domains() -> None:
    async with world(registrar=attrs.evolve(ACCEPT, domains=frozenset({"example.com"}))) as w:
        register(w, 1, contact(), to="sip:alice@elsewhere.test")
        register(w, 2, contact())
        await settle()
        assert [answer.status for answer in answers(w)] == [404, 200]


async def test_path() -> None:
    async with world(registrar=ACCEPT) as w:
        register(w, 1, contact(), "Path: <sip:192.0.2.9;lr>", "Supported: path", "Require: path")
        await settle()
        assert (last(w).status, last(w).headers.get_all("Path")) == (200, ["<sip:192.0.2.9;lr>"])
        assert last(w).headers.get("Date")
        w.service.create_outbound(OutboundRequest(to=AOR))
        await settle()
        (invite,) = w.sent("INVITE")
        assert invite.startswith(f"INVITE sip:alice@{PEER}:5062 SIP/2.0")
        assert "\r\nRoute: <sip:192.0.2.9;lr>\r\n" in invite
        assert w.network.log[-1].target == ("192.0.2.9", 5060)


# --- the operator


async def test_decisions_that_cannot_be() -> None:
    async with world() as w:
        register(w, 1, contact())
        await settle()
        registrations, name = w.service.registrations, attempt(w)
        for code in (200, 999, 100):
            with pytest.raises(Invalid):
                registrations.reject(name, code)
        with pytest.raises(Invalid):
            registrations.reject(name, 480, "two\r\nlines")
        with pytest.raises(Invalid):
            registrations.accept(name, -1)
        with pytest.raises(Invalid, match="realm is required"):
            registrations.challenge("nosuch", realm="", password="p", ha1="")
        with pytest.raises(NotFound, match=UNDECIDED):
            registrations.challenge("nosuch", realm="r", password="", ha1="xyz")
        with pytest.raises(Invalid):
            registrations.remove("")
        with pytest.raises(Invalid):
            registrations.remove(AOR, "sip:")
        registrations.reject(name, 480, "Not now")
        await settle()
        assert (last(w).status, last(w).reason) == (480, "Not now")


async def test_a_stop_sends_everybody_away() -> None:
    async with world() as w:
        register(w, 1, contact())
        await settle()
        w.service.drain()
        register(w, 2, contact())
        await settle()
        assert [(a.status, a.headers.get("Retry-After")) for a in answers(w)] == [(503, "5"), (503, "5")]
        with pytest.raises(NotFound):
            w.service.registrations.accept(attempt(w))


async def test_no_more_wait_than_allowed() -> None:
    async with world(registrar=registrar(max_parked=1)) as w:
        register(w, 1, contact())
        register(w, 1, contact(), call_id="other")
        await settle()
        assert [answer.status for answer in answers(w)] == [503]
        await trio.sleep(2)
        assert [answer.status for answer in answers(w)] == [503, 403]


# --- calls to phones


async def test_a_call_goes_to_the_contact_where_the_phone_is() -> None:
    async with world(registrar=ACCEPT) as w:
        register(w, 1, "Contact: <sip:alice@10.0.0.7:5070;ob>;q=0.5", "Contact: <sip:desk@10.0.0.7:5071>;q=0.4")
        await settle()
        leg = w.service.create_outbound(OutboundRequest(to="sip:alice@Example.com", outbound_proxy="sip:192.0.2.99"))
        await settle()
        (invite,) = w.sent("INVITE")
        assert invite.startswith("INVITE sip:alice@10.0.0.7:5070;ob SIP/2.0\r\n")
        assert f"\r\nTo: <{AOR}>\r\n" in invite
        assert "\r\nRoute:" not in invite
        assert w.network.log[-1].target == PHONE
        leg.hangup()


async def test_an_expired_phone_is_not_called() -> None:
    async with world(registrar=ACCEPT) as w:
        register(w, 1, contact(), "Expires: 60")
        await settle()
        assert w.service.registrations.reach(parse_uri(AOR)) is not None
        await trio.sleep(60)
        assert w.service.registrations.reach(parse_uri(AOR)) is None
        assert w.events[-1] == "sip.registration_expired"


async def test_the_connection_of_a_registered_phone_is_needed() -> None:
    async with world(registrar=ACCEPT) as w:
        flow = Hop("TCP", PEER, 40000, 7)
        message = parse_message(request("REGISTER", contact="<sip:alice@h>"))
        assert isinstance(message, Request)
        assert not w.agent.needs(flow)
        w.service.registrations.receive(RequestReceived(message, flow, object()))
        assert w.agent.needs(flow)
        assert not w.agent.needs(attrs.evolve(flow, connection=8))
        await trio.sleep(3600)
        assert not w.agent.needs(flow)
