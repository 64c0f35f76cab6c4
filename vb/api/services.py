"""What the API translates to: the parts of the platform, as far as the API uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import attrs

from vb.activity.playback import Playbacks
from vb.activity.recording import Recordings
from vb.api.http_post import check_url
from vb.api.webhooks import BadTarget
from vb.call.errors import Invalid
from vb.call.events import EventBus, Webhook
from vb.call.leg import Leg
from vb.call.legs import Legs
from vb.call.traces import CallTraces
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.registrations import Registrations
from vb.legs.sip.transfers import Transfers
from vb.room.rooms import Rooms

State = Literal["starting", "ready", "draining"]


class Dialer(Protocol):
    """Makes outbound legs, transfers and registrations. Raises CommandError before anything happened."""

    @property
    def transfers(self) -> Transfers: ...

    @property
    def registrations(self) -> Registrations: ...

    def create_outbound(self, request: OutboundRequest, before: Callable[[Leg], None] = ...) -> Leg: ...


@attrs.define
class Readiness:
    """Whether the process wants traffic; ``app`` writes it, /readyz reads it."""

    state: State = "starting"


@attrs.frozen(kw_only=True)
class Services:
    """Everything an operation may use. ``gauges`` gives further numbers for /metrics, by metric name."""

    instance_id: str
    bus: EventBus
    legs: Legs
    rooms: Rooms
    sip: Dialer
    playbacks: Playbacks
    recordings: Recordings
    traces: CallTraces = attrs.field(factory=CallTraces)
    readiness: Readiness = attrs.field(factory=Readiness)
    gauges: Callable[[], Mapping[str, float]] = dict


def webhook_of(url: str, secret: str) -> Webhook | None:
    """The webhook that a request names; None without a URL. Raises Invalid for one that cannot be posted to."""
    if not url:
        return None
    try:
        check_url(url)
    except BadTarget as error:
        raise Invalid(f"invalid webhook_url: {error}") from None
    return Webhook(url, secret)
