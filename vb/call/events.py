"""Events: what happened, as values, and the bus that hands each one to everybody who listens.

Publication is synchronous and in order: when ``publish`` returns, every subscriber has seen the event. A subscriber
must not block and must not raise; one that raises is logged and does not disturb the others.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Protocol

import attrs
import msgspec

log = logging.getLogger("vb.call")
_ENCODER: Final = msgspec.json.Encoder(order="sorted")

# An empty value is left out of an event, except where the field is always there and empty says something.
_KEPT_EMPTY: Final = frozenset(
    {"srtp", "file", "old_role", "new_role", "text", "participants", "streams", "matrix", "content_type", "body"}
)


@attrs.frozen
class Webhook:
    """Where events are posted: an http(s) URL and the key of their HMAC-SHA256 signature ("" for none)."""

    url: str
    secret: str = attrs.field(default="", repr=lambda _: "***")


class LegLike(Protocol):
    """What the bus reads of a leg."""

    @property
    def id(self) -> str: ...
    @property
    def app_id(self) -> str: ...
    @property
    def webhook(self) -> Webhook | None: ...


class RoomLike(Protocol):
    """What the bus reads of a room."""

    @property
    def id(self) -> str: ...
    @property
    def app_id(self) -> str: ...
    @property
    def webhook(self) -> Webhook | None: ...


@attrs.frozen(eq=False)
class Event:
    """One event. ``data`` holds the fields beside the envelope; ``route`` is where it is posted (None: global)."""

    type: str
    timestamp: str
    event_id: str
    instance_id: str
    app_id: str = ""
    leg_id: str = ""
    room_id: str = ""
    data: Mapping[str, Any] = attrs.field(factory=dict)
    route: Webhook | None = None

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The flat object: envelope and data, keys whose value is empty left out."""
        flat: dict[str, Any] = {
            "type": self.type,
            "timestamp": self.timestamp,
            "event_id": self.event_id,
            "instance_id": self.instance_id,
        }
        for name in ("app_id", "leg_id", "room_id"):
            if value := getattr(self, name):
                flat[name] = value
        for name, value in self.data.items():
            if value is None or (value in ("", [], {}, ()) and name not in _KEPT_EMPTY):
                continue
            flat[name] = value
        return flat

    @cached_property
    def json(self) -> bytes:
        """The event as it goes out, keys sorted; encoded once however many clients and webhooks get it."""
        return _ENCODER.encode(self.fields)


class EventBus:
    """Hands events out. ``clock`` gives seconds since 1970 (UTC)."""

    def __init__(self, instance_id: str, clock: Callable[[], float] = time.time) -> None:
        self.instance_id = instance_id
        self.published = 0
        self._clock = clock
        self._subscribers: tuple[Callable[[Event], None], ...] = ()

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``callback`` with every event from now on. The returned function ends this; twice is fine."""
        entry = _Entry(callback)
        self._subscribers = (*self._subscribers, entry)

        def unsubscribe() -> None:
            self._subscribers = tuple(other for other in self._subscribers if other is not entry)

        return unsubscribe

    def publish(
        self,
        type_: str,
        data: Mapping[str, Any] | None = None,
        *,
        leg: LegLike | None = None,
        room: RoomLike | None = None,
        room_routed: bool = True,
    ) -> Event:
        """Publish one event about a leg, a room, both or neither.

        The leg's webhook gets it, else the room's (unless ``room_routed`` is false), else the global one.
        """
        route = leg.webhook if leg is not None else None
        if route is None and room is not None and room_routed:
            route = room.webhook
        event = Event(
            type=type_,
            timestamp=rfc3339(self._clock()),
            event_id=str(uuid.uuid4()),
            instance_id=self.instance_id,
            app_id=leg.app_id if leg is not None else room.app_id if room is not None else "",
            leg_id=leg.id if leg is not None else "",
            room_id=room.id if room is not None else "",
            data=data if data is not None else {},
            route=route,
        )
        self.published += 1
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:
                log.exception("event subscriber failed", extra={"event_type": type_})
        return event


class _Entry:
    """One subscription: two of the same callback stay two."""

    def __init__(self, callback: Callable[[Event], None]) -> None:
        self._callback = callback

    def __call__(self, event: Event) -> None:
        self._callback(event)


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with microseconds, as in ``2026-11-21T14:00:00.123456Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
