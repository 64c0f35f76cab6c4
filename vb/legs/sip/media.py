"""The audio of one SIP call: an RTP port, the offer/answer exchange, and applying the one to the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vb.call.errors import Unavailable
from vb.legs.sip.settings import Address, Platform
from vb.media.events import MediaEvent
from vb.media.port_pool import PortsExhausted
from vb.media.settings import RtcpParams, StreamParams
from vb.sdp.formats import Codec
from vb.sdp.offer_answer import Negotiated, Negotiation

if TYPE_CHECKING:
    import socket

    from vb.media.port import Port

log = logging.getLogger("vb.legs")


class CallMedia:
    """One call's audio. ``port`` is None until ``open``; the leg closes it, then calls ``release``."""

    def __init__(self, platform: Platform, address: Address, codecs: Sequence[Codec]) -> None:
        self._platform = platform
        self._pool = platform.pools[address.bind]
        self._number = 0
        self.port: Port | None = None
        self.negotiation = Negotiation(
            address=address.advertised,
            codecs=codecs,
            session_id=platform.rng.getrandbits(62),
            strict_mlines=platform.settings.strict_mlines,
        )

    @property
    def current(self) -> Negotiated | None:
        return self.negotiation.current

    @property
    def number(self) -> int:
        """Our RTP port number, once open."""
        return self._number

    def open(self, notify: Callable[[MediaEvent], None]) -> Port:
        """Take an RTP port and a row of the media clock. Raises Unavailable when none is free; nothing is kept then."""
        try:
            sock: socket.socket = self._pool.open()
        except PortsExhausted as error:
            raise Unavailable(str(error) or "no RTP port is free") from None
        except OSError as error:  # the address is not ours, or not any more
            log.error("no RTP socket", extra={"error": str(error)})  # noqa: TRY400  (the words say all)
            raise Unavailable("no RTP socket can be opened") from None
        self._number = sock.getsockname()[1]
        try:
            self.port = self._platform.clock.attach(sock, notify)
        except BaseException:
            sock.close()
            self.release()
            raise
        return self.port

    def release(self) -> None:
        """Give the port number back; after the port itself was closed. Once is enough, twice does no harm."""
        number, self._number = self._number, 0
        self.port = None
        if number:
            self._pool.release(number)

    def apply(self, *, silent: bool, signalling_host: str, pinhole: bool) -> None:
        """Make the port do what the exchange agreed; ``silent``: send nothing (held), whatever it says.

        ``pinhole``: begin with a burst of silence. Only calls of ours do: a burst fills the peer's jitter buffer.
        """
        current, port = self.current, self.port
        if current is None or port is None:
            return
        sends = current.direction in ("sendrecv", "sendonly")
        port.configure(
            StreamParams(
                remote_host=current.remote_host,
                remote_port=current.remote_port,
                codec_name=current.codec.name,  # type: ignore[arg-type]  # only codecs that can run are negotiated
                send_payload_type=current.codec.payload_type,
                receive={number: codec.name for number, codec in current.receive.items()},
                telephone_event_send=current.telephone_event,
                telephone_event_receive=current.telephone_event_receive,
                ptime_ms=current.ptime_ms,
                send=sends and not silent,
                receive_enabled=current.direction in ("sendrecv", "recvonly"),
                signalling_host=signalling_host,
                pinhole=pinhole,
                rtcp=RtcpParams(*current.remote_rtcp, mux=current.rtcp_mux),
            )
        )

    @property
    def expects_audio(self) -> bool:
        """Whether the peer is to send to us."""
        return self.current is not None and self.current.direction in ("sendrecv", "recvonly")
