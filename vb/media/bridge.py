"""Two mixes that hear each other, each as one more member of the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vb.media.sources import Pcm
from vb.mix.sums import Sums, clip

if TYPE_CHECKING:
    from vb.media.mix import Mix


class Bridge:
    """Made by ``Mix.bridge``. ``a_to_b`` and ``b_to_a`` say who is heard, and may be set at any time.

    Sound crosses with one tick of delay, so that the order in which mixes are computed makes no difference and rooms
    bridged in a ring are only what they are: a ring.
    """

    def __init__(self, a: Mix, b: Mix, remove: Callable[[Bridge], None]) -> None:
        self.a = a
        self.b = b
        self.a_to_b = True
        self.b_to_a = True
        self.active = True
        self._remove = remove
        self._coming: dict[Mix, Pcm] = {}
        self._next: dict[Mix, Pcm] = {}

    def remove(self) -> None:
        """Nothing crosses from the next tick on; any number of times."""
        if self.active:
            self.active = False
            self._remove(self)

    def turn(self) -> None:
        """A tick begins: what was said in the last one arrives."""
        self._coming, self._next = self._next, {}

    def arrive(self, mix: Mix, total: Sums) -> None:
        """Add to ``total``, the sum of ``mix``, what the other side said."""
        frame = self._coming.get(mix)
        if frame is not None:
            total += frame

    def depart(self, mix: Mix, total: Sums) -> None:
        """Take from ``total`` what the other side is to hear: all but what came from there."""
        other = self.b if mix is self.a else self.a
        if not (self.a_to_b if mix is self.a else self.b_to_a):
            return
        frame = self._coming.get(mix)
        self._next[other] = clip(total - frame if frame is not None else total.copy())
