"""Whose packets are believed, and where ours go: symmetric RTP with a lock against hijackers.

Pure decisions; the media plane asks for the rows that do not come from the connected peer.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

import attrs

Address = tuple[str, int]
Mode = Literal["lock", "sdp", "follow"]

SAME_STREAM_S = 1.0
"""Silence after which the same SSRC may come from another address (a NAT binding that moved)."""
KNOWN_PLACE_S = 5.0
"""Silence after which a source at the SDP or the signalling address takes over."""


@lru_cache(maxsize=4096)
def plain_host(host: str) -> str:
    """One spelling per address: IPv4-mapped IPv6 as IPv4, no scope, shortest form; names in lower case."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower()
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


# RFC 1918, RFC 6598, RFC 3927; RFC 4193, RFC 4291 §2.5.6
_PRIVATE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


@lru_cache(maxsize=4096)
def _is_private(host: str) -> bool | None:
    """None for names, and for this machine, which is neither."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    return any(address in network for network in _PRIVATE if network.version == address.version)


def _behind_nat(sdp: str, signalling: str) -> bool:
    return _is_private(sdp) is True and _is_private(signalling) is False


def _unspecified(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")  # noqa: S104  (RFC 3264 §8.4: on hold the old way)


@attrs.define
class Latch:
    """One leg's remote side.

    ``lock``: the first source whose host is that of the SDP or of the signalling; afterwards only that source, except
    that the same SSRC may move after 1 s of silence, and a source at the SDP or signalling host may take over after
    5 s. ``sdp``: packets are accepted by the same rules, ours always go where the SDP says. ``follow``: any source,
    always the newest.
    """

    mode: Mode = "lock"
    source: Address | None = None
    """Whose packets are accepted; None before the first."""
    ssrc: int | None = None
    last_heard: float = 0.0
    refused: int = 0
    """Packets of strangers."""
    _sdp: Address | None = None
    _signalling: str = ""
    _left: Address | None = None
    """The source before the SDP address moved: what is still on its way from there must not take the lock back."""
    _reopened: bool = False
    """The signalling moved: whoever is in keeping with it takes over without waiting."""

    @property
    def remote(self) -> Address | None:
        """Where to send; None while nobody said and nobody came.

        Before the first packet that is the SDP address, except a private one of a peer whose signalling comes from a
        public one: nobody of ours lives there, so its port is tried at the signalling host (RFC 7362 §4).
        """
        if self.mode != "sdp" and self.source is not None:
            return self.source
        if self.mode != "sdp" and self._sdp is not None and _behind_nat(self._sdp[0], self._signalling):
            return (self._signalling, self._sdp[1])
        return self._sdp

    @property
    def latched(self) -> bool:
        return self.source is not None

    @property
    def awaits_move(self) -> bool:
        """Whether a packet from another place may be the next: the socket must not be connected to the present one."""
        return self._reopened

    def negotiate(self, sdp: Address | None, signalling: str = "") -> None:
        """An offer/answer completed: the peer's SDP address and the host that its signalling comes from.

        The first call, or one that moves the SDP address (a re-INVITE), forgets the source: the next in keeping with
        the new addresses is taken, the old source itself not within a second. One that comes from another signalling
        host lets the next in keeping take over, the present source stays until then. One that changes nothing keeps
        the lock (hold, codec change, session refresh). An unspecified address (RFC 3264 §8.4) is no new address.
        """
        if signalling and plain_host(signalling) != self._signalling:
            self._reopened = self.source is not None
            self._signalling = plain_host(signalling)
        if sdp is None or _unspecified(plain_host(sdp[0])):
            return
        target = (plain_host(sdp[0]), sdp[1])
        if target != self._sdp:
            self._left = self.source or self._left
            self._sdp, self.source, self.ssrc, self._reopened = target, None, None, False

    def receive(self, source: tuple[object, ...], ssrc: int, now: float) -> bool:
        """Whether the packet is to be heard. ``source`` is a socket address (host, port, ...), ``now`` in seconds."""
        place = (plain_host(str(source[0])), int(str(source[1])))
        if place != self.source:
            if not self._may_move(place, ssrc, now):
                self.refused += 1
                return False
            self._reopened = False
        self.source, self.ssrc, self.last_heard = place, ssrc, now
        return True

    def heard(self, now: float) -> None:
        """The latched source was heard: the fast path says so without a call of ``receive`` per packet."""
        self.last_heard = now

    def _may_move(self, place: Address, ssrc: int, now: float) -> bool:
        if self.mode == "follow":
            return True
        silence = now - self.last_heard
        if self.source is None and place == self._left != self._sdp and silence < SAME_STREAM_S:
            return False
        if self.source is None or (self._reopened and place[0] == self._signalling):
            return self._in_keeping(place)
        if ssrc == self.ssrc and silence >= SAME_STREAM_S:
            return True
        return silence >= KNOWN_PLACE_S and self._in_keeping(place)

    def _in_keeping(self, place: Address) -> bool:
        """Hosts are compared, not ports: a NAT may have changed those."""
        host = place[0]
        return host == self._signalling or (self._sdp is not None and host == self._sdp[0])
