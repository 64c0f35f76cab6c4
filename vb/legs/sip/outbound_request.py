"""What an outbound call is asked to be, with everything that can be wrong about it found before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from vb.call.errors import Invalid, Unavailable
from vb.call.events import Webhook
from vb.sdp.formats import Codec, find_codec, parse_codec_names
from vb.sip.digest import Credentials
from vb.sip.uri import Uri

__all__ = ["Credentials", "OutboundRequest", "check_times", "check_transport", "chosen_codecs"]

_LONGEST = 10 * 365 * 86400


@attrs.frozen(kw_only=True)
class OutboundRequest:
    """One call to make. ``ring_timeout`` and ``max_duration`` are seconds, 0 for none; ``codecs`` names in order.

    ``dtmf`` names the methods of digits (`vb.legs.sip.digits.METHODS`) in order, none: as configured.
    ``auth`` answers a digest challenge; an empty username there is the user of From. ``referred`` are the header lines
    of a call that somebody has asked for by REFER (Referred-By, Replaces).
    """

    to: str
    from_: str = ""
    privacy: str = ""
    outbound_proxy: str = ""
    ring_timeout: float = 0.0
    max_duration: float = 0.0
    codecs: Sequence[str] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    app_id: str = ""
    webhook: Webhook | None = None
    accept_dtmf: bool = True
    speech_detection: bool | None = None
    auth: Credentials | None = None
    dtmf: Sequence[str] = ()
    referred: tuple[tuple[str, str], ...] = ()


def chosen_codecs(names: Sequence[str], configured: Sequence[Codec]) -> tuple[Codec, ...]:
    """The codecs to offer: the named ones, else the configured ones. Raises Invalid for a name that nobody knows."""
    if not names:
        return tuple(configured)
    for name in names:
        if find_codec(name) is None:
            raise Invalid(f"unknown codec: {name}")
    codecs = parse_codec_names(names)[0]
    if not codecs:
        raise Invalid(f"codecs cannot run: {', '.join(names)}")
    return codecs


def check_times(request: OutboundRequest) -> None:
    """Raises Invalid for a negative or absurd time."""
    for name in ("ring_timeout", "max_duration"):
        seconds = getattr(request, name)
        if not 0 <= seconds <= _LONGEST:
            raise Invalid(f"{name} must be between 0 and {_LONGEST}")


def check_transport(target: Uri, proxy: Uri | None) -> None:
    """Raises Unavailable for a transport that the server cannot send by; the proxy's wins."""
    uri = proxy or target
    transport = (uri.param("transport") or "").lower()
    if transport in ("ws", "wss"):
        raise Unavailable(f"no transport for {uri}: WebSockets are opened by clients")
    if transport not in ("", "udp", "tcp", "tls"):
        raise Invalid(f"unknown transport {transport}")
    if uri.scheme == "sips" and transport == "udp":  # RFC 3261 §26.2.2
        raise Invalid("a SIPS URI cannot be reached by UDP")
