"""Call progress tones by country: ringback, busy, dial and congestion, as endless sources of samples."""

from __future__ import annotations

from functools import lru_cache

import attrs
import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

PEAK = 23000
FADE_S = 0.002
TYPES = ("ringback", "busy", "dial", "congestion")


class ToneError(ValueError):
    """No tone of that name."""


@attrs.frozen
class Tone:
    """Frequencies in Hz that sound together, and a cadence of on and off times in ms; () is a steady tone.

    ``modulation``: Hz of full amplitude modulation, 0 for none.
    """

    frequencies: tuple[int, ...]
    cadence: tuple[int, ...] = ()
    modulation: int = 0


def _read(spec: str) -> Tone:
    """``f[+f][*modulation] [on/off[/on/off]]``: the notation of the table below."""
    sound, _, cadence = spec.partition(" ")
    frequencies, _, modulation = sound.partition("*")
    return Tone(
        tuple(int(f) for f in frequencies.split("+")),
        tuple(int(ms) for ms in cadence.split("/")) if cadence else (),
        int(modulation or 0),
    )


_TABLE = {
    "us": ("440+480 2000/4000", "480+620 500/500", "350+440", "480+620 250/250"),
    "gb": ("400+450 400/200/400/2000", "400 375/375", "350+440", "400 400/350/225/525"),
    "de": ("425 1000/4000", "425 480/480", "425", "425 240/240"),
    "fr": ("440 1500/3500", "440 500/500", "440", "440 250/250"),
    "au": ("400*17 400/200/400/2000", "400 375/375", "400+450", "400 375/375"),
    "jp": ("400*16 1000/2000", "400 500/500", "400", "400 250/250"),
    "it": ("425 1000/4000", "425 500/500", "425", "425 200/200"),
    "in": ("400*25 400/200/400/2600", "400 750/750", "400", "400 250/250"),
    "br": ("425 1000/4000", "425 250/250", "425", "425 250/250"),
    "pl": ("425 1000/4000",),
    "ru": ("425 800/3200", "425 350/350", "425", "425 175/175"),
}
TONES: dict[str, Tone] = {
    f"{country}_{kind}": _read(spec) for country, row in _TABLE.items() for kind, spec in zip(TYPES, row, strict=False)
}


def find_tone(name: str) -> Tone:
    """``<country>_<type>``, or a bare type for that of the us; ``uk`` is ``gb``; any case.

    Raises ToneError for a name that is not in the table.
    """
    key = name.strip().lower()
    if key in TYPES:
        key = f"us_{key}"
    country, _, kind = key.partition("_")
    tone = TONES.get(f"gb_{kind}" if country == "uk" else key)
    if tone is None:
        raise ToneError(f"unknown tone {name!r}")
    return tone


@lru_cache(maxsize=64)
def _second(tone: Tone, rate: int) -> NDArray[np.float32]:
    """One second of the bare tone; frequencies are whole Hz, so the next second is the same."""
    turn = 2 * np.pi * np.arange(rate) / rate
    wave = np.sum([np.sin(f * turn) for f in tone.frequencies], axis=0) * (PEAK / len(tone.frequencies))
    if tone.modulation:
        wave *= (1 + np.cos(tone.modulation * turn)) / 2
    second: NDArray[np.float32] = wave.astype(np.float32)
    second.flags.writeable = False
    return second


class ToneSource:
    """Endless samples of a tone at ``rate`` Hz (positive): int16, peak 23000, 2 ms fades at both ends of every burst.

    Raises ToneError for an unknown name. ``gain`` (a factor) may be changed while it sounds; too loud is clipped.
    """

    def __init__(self, tone: Tone | str, rate: int, *, gain: float = 1.0) -> None:
        self.tone = find_tone(tone) if isinstance(tone, str) else tone
        self.rate = rate
        self.gain = gain
        self._position = 0
        self._second = _second(self.tone, rate)
        self._edges = np.cumsum([0, *(ms * rate // 1000 for ms in self.tone.cadence)])
        self._fade = max(round(FADE_S * rate), 1)

    @property
    def played_ms(self) -> int:
        """How much was read so far."""
        return self._position * 1000 // self.rate

    def read(self, samples: int) -> Pcm:
        """The next ``samples`` samples, int16; never None."""
        index = self._position + np.arange(samples)
        self._position += samples
        wave = self._second[index % self.rate] * (self._envelope(index) * np.float32(self.gain))
        pcm: Pcm = np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
        return pcm

    def _envelope(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """0-1 for each sample: the cadence, with its edges faded."""
        if not self.tone.cadence:
            return np.minimum(index / self._fade, 1).astype(np.float32)
        place = index % self._edges[-1]
        part = np.searchsorted(self._edges, place, side="right")  # 1-based: odd parts sound
        inside = np.minimum(place - self._edges[part - 1], self._edges[part] - place)
        envelope: NDArray[np.float32] = np.where(part % 2 == 1, np.minimum(inside / self._fade, 1), 0).astype(
            np.float32
        )
        return envelope
