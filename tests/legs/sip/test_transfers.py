"""Transfers of legs, out and in: the order of events of the recorded flows, and what the peer gets."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.legs.sip.world import World, sdp, settle, world
from vb.call.errors import Conflict, Invalid, NotFound
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.effects import InviteReceived, ReferAnswered, ReferNotified, ReferReceived
from vb.sip.refer import refer_to_value
from vb.sip.referral import ReferServer
from vb.sip.replaces import Replaces
from vb.sip.replacing import replaces_for_peer
from vb.sip.session import Session
from vb.sip.uri import parse_uri

BOB = "sip:bob@192.0.2.2:5060"


async def connected(w: World) -> tuple[Any, Session]:
    w.peer.acknowledge_answers()
    before = set(w.legs.all())
    session = w.peer.call(sdp("0 8 101"))
    await settle()
    [leg] = set(w.legs.all()) - before
    leg.answer()
    await settle()
    return leg, session


async def dialled(w: World) -> tuple[Any, Session]:
    leg = w.service.create_outbound(OutboundRequest(to=BOB))
    await settle()
    session = w.peer.called
    w.peer.do(session.accept, sdp("0 8"))
    await settle()
    assert leg.state == "connected"
    return leg, session


def told(w: World) -> list[tuple[str, Any]]:
    """The events of transfers, without the leg."""
    return [
        (event.type.removeprefix("leg.transfer_"), dict(event.fields_of_interest))
        for event in map(_Told, w.recorder.events)
        if event.type.startswith("leg.transfer_")
    ]


class _Told:
    def __init__(self, event: Any) -> None:
        self.type = event.type
        envelope = ("type", "timestamp", "event_id", "instance_id", "app_id", "leg_id")
        self.fields_of_interest = {k: v for k, v in event.fields.items() if k not in envelope}


def parked(w: World) -> ReferServer:
    """The REFER that the peer has got."""
    referral: ReferServer = w.peer.last(ReferReceived).referral
    return referral


def requests(w: World, method: str) -> list[str]:
    return w.sent(f"{method} ")


def line(message: str, name: str) -> str:
    return next((text.split(": ", 1)[1] for text in message.split("\r\n") if text.startswith(f"{name}: ")), "")


def notified(w: World) -> list[tuple[str, str, str]]:
    """Our NOTIFYs: event, state, status line."""
    return [
        (line(text, "Event"), line(text, "Subscription-State"), text.rstrip().split("\r\n")[-1])
        for text in requests(w, "NOTIFY")
    ]


def refer(w: World, session: Session, refer_to: str = "<sip:bob@192.0.2.9:7000>", **options: Any) -> Any:
    return w.peer.do(session.referrals.refer, refer_to, **options)


# --- out


async def test_a_blind_transfer() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        [sent] = requests(w, "REFER")
        assert line(sent, "Refer-To") == f"<{BOB}>"
        assert line(sent, "Referred-By") == "<sip:192.0.2.1>"
        w.peer.do(parked(w).accept)
        await settle()
        w.peer.do(parked(w).notify, 180)
        await settle()
        w.peer.do(parked(w).complete, 200)
        await settle()
        assert told(w) == [
            ("initiated", {"kind": "blind", "target": BOB}),
            ("progress", {"status_code": 100, "reason": "Trying"}),
            ("progress", {"status_code": 180, "reason": "Ringing"}),
            ("completed", {"status_code": 200, "reason": "OK"}),
        ]
        assert w.events[-1] == "leg.disconnected"
        assert w.reasons() == ["transfer_completed"]
        assert 'Q.850;cause=16;text="transfer_completed"' in requests(w, "BYE")[0]


async def test_an_attended_transfer_ends_both_legs() -> None:
    """RFC 3891 §7: the target's own tag is the to-tag."""
    async with world() as w:
        leg, _ = await connected(w)
        other, target = await dialled(w)
        w.service.transfers.transfer(leg.id, BOB, other.id)
        await settle()
        [sent] = requests(w, "REFER")
        replaces = f"{target.call_id}%3Bto-tag%3D{target.local_tag}%3Bfrom-tag%3D{target.remote_tag}"
        assert line(sent, "Refer-To") == f"<{BOB}?Replaces={replaces}>"
        w.peer.do(parked(w).accept)
        w.peer.do(parked(w).complete, 200)
        await settle()
        assert told(w)[0] == ("initiated", {"kind": "attended", "target": BOB, "replaces_leg_id": other.id})
        assert w.reasons() == ["transfer_completed", "transfer_completed"]
        assert w.legs.all() == []


