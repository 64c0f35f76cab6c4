"""From what a playback names to samples: tones, WAV and raw PCM."""

from __future__ import annotations

from vb.dsp.pcm_source import PcmSource, volume_gain
from vb.dsp.tones import TONES, ToneError, ToneSource
from vb.dsp.wav import WavError, parse_raw, parse_wav


class SoundError(Exception):
    """It cannot be played; the text ends up in ``playback.error``."""


def tone_source(name: str, rate: int) -> ToneSource:
    """An endless tone. Raises SoundError, with all names, for one that is none."""
    try:
        return ToneSource(name, rate)
    except ToneError:
        raise SoundError(f'unknown tone "{name}", available: {", ".join(sorted(TONES))}') from None


def pcm_source(body: bytes, mime_type: str, rate: int, repeat: int) -> PcmSource:
    """A downloaded body as a source at ``rate``: raw PCM16 when its type says so, else WAV.

    ``repeat``: 0 or 1 once, -1 for ever. Takes up to seconds for an hour of audio: belongs in a worker thread.
    Raises SoundError.
    """
    kind = mime_type.partition(";")[0].strip().lower()
    try:
        if kind == "audio/pcm":
            pcm = parse_raw(body, mime_type)
        elif _is_mp3(body, kind):
            raise SoundError("MP3 is not supported: use WAV")
        else:
            pcm = parse_wav(body)
    except WavError as error:
        raise SoundError(str(error)) from error
    return PcmSource(pcm.samples, pcm.rate, rate, repeat=repeat)


def _is_mp3(body: bytes, kind: str) -> bool:
    """By its type, an ID3 tag or the sync word of an MPEG frame; a RIFF header outweighs a wrong type."""
    if body[:4] == b"RIFF":
        return False
    sync = len(body) > 1 and body[0] == 0xFF and body[1] & 0xE0 == 0xE0
    return kind in ("audio/mpeg", "audio/mp3") or body[:3] == b"ID3" or sync


def set_volume(source: PcmSource | ToneSource, volume: int) -> None:
    """A step of -8 to 8, about 3 dB each, from the next frame on."""
    if isinstance(source, PcmSource):
        source.set_volume(volume)
    else:
        source.gain = volume_gain(volume)
