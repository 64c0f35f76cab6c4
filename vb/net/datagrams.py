"""The UDP sockets of an endpoint: batches in, one datagram after the other out, nothing awaited while sending."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable

import attrs
import trio

from vb.net.addresses import is_wildcard, numeric_family
from vb.net.outbox import Outbox
from vb.net.settings import NetSettings
from vb.net.udp import Datagram, DatagramSocket
from vb.sip.effects import Send

log = logging.getLogger("vb.net")

ERROR_PAUSE = 0.01
_LATER = (errno.ENOBUFS, errno.ENOMEM)
_ANOTHERS = (errno.ECONNREFUSED,)  # an earlier datagram's ICMP error, told at this send


@attrs.frozen
class _Addressed:
    """A queued send and the numeric address that it goes to."""

    send: Send
    address: tuple[str, int]

    @property
    def data(self) -> bytes:
        return self.send.data

    @property
    def close(self) -> bool:
        return False


class DatagramPort:
    """One socket with what waits to be sent through it.

    A full outbox drops the newest datagram, as a network would: retransmissions are SIP's answer to that (RFC 3261
    §17). A queued send that can never succeed is told to ``failed``.
    """

    def __init__(self, sock: DatagramSocket, settings: NetSettings, failed: Callable[[Send], None]) -> None:
        self.socket = sock
        self.received = 0
        self.sent = 0
        self.dropped = 0
        self.errors = 0
        self._failed = failed
        self._settings = settings
        self._outbox: Outbox[_Addressed] = Outbox(settings.outbox_messages, settings.outbox_octets)

    @property
    def waiting(self) -> int:
        return len(self._outbox)

    def serves(self, family: int, local: tuple[str, int] | None) -> int:
        """How well this socket suits a send: 0 not at all, more is better (the one that the peer wrote to, at best)."""
        if self.socket.family != family:
            return 0
        host, port = self.socket.local
        if local is None or local[1] != port:
            return 1
        return 3 if local[0] == host else 2 if is_wildcard(host) else 1

    def post(self, send: Send, address: tuple[str, int]) -> bool:
        """Send to the numeric address and port of its hop, now or behind what waits. False: it can never be sent."""
        try:
            if not self._outbox and self._try(send, address):
                return True
        except OSError as error:
            self._note(send, error)
            return False
        if not self._outbox.post(_Addressed(send, address)):
            self.dropped += 1
        return True

    def receive_batch(self, take: Callable[[Datagram], None]) -> bool:
        """Hand over up to a batch of datagrams; True when there may be more.

        Raises:
            OSError: the network reported an error, perhaps an ICMP one; the socket goes on.
        """
        started = trio.current_time()
        for _ in range(self._settings.batch):
            datagram = self.socket.receive_nowait()
            if datagram is None:
                return False
            self.received += 1
            take(datagram)
            if trio.current_time() - started >= self._settings.batch_seconds:
                return True
        return True

    async def run_receiver(self, take: Callable[[Datagram], None], carry_out: Callable[[], None]) -> None:
        """Read for ever. Between batches everyone else gets a turn, so a flood delays no timer."""
        while True:
            await self.socket.wait_readable()
            more = True
            while more:
                try:
                    more = self.receive_batch(take)
                except OSError as error:
                    self.errors += 1
                    log.debug("receive error", extra={"error": str(error)})
                    await trio.sleep(ERROR_PAUSE)  # should it persist, it takes no more than a hundredth of a core
                carry_out()
                await trio.lowlevel.checkpoint()

    async def run_writer(self) -> None:
        """Send what had to wait, as the socket becomes writable."""

        async def write(item: _Addressed) -> None:
            try:
                while not self._try(item.send, item.address):
                    await self.socket.wait_writable()
            except OSError as error:
                self._note(item.send, error)
                self._failed(item.send)

        await self._outbox.run(write)

    def _try(self, send: Send, address: tuple[str, int]) -> bool:
        """True: the kernel has it. False: later. OSError: never."""
        try:
            try:
                self._send(send, address)
            except OSError as error:
                if error.errno not in _ANOTHERS:
                    raise
                self._send(send, address)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _LATER:
                return False
            raise
        self.sent += 1
        return True

    def _send(self, send: Send, address: tuple[str, int]) -> None:
        local = send.hop.local
        try:
            self.socket.send_nowait(send.data, *address, local[0] if local else None)
        except OverflowError as error:  # a port beyond 65535
            raise OSError(errno.EINVAL, str(error)) from error

    def _note(self, send: Send, error: OSError) -> None:
        self.errors += 1
        log.info("cannot send", extra={"peer": f"{send.hop.host}:{send.hop.port}", "error": str(error)})


def choose_port(ports: list[DatagramPort], host: str, local: tuple[str, int] | None) -> DatagramPort | None:
    """The socket of the family of ``host``; of several the one that the peer's message came in on."""
    family = numeric_family(host) or socket.AF_INET
    best = max(ports, key=lambda port: port.serves(family, local), default=None)
    return best if best is not None and best.serves(family, local) else None