@pytest.mark.parametrize(
    ("status", "reason", "shown"),
    [
        (486, "Busy Here", {"status_code": 486, "reason": "Busy Here"}),
        (603, "No", {"status_code": 603, "reason": "No"}),
    ],
)
async def test_a_transfer_that_comes_to_nothing(status: int, reason: str, shown: dict[str, Any]) -> None:
    async with world() as w:
        leg, _ = await connected(w)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        w.peer.do(parked(w).accept)
        w.peer.do(parked(w).complete, status, reason)
        await settle()
        assert told(w)[-1] == ("failed", shown)
        assert leg.state == "connected"


async def test_a_refused_refer_and_one_beside_another() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        first = parked(w)
        w.peer.do(first.accept)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        w.peer.do(parked(w).reject, 491)
        await settle()
        w.peer.do(first.complete, 486)
        await settle()
        kinds = [(kind, shown.get("error") or shown.get("status_code")) for kind, shown in told(w)]
        assert kinds == [
            ("initiated", None),
            ("initiated", None),
            ("progress", 100),
            ("failed", "REFER rejected: 491 Request Pending"),
            ("failed", 486),
        ]
        assert leg.state == "connected"


async def test_a_peer_that_never_tells() -> None:
    """202 and nothing else: 64*T1 (RFC 6665 §4.1.2.4)."""
    async with world() as w:
        leg, _ = await connected(w)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        referral = parked(w)
        referral._subscribed = False
        w.peer.do(referral.accept)
        await settle()
        assert told(w)[-1] == ("failed", {"error": "the peer tells no outcome"})


async def test_a_peer_that_stops_telling() -> None:
    async with world(rtp_timeout=0) as w:
        leg, _ = await connected(w)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        w.peer.do(parked(w).accept)
        await trio.sleep(200)
        assert told(w)[-1] == (
            "failed",
            {"status_code": 100, "reason": "Trying", "error": "the peer tells no more: timeout"},
        )
        assert leg.state == "connected"


@pytest.mark.parametrize("by_us", [True, False])
async def test_a_call_that_ends_before_the_outcome(by_us: bool) -> None:
    async with world() as w:
        leg, session = await connected(w)
        w.service.transfers.transfer(leg.id, BOB)
        await settle()
        w.peer.do(parked(w).accept)
        await settle()
        if by_us:
            leg.hangup()
        else:
            w.peer.do(session.bye)
        await settle()
        assert told(w)[-1] == ("failed", {"error": "the call ended before the outcome was known"})
        assert w.events[-1] == "leg.disconnected"
        assert w.service.transfers._outgoing == {}


async def test_transfers_that_are_refused_at_once() -> None:
    async with world() as w:
        leg, session = await connected(w)
        transfer = w.service.transfers.transfer
        for target in ("", "bob", "sip:", "http://x", "sip:a b@h"):
            with pytest.raises(Invalid):
                transfer(leg.id, target)
        with pytest.raises(NotFound):
            transfer("nosuch", BOB)
        for other in ("nosuch", leg.id):
            with pytest.raises(Conflict):
                transfer(leg.id, BOB, other)
        ringing = w.service.create_outbound(OutboundRequest(to=BOB))
        with pytest.raises(Conflict):
            transfer(leg.id, BOB, ringing.id)
        with pytest.raises(Conflict):
            transfer(ringing.id, BOB)
        w.peer.do(session.reinvite, sdp("0 8 101", "sendonly"))
        await settle()
        assert leg.state == "held"
        with pytest.raises(Conflict, match="leg must be connected to transfer"):
            transfer(leg.id, BOB)
        assert requests(w, "REFER") == []


async def test_refers_of_one_leg_are_bounded() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        for _ in range(8):
            w.service.transfers.transfer(leg.id, BOB)
        with pytest.raises(Conflict):
            w.service.transfers.transfer(leg.id, BOB)
        assert len(told(w)) == 8


# --- in, decided by the application


