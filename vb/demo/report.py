"""The demo's report: every claim with its figure, and whether it held."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
import trio

from vb.demo import demo, waveform
from vb.demo.processes import DemoFailed
from vb.demo.proof import (
    ABSENT,
    HEARD,
    MAX_ROUND_TRIP_MS,
    UNHEARD,
    Hearing,
    PhoneResult,
    hearings,
    round_trips,
    tone_heard,
)
from vb.demo.signals import RATE, SECONDS, speech
from vb.dsp.correlate import align, window_correlations

ABSENT_SEED = 99
TONE = (350.0, 440.0)  # what `us_dial` is made of


@attrs.frozen
class Claim:
    text: str
    held: bool


def judge(outcome: demo.Outcome, pairs: list[Hearing]) -> list[Claim]:
    """Everything that must be true, each with the figure that says so."""
    others = [p for p in pairs if p.speaker not in (p.listener, ABSENT)]
    strangers = [p for p in pairs if p.speaker in (p.listener, ABSENT)]
    trips = round_trips(pairs)
    worst = min(p.worst for p in others)
    loudest = max(p.best for p in strangers)
    first = min(outcome.speak_at.values())
    claims = [
        Claim(f"everybody heard the others: worst second {worst:.3f} (at least {HEARD})", all(p.held for p in others)),
        Claim(f"nobody heard himself or a stranger: {loudest:.3f} (at most {UNHEARD})", all(p.held for p in strangers)),
        Claim(
            f"round trip {max(trips.values()):.0f} ms (at most {MAX_ROUND_TRIP_MS:.0f})",
            all(0 < trip <= MAX_ROUND_TRIP_MS for trip in trips.values()),
        ),
        Claim("everybody heard the dial tone", all(tone_heard(p, TONE, first) for p in outcome.phones)),
        Claim("every call ended by the program", set(outcome.reasons.values()) == {"api_hangup"}),
    ]
    for name in ("gaps", "lost", "retransmissions"):
        total = sum(getattr(phone, name) for phone in outcome.phones)
        claims.append(Claim(f"{name}: {total}", total == 0))
    return [*claims, *recorded(outcome)]


def recorded(outcome: demo.Outcome) -> list[Claim]:
    """Whether each voice is in the room's WAV."""
    if not outcome.recording.is_file():
        return [Claim(f"the recording {outcome.recording} exists", False)]
    with wave.open(str(outcome.recording)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())[:, 0]
    narrow = samples[:: rate // RATE]
    claims = []
    for phone in outcome.phones:
        found = align(phone.said, narrow, RATE)
        worst = float(window_correlations(phone.said, narrow, RATE, delay=found).min())
        claims.append(Claim(f"{phone.name} is in the recording: worst second {worst:.3f}", worst >= HEARD))
    return claims


def table(pairs: list[Hearing], phones: list[PhoneResult]) -> str:
    """Who heard whom: the correlation of the worst second (of the best one for oneself and a stranger)."""
    names = [phone.name for phone in phones]
    lines = ["  who heard whom   " + "".join(f"{name:>10}" for name in (*names, ABSENT)) + "   (speakers)"]
    for listener in names:
        row = {p.speaker: p for p in pairs if p.listener == listener}
        cells = [row[n].worst if n not in (listener, ABSENT) else row[n].best for n in (*names, ABSENT)]
        lines.append(f"  {listener:<17}" + "".join(f"{cell:10.3f}" for cell in cells))
    return "\n".join(lines)


def marks(outcome: demo.Outcome) -> dict[str, tuple[float, float]]:
    """Where in the recording each phone speaks, in seconds."""
    return {
        name: (at - outcome.record_from, at - outcome.record_from + SECONDS) for name, at in outcome.speak_at.items()
    }


def show(outcome: demo.Outcome, out: Path, tell: Callable[[str], None]) -> bool:
    """Print the whole report and draw the recording; True when every claim held."""
    pairs = hearings(outcome.phones, speech(ABSENT_SEED))
    tell("")
    tell(table(pairs, outcome.phones))
    tell("")
    for phone in outcome.phones[:2]:
        tell(phone.ladder)
        tell("")
    for (a, b), trip in round_trips(pairs).items():
        tell(f"  round trip {a} - {b}: {trip:.0f} ms")
    for phone in outcome.phones:
        tell(f"  {phone.name}: {phone.received} packets received, {phone.lost} lost, jitter {phone.jitter_ms:.1f} ms")
    tell("")
    claims = judge(outcome, pairs)
    for claim in claims:
        tell(f"  {'ok  ' if claim.held else 'FAIL'}  {claim.text}")
    if outcome.recording.is_file():
        picture = out / "recording.png"
        waveform.draw(outcome.recording, picture, marks(outcome))
        tell(f"\n  recording {outcome.recording}\n  picture   {picture}")
    return all(claim.held for claim in claims)


def main(out: Path) -> int:
    """Run the demo and report: 0 only if everything held."""

    def tell(line: str) -> None:
        print(line, flush=True)

    try:
        out.mkdir(parents=True, exist_ok=True)
        outcome = trio.run(demo.run, out, tell)
    except DemoFailed as error:
        tell(f"demo failed: {error}")
        return 1
    return 0 if show(outcome, out, tell) else 1
