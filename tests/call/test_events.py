"""Events in the flat form of the wire."""

from __future__ import annotations

import json

import attrs
import pytest

from vb.call.events import Event, EventBus, Webhook, rfc3339


@attrs.frozen
class Something:
    id: str
    app_id: str = ""
    webhook: Webhook | None = None


def test_flat_sorted_and_empty_fields_left_out() -> None:
    bus = EventBus("node-1", clock=lambda: 0.5)
    event = bus.publish("leg.ringing", {"from": "alice", "trunk_id": "", "x": None, "list": []}, leg=Something("L"))
    fields = json.loads(event.json)
    assert list(fields) == sorted(fields)
    assert fields == {
        "type": "leg.ringing",
        "timestamp": "1970-01-01T00:00:00.500000Z",
        "event_id": event.event_id,
        "instance_id": "node-1",
        "leg_id": "L",
        "from": "alice",
    }


def test_zero_and_false_are_values() -> None:
    event = EventBus("n").publish("x", {"seq": 0, "declined": False, "srtp": ""})
    assert {"seq", "declined", "srtp"} <= json.loads(event.json).keys()


def test_the_leg_s_webhook_wins_over_the_room_s() -> None:
    mine, ours = Webhook("http://leg"), Webhook("http://room", "s")
    bus = EventBus("n")
    assert bus.publish("x", leg=Something("L", webhook=mine), room=Something("R", webhook=ours)).route is mine
    assert bus.publish("x", leg=Something("L"), room=Something("R", webhook=ours)).route is ours
    assert bus.publish("x", leg=Something("L"), room=Something("R", webhook=ours), room_routed=False).route is None


def test_the_app_of_the_leg_or_else_of_the_room() -> None:
    bus = EventBus("n")
    assert bus.publish("x", leg=Something("L", "a"), room=Something("R", "b")).app_id == "a"
    assert bus.publish("x", room=Something("R", "b")).fields["app_id"] == "b"


def test_a_failing_subscriber_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus = EventBus("n")
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("bug")

    bus.subscribe(broken)
    unsubscribe = bus.subscribe(seen.append)
    bus.publish("one")
    unsubscribe()
    unsubscribe()
    bus.publish("two")
    assert [event.type for event in seen] == ["one"]
    assert "event subscriber failed" in caplog.text


def test_a_secret_is_not_shown() -> None:
    assert "hush" not in repr(Webhook("http://x", "hush"))


def test_timestamps() -> None:
    assert rfc3339(1_700_000_000) == "2023-11-14T22:13:20.000000Z"
