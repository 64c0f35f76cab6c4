"""Ports that tell when their peer speaks, whatever way its payload takes."""

from __future__ import annotations

from tests.media.stage import Peer, Stage
from vb.media.events import SpeechStarted, SpeechStopped


def bursts(peer: Peer) -> list[str]:
    return [type(event).__name__ for event in peer.events if isinstance(event, SpeechStarted | SpeechStopped)]


def speak(stage: Stage, peer: Peer, frames: int, samples: int = 1000) -> None:
    for _ in range(frames):
        peer.say(samples)
        stage.tick()


def test_alone_and_in_a_room_of_two(stage: Stage) -> None:
    a, b = stage.peer("PCMU"), stage.peer("PCMU")
    stage.settle(a, b)
    a.port.detect_speech(True)
    speak(stage, a, 3)
    speak(stage, a, 15, 0)
    assert bursts(a) == ["SpeechStarted", "SpeechStopped"]
    mix = stage.clock.open_mix(8000)
    a.port.join(mix)
    b.port.join(mix)
    speak(stage, a, 3)
    speak(stage, b, 3)
    assert bursts(a) == ["SpeechStarted", "SpeechStopped", "SpeechStarted"]
    assert bursts(b) == []  # not asked for
    assert len(b.packets()) > 3


def test_a_peer_that_sends_nothing_falls_silent(stage: Stage) -> None:
    peer = stage.peer("PCMA")
    stage.settle(peer)
    peer.port.detect_speech(True)
    speak(stage, peer, 5)
    for _ in range(20):
        stage.tick()
    assert bursts(peer) == ["SpeechStarted", "SpeechStopped"]


def test_mute_stops_it_and_so_does_the_end_of_interest(stage: Stage) -> None:
    peer = stage.peer("PCMU")
    stage.settle(peer)
    peer.port.detect_speech(True)
    speak(stage, peer, 4)
    peer.port.muted = True
    speak(stage, peer, 20)
    assert bursts(peer) == ["SpeechStarted", "SpeechStopped"]
    peer.port.muted = False
    peer.port.detect_speech(False)
    speak(stage, peer, 10)
    assert bursts(peer) == ["SpeechStarted", "SpeechStopped"]


def test_a_row_that_is_used_again_begins_silent(stage: Stage) -> None:
    first = stage.peer("PCMU")
    stage.settle(first)
    first.port.detect_speech(True)
    speak(stage, first, 4)
    first.port.close()
    first.port.detect_speech(True)  # too late: no effect
    stage.tick()
    second = stage.peer("PCMU")
    stage.settle(second)
    second.port.detect_speech(True)
    speak(stage, second, 2)
    speak(stage, second, 20, 0)
    assert bursts(second) == []
