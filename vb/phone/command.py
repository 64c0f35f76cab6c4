"""`vb call`: place one call, say a file, keep what was heard, and tell the story."""

from __future__ import annotations

import logging
import wave
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from vb.dsp.pcm_source import PcmSource
from vb.dsp.wav import Pcm, WavError, parse_wav
from vb.phone.call import CallRefused, PhoneCall
from vb.phone.phone import PhoneSettings, open_phone
from vb.phone.trace import ladder
from vb.sip.errors import RemoteError
from vb.sip.uri import parse_uri

log = logging.getLogger("vb.phone")


@attrs.frozen
class CallOrder:
    """What `vb call` was asked for. ``seconds`` bounds the answered call; 0 is until the file or the peer ends."""

    uri: str
    settings: PhoneSettings
    play: Path | None = None
    record: Path | None = None
    seconds: float = 0.0
    ring_seconds: float = 60.0
    digits: str = ""
    show_ladder: bool = False


def read_voice(path: Path) -> Pcm:
    """A WAV file as something to say. Raises WavError or OSError."""
    return parse_wav(path.read_bytes())


def write_recording(path: Path, call: PhoneCall) -> float:
    """What the call heard, as a mono WAV; returns its length in seconds."""
    samples = call.heard.samples()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(call.heard.rate)
        file.writeframes(samples.tobytes())
    return len(samples) / call.heard.rate


async def converse(call: PhoneCall, order: CallOrder, voice: Pcm | None, tell: Callable[[str], None]) -> None:
    """Speak, press digits, and wait for whichever end comes first."""
    if voice is not None:
        call.port.add_source(PcmSource(voice.samples, voice.rate, 8000))
    if order.digits:
        call.port.send_dtmf(order.digits)
    limit = order.seconds or (voice.seconds if voice is not None else 0.0)
    with trio.move_on_after(limit or float("inf")):
        tell(f"call ended: {await call.wait_ended()}")


async def place(order: CallOrder, voice: Pcm | None, tell: Callable[[str], None]) -> int:
    async with open_phone(order.settings) as phone:
        tell(f"calling {order.uri} from {phone.uri}")
        call = await phone.dial(order.uri)
        try:
            with trio.fail_after(order.ring_seconds):
                negotiated = await call.wait_answered()
        except (CallRefused, trio.TooSlowError) as error:
            tell(f"no call: {error or 'nobody answered'}")
            await call.hangup()
            return 1
        finally:
            if order.show_ladder and not call.answered:
                tell(ladder(phone.trace, "vb", call.remote.host))
        tell(f"answered: {negotiated.codec.name} with {negotiated.remote_host}:{negotiated.remote_port}")
        await converse(call, order, voice, tell)
        if order.record is not None:
            seconds = write_recording(order.record, call)
            tell(f"heard {seconds:.1f} s, written to {order.record}")
        await call.hangup()
        if order.show_ladder:
            tell(ladder(phone.trace, "vb", call.remote.host))
    return 0


def run(order: CallOrder, tell: Callable[[str], None]) -> int:
    """Place the call; the exit status: 0 answered, 1 not, 2 the order was wrong."""
    try:
        target = parse_uri(order.uri)
    except RemoteError as error:
        tell(f"{order.uri} cannot be called: {error.reason}; give a SIP URI like sip:user@host")
        return 2
    if target.scheme != "sip" or not target.host:
        tell(f"{order.uri} cannot be called: give a SIP URI like sip:user@host")
        return 2
    try:
        voice = read_voice(order.play) if order.play is not None else None
    except (WavError, OSError) as error:
        tell(f"{order.play} cannot be played: {error}")
        return 2
    return trio.run(place, order, voice, tell)
