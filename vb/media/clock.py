"""The one clock of all audio: every 20 ms, on an absolute schedule, one tick for every leg at once."""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable

import trio

from vb.media.control import ControlPlane
from vb.media.events import MediaEvent, RowFailed
from vb.media.io import RowIo, open_io
from vb.media.mix import Mix
from vb.media.mixer import Mixer
from vb.media.pacer import open_pacer
from vb.media.port import Port
from vb.media.receiver import ROUNDS, Receiver
from vb.media.rows import Rows
from vb.media.sender import Sender
from vb.media.series import Sampler
from vb.media.settings import TICK, MediaSettings
from vb.media.statistics import ClockStatistics

log = logging.getLogger("vb.media")

CATCH_UP = 5
"""Ticks made up for at once after a delay; what is older is skipped."""
LOOK_EVERY = 8
"""Ticks from one look at how shortly before the tick packets come to the next."""
RATES = (8000, 16000, 48000)


class MediaClock:
    """Owns rows, sockets' I/O, rooms' mixes. All methods belong to the Trio thread; none but ``run`` is async.

    ``now`` gives seconds (default: Trio's clock); ``rng`` draws SSRCs and first sequence numbers (RFC 3550 §5.1).
    """

    def __init__(
        self,
        settings: MediaSettings = MediaSettings(),  # noqa: B008  (frozen)
        *,
        now: Callable[[], float] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.rows = Rows(settings.capacity)
        self.io: RowIo = open_io(settings.io, self.rows)
        self.ports: dict[int, Port] = {}
        self.receiver = Receiver(self.rows, self.io, self.ports)
        self.mixer = Mixer(self.rows, self.ports, settings.force_rate)
        self.sender = Sender(self.rows, self.io, self.ports)
        self.ticks = 0
        self._now = now or trio.current_time
        self._rng = rng or random.SystemRandom()
        self._ticked_at = 0.0
        self.control = ControlPlane(self.rows, self.receiver, self.ports, self._rng, self._now)
        self._sampler = Sampler(self.rows, self.receiver, self.ports)
        self._late_ticks = 0
        self._late_worst = 0.0
        self._skipped = 0
        self._busy = 0.0
        self._failed_rows = 0
        self._tick_errors = 0
        self._past_drops = 0
        self._posted: list[tuple[Callable[[MediaEvent], None], MediaEvent]] = []
        self._leaving: list[Port] = []
        self._ticking = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tick until cancelled, then close every port and free the kernel's objects."""
        due = trio.current_time() + TICK
        pacer = open_pacer(due, TICK)
        task_status.started()
        try:
            while True:
                if self.ticks % LOOK_EVERY == 0 and self.ports:
                    await trio.sleep_until(due - self.settings.margin)
                    self.receiver.look()
                await pacer.wait(due)
                late = trio.current_time() - due
                if late > self.settings.late_after:
                    self._late_ticks += 1
                    self._late_worst = max(self._late_worst, late)
                behind = int(late / TICK)
                if behind > CATCH_UP:
                    self._skip(behind - CATCH_UP)
                    due += (behind - CATCH_UP) * TICK
                # While ticks are made up for, what waits in the kernel is theirs, one packet each and a spare.
                self.tick(rounds=2 if behind else ROUNDS)
                due += TICK
        finally:
            pacer.close()
            self.close()

    def tick(self, rounds: int = ROUNDS) -> None:
        """One tick, now: receive, mix, send. Never raises, never waits."""
        started = time.perf_counter()
        self.ticks += 1
        self._ticked_at = self._now()
        self._ticking = True
        try:
            self.receiver.run(self.ticks, rounds)
            if self.receiver.law_changed:
                self.receiver.law_changed = False
                self.mixer.change()
            self.sender.run(self.mixer.run(self.ticks))
            self.control.run(self.ticks)
            self._sampler.run(self.ticks)
        except Exception:
            self._tick_errors += 1
            if self._tick_errors & (self._tick_errors - 1) == 0:  # the 1st, 2nd, 4th, 8th ...
                log.exception("a tick failed", extra={"tick_errors": self._tick_errors})
        finally:
            self._ticking = False
        self._remove_failed()
        for port in self._leaving:
            self._release(port)
        self._leaving.clear()
        self._busy += time.perf_counter() - started
        self._deliver()

    def attach(self, sock: socket.socket, notify: Callable[[MediaEvent], None]) -> Port:
        """Give a bound non-blocking UDP socket to the clock. ``notify`` is called between ticks and must not block."""
        row = self.rows.take()
        rows = self.rows
        rows.ssrc[row] = self._rng.getrandbits(32)
        rows.sequence[row] = self._rng.getrandbits(15)  # RFC 3711 §3.3.1 is content with the lower half, too
        rows.timestamp[row] = self._rng.getrandbits(32)
        port = Port(self, sock, row, notify)
        self.ports[row] = port
        self.receiver.mailbox.add(row, sock)
        self.mixer.change()
        return port

    def detach(self, port: Port) -> None:
        """The port's own call at its end: its row is free after this tick."""
        if self._ticking:
            self._leaving.append(port)
        else:
            self._release(port)

    def _release(self, port: Port) -> None:
        row = port.row
        if self.ports.get(row) is not port:
            return
        self._past_drops += port.statistics().kernel_drops
        del self.ports[row]
        self.io.close_reader(row)
        self.io.close_writer(row)
        self.receiver.mailbox.remove(row)
        self.sender.dialling.pop(row, None)
        self.sender.marked.discard(row)
        self.mixer.tapped.pop(row, None)
        self.mixer.hearing.pop(row, None)
        self.mixer.speech.forget(row)
        self.rows.give_back(row)
        self.mixer.change()
        port.sock.close()

    def open_mix(self, rate: int) -> Mix:
        """A room's mix. Raises ValueError for a rate other than 8000, 16000 and 48000 Hz."""
        if rate not in RATES:
            raise ValueError(f"no mix at {rate} Hz")
        return self.mixer.open(rate)

    def post(self, notify: Callable[[MediaEvent], None], event: MediaEvent) -> None:
        """Deliver ``event`` after this tick."""
        self._posted.append((notify, event))

    def time_of(self, tick: int) -> float:
        """Clock seconds of a past tick."""
        return self._ticked_at - (self.ticks - tick) * TICK

    def statistics(self) -> ClockStatistics:
        """Totals since the start."""
        drops = sum(port.kernel_drops() for port in self.ports.values())
        return ClockStatistics(
            ticks=self.ticks,
            late_ticks=self._late_ticks,
            skipped_ticks=self._skipped,
            late_worst=self._late_worst,
            busy=self._busy,
            rows=self.rows.used,
            mixes=len(self.mixer.mixes),
            received=self.receiver.received,
            sent=self.sender.sent,
            slow=self.receiver.slow,
            refused=self.io.refused + self.receiver.mailbox.refused + self.sender.refused,
            truncated=self.receiver.truncated,
            failed_rows=self._failed_rows,
            tick_errors=self._tick_errors,
            io=self.io.name,
            kernel_drops=self._past_drops + drops,
        )

    def close(self) -> None:
        """Close all ports and mixes, free the kernel's objects; any number of times."""
        for port in list(self.ports.values()):
            port.close()
        for mix in list(self.mixer.mixes):
            mix.close()
        self.receiver.close()
        self.control.close()

    def _skip(self, ticks: int) -> None:
        """The schedule is far behind (the machine slept): these ticks never were."""
        self._skipped += ticks
        self.ticks += ticks
        self.rows.timestamp += self.rows.timestamp.dtype.type(ticks * 160)
        self.rows.last_tick[self.rows.last_tick >= 0] += ticks  # the peers were not late, we were
        log.warning("media ticks skipped", extra={"ticks": ticks})

    def _remove_failed(self) -> None:
        failed = [*self.receiver.failed, *self.sender.failed]
        self.receiver.failed.clear()
        self.sender.failed.clear()
        for row, error in failed:
            port = self.ports.get(row)
            if port is not None and not port.closed:
                self._failed_rows += 1
                log.warning("media row failed", extra={"cause": repr(error)})
                port.tell(RowFailed(error))
                port.close()

    def _deliver(self) -> None:
        while self._posted:
            posted, self._posted = self._posted, []
            for notify, event in posted:
                try:
                    notify(event)
                except Exception:
                    log.exception("a media event could not be delivered")