async def test_a_parked_refer_is_declined_in_time() -> None:
    async with world() as w:
        leg, session = await connected(w)
        refer(w, session)
        await trio.sleep(1.9)
        assert told(w) == [("requested", {"kind": "blind", "target": "sip:bob@192.0.2.9:7000", "declined": False})]
        await trio.sleep(0.2)
        assert told(w)[-1] == ("failed", {"status_code": 603, "reason": "Decline"})
        assert w.peer.last(ReferAnswered).response.status == 603
        with pytest.raises(NotFound, match="unknown or already decided"):
            w.service.transfers.accept(leg.id)
        assert requests(w, "NOTIFY") == []


async def test_accept_progress_and_complete() -> None:
    async with world() as w:
        leg, session = await connected(w)
        transfers = w.service.transfers
        refer(w, session)
        await settle()
        with pytest.raises(NotFound, match="no accepted transfer for leg"):
            transfers.progress(leg.id, 180)
        transfers.accept(leg.id)
        for verb in (transfers.accept, transfers.decline):
            with pytest.raises(NotFound):
                verb(leg.id)
        await settle()
        transfers.progress(leg.id, 180, "Ringing")
        await settle()
        transfers.progress(leg.id, 183)
        await trio.sleep(3)
        transfers.complete(leg.id, True)
        await settle()
        assert w.peer.last(ReferAnswered).response.status == 202
        active, over = "active;expires=60", "terminated;reason=noresource"
        assert notified(w) == [
            ("refer", active, "SIP/2.0 100 Trying"),
            ("refer", active, "SIP/2.0 180 Ringing"),
            ("refer", active, "SIP/2.0 183 Session Progress"),
            ("refer", over, "SIP/2.0 200 OK"),
        ]
        assert [event.status for event in w.peer.events if isinstance(event, ReferNotified)] == [100, 180, 183, 200]
        assert told(w)[1:] == [("completed", {"status_code": 200, "reason": "OK"})]
        with pytest.raises(NotFound, match="accept it first"):
            transfers.complete(leg.id, True)
        assert leg.state == "connected"


@pytest.mark.parametrize(
    ("status", "reason", "shown"), [(0, "", (500, "Server Internal Error")), (486, "Busy Here", (486, "Busy Here"))]
)
async def test_a_failure_is_told_with_its_code(status: int, reason: str, shown: tuple[int, str]) -> None:
    async with world() as w:
        leg, session = await connected(w)
        refer(w, session)
        await settle()
        w.service.transfers.accept(leg.id)
        w.service.transfers.complete(leg.id, False, status, reason)
        await settle()
        assert told(w)[-1] == ("failed", {"status_code": shown[0], "reason": shown[1]})
        assert notified(w)[-1][2] == f"SIP/2.0 {shown[0]} {shown[1]}"


@pytest.mark.parametrize(
    ("code", "reason", "shown"),
    [(0, "", (603, "Decline")), (486, "Busy", (486, "Busy")), (404, "", (404, "Not Found"))],
)
async def test_decline(code: int, reason: str, shown: tuple[int, str]) -> None:
    async with world() as w:
        leg, session = await connected(w)
        refer(w, session)
        await settle()
        w.service.transfers.decline(leg.id, code, reason)
        await settle()
        response = w.peer.last(ReferAnswered).response
        assert (response.status, response.reason) == shown
        assert told(w)[-1] == ("failed", {"status_code": shown[0], "reason": shown[1]})
        await trio.sleep(5)
        assert len(told(w)) == 2


async def test_an_attended_transfer_names_the_call_that_it_replaces() -> None:
    async with world() as w:
        leg, session = await connected(w)
        refer(w, session, refer_to_value(parse_uri("sip:bob@192.0.2.9"), Replaces("abc@h", "1", "2")))
        await settle()
        shown = {"kind": "attended", "target": "sip:bob@192.0.2.9", "replaces_call_id": "abc@h", "declined": False}
        assert told(w) == [("requested", shown)]
        w.service.transfers.decline(leg.id)


async def test_a_second_refer_waits_for_nobody() -> None:
    async with world() as w:
        leg, session = await connected(w)
        refer(w, session)
        await settle()
        refer(w, session)
        await settle()
        assert w.peer.last(ReferAnswered).response.status == 491
        w.service.transfers.decline(leg.id)
        await settle()
        assert [kind for kind, _ in told(w)] == ["requested", "failed"]


