"""Tells ports when their peer begins and stops to speak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.dsp.speech import Bursts, loud
from vb.media.events import SpeechStarted, SpeechStopped
from vb.media.rows import Index, Rows

if TYPE_CHECKING:
    from vb.media.port import Port


class SpeechDetector:
    """Looks at the rows in ``ports`` only; a room of others costs nothing."""

    def __init__(self, rows: Rows) -> None:
        self.ports: dict[int, Port] = {}
        self._rows = rows
        self._bursts = Bursts(rows.capacity)
        rows.on_grow(lambda: self._bursts.resize(rows.capacity))

    def watch(self, port: Port) -> None:
        """From the next tick on."""
        self._bursts.reset(port.row)
        self.ports[port.row] = port

    def forget(self, row: int) -> None:
        """No more events of this row; one that was speaking has not been told to stop."""
        self.ports.pop(row, None)

    def run(self, chosen: Index) -> None:
        """One tick: ``rows.pcm`` of the ``chosen`` rows is what their peers said."""
        rows = self._rows
        began, stopped = self._bursts.advance(chosen, loud(rows.pcm[chosen]), rows.muted[chosen])
        for row in began:
            self.ports[row].tell(SpeechStarted())
        for row in stopped:
            self.ports[row].tell(SpeechStopped())