async def test_a_refer_for_something_else_than_a_call() -> None:
    async with world() as w:
        _, session = await connected(w)
        refer(w, session, "<sip:bob@192.0.2.9;method=BYE>")
        await settle()
        assert w.peer.last(ReferAnswered).response.status == 603
        assert told(w) == []


async def test_no_time_to_decide_is_a_decline() -> None:
    async with world(refer_timeout=0.0) as w:
        _, session = await connected(w)
        refer(w, session)
        await settle()
        assert [(kind, shown.get("declined")) for kind, shown in told(w)] == [("requested", True), ("failed", None)]
        assert w.peer.last(ReferAnswered).response.status == 603


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_referrer_that_hangs_up(accepted: bool) -> None:
    async with world() as w:
        leg, session = await connected(w)
        refer(w, session)
        await settle()
        if accepted:
            w.service.transfers.accept(leg.id)
            await settle()
        w.peer.do(session.bye)
        await settle()
        failed = [("failed", {"status_code": 487, "reason": "Request Terminated"})]
        assert told(w)[1:] == ([] if accepted else failed)
        with pytest.raises(NotFound):
            w.service.transfers.complete(leg.id, True)
        assert w.service.transfers._incoming == {}


@pytest.mark.parametrize("reason", ["Busy\r\nVia: x", "\ud800", "x" * 201])
async def test_a_reason_that_is_no_phrase(reason: str) -> None:
    async with world() as w:
        leg, session = await connected(w)
        transfers = w.service.transfers
        refer(w, session)
        await settle()
        with pytest.raises(Invalid):
            transfers.decline(leg.id, 486, reason)
        transfers.accept(leg.id)
        with pytest.raises(Invalid):
            transfers.progress(leg.id, 180, reason)
        with pytest.raises(Invalid):
            transfers.complete(leg.id, False, 486, reason)
        transfers.complete(leg.id, False, 486, "Besetzt, bitte später")
        await settle()
        assert w.peer.last(ReferNotified).reason == "Besetzt, bitte später"


# --- in, dialled by ourselves


def auto_dialled(w: World) -> Any:
    """What the target got."""
    return next(event for event in reversed(w.peer.events) if isinstance(event, InviteReceived))


async def test_auto_dial_calls_and_hangs_the_referrer_up() -> None:
    async with world(refer_auto_dial=True) as w:
        _, session = await connected(w)
        refer(w, session, f"<{BOB}>", referred_by="<sip:alice@192.0.2.2>;x=1")
        await settle()
        invite = auto_dialled(w)
        assert invite.request.headers.get("Referred-By") == "<sip:alice@192.0.2.2>;x=1"
        assert invite.request.headers.get("From").startswith("<sip:alice@192.0.2.2>;tag=")
        w.peer.do(invite.session.provisional, 183, body=sdp("0"))
        await settle()
        w.peer.do(invite.session.accept, sdp("0"))
        await settle()
        assert [status for _, _, status in notified(w)] == [
            "SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK",
        ]  # fmt: skip
        assert [kind for kind, _ in told(w)] == ["requested", "completed"]
        assert w.reasons() == ["transfer_completed"]
        new = w.leg
        assert (new.type, new.state, new.room_id) == ("sip_outbound", "connected", "")
        order = [name for name in w.events if name not in ("leg.early_media", "leg.transfer_requested")]
        assert order[-4:] == ["leg.ringing", "leg.connected", "leg.transfer_completed", "leg.disconnected"]


async def test_auto_dial_names_the_referrer_itself_and_the_call_to_replace() -> None:
    """RFC 3892 §3, RFC 3891 §4, §7."""
    async with world(refer_auto_dial=True) as w:
        other, target = await dialled(w)
        _, session = await connected(w)
        replaces = replaces_for_peer(other.session)
        refer(w, session, refer_to_value(parse_uri(BOB), replaces))
        await settle()
        invite = auto_dialled(w)
        assert invite.replaces is target
        assert invite.request.headers.get("Referred-By") == "<sip:alice@192.0.2.2>"
        assert invite.request.headers.get_all("Replaces") == [str(replaces)]


@pytest.mark.parametrize(("status", "phrase"), [(486, "Busy Here"), (404, "Not Found"), (603, "Decline")])
async def test_auto_dial_tells_the_real_failure(status: int, phrase: str) -> None:
    async with world(refer_auto_dial=True) as w:
        leg, session = await connected(w)
        refer(w, session, f"<{BOB}>")
        await settle()
        w.peer.do(auto_dialled(w).session.reject, status)
        await settle()
        assert notified(w)[-1] == ("refer", "terminated;reason=noresource", f"SIP/2.0 {status} {phrase}")
        assert told(w)[-1] == ("failed", {"status_code": status, "reason": phrase})
        assert w.reasons() == ["transfer_originate_failed"]
        assert w.events[-2:] == ["leg.transfer_failed", "leg.disconnected"]
        assert leg.state == "connected"


@pytest.mark.parametrize(
    ("target", "status"),
    [("<http://x>", 416), ("<sip:bob@192.0.2.2;transport=ws>", 503), ("<sip:bob@[2001:db8::1]>", 503)],
)
async def test_auto_dial_of_what_cannot_be_called(target: str, status: int) -> None:
    async with world(refer_auto_dial=True) as w:
        _, session = await connected(w)
        refer(w, session, target)
        await settle()
        assert told(w)[-1][1]["status_code"] == status
        assert [kind for kind, _ in told(w)] == ["requested", "failed"]
        assert notified(w)[-1][2].startswith(f"SIP/2.0 {status} ")


async def test_auto_dial_rings_until_just_before_the_subscription_ends() -> None:
    async with world(refer_auto_dial=True, rtp_timeout=0) as w:
        _, session = await connected(w)
        refer(w, session, f"<{BOB}>")
        await settle()
        w.peer.do(auto_dialled(w).session.provisional)
        await trio.sleep(60)
        assert told(w)[-1] == ("failed", {"status_code": 408, "reason": "Request Timeout"})
        assert [state for _, state, _ in notified(w)] == ["active;expires=60", "terminated;reason=noresource"]
        assert w.reasons() == ["transfer_originate_failed"]


async def test_auto_dial_goes_on_without_the_referrer() -> None:
    async with world(refer_auto_dial=True) as w:
        leg, session = await connected(w)
        refer(w, session, f"<{BOB}>")
        await settle()
        w.peer.do(session.bye)
        await settle()
        w.peer.do(auto_dialled(w).session.accept, sdp("0"))
        await settle()
        assert w.leg.state == "connected"
        assert [kind for kind, _ in told(w)] == ["requested"]
        assert leg.cdr.reason == "remote_bye"


async def test_auto_dial_of_a_call_that_is_answered_and_ends_at_once() -> None:
    async with world(refer_auto_dial=True) as w:
        _, session = await connected(w)
        refer(w, session, f"<{BOB}>")
        await settle()
        invite = auto_dialled(w)
        w.peer.do(invite.session.accept, b"v=0\r\n")
        await settle()
        assert told(w)[-1] == ("failed", {"status_code": 488, "reason": "Not Acceptable Here"})
        assert w.reasons() == ["transfer_connect_failed"]


# --- calls that replace others


async def test_a_call_that_replaces_another_takes_its_place() -> None:
    """RFC 3891 §3."""
    async with world() as w:
        moved: list[tuple[Any, Any]] = []
        w.service.on_replaced.append(lambda old, new: moved.append((old, new)))
        leg, session = await connected(w)
        w.peer.call(sdp("0"), headers=[("Replaces", str(replaces_for_peer_of(session)))])
        await settle()
        [new] = [other for other in w.legs.all() if other is not leg]
        assert leg.state == "connected"
        new.answer()
        await settle()
        assert w.legs.all() == [new]
        assert moved == [(leg, new)]
        assert w.reasons() == ["transfer_completed"]


async def test_a_call_that_would_replace_one_that_is_over() -> None:
    async with world() as w:
        leg, session = await connected(w)
        value = str(replaces_for_peer_of(session))
        leg.hangup()
        await settle()
        w.peer.call(sdp("0"), headers=[("Replaces", value)])
        await settle()
        assert w.peer.statuses()[-1] == 603
        assert w.legs.all() == []


def replaces_for_peer_of(session: Session) -> Replaces:
    """As a third party would be told by the session's own peer."""
    dialog = session.dialog
    assert dialog is not None
    return Replaces(dialog.call_id, dialog.remote_tag, dialog.local_tag)
