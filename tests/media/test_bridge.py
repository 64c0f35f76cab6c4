"""Mixes that hear each other, over real sockets."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.media.stage import Peer, Stage, level
from vb.media.bridge import Bridge
from vb.media.mix import Mix


def room(stage: Stage, members: int, rate: int = 16000) -> tuple[Mix, list[Peer]]:
    mix = stage.clock.open_mix(rate)
    peers = [stage.peer() for _ in range(members)]
    for peer in peers:
        peer.port.join(mix)
    return mix, peers


def say(stage: Stage, *said: tuple[Peer, int], ticks: int = 3) -> list[int]:
    """What each hears in the end, while all of them say the same all the time."""
    for _ in range(ticks):
        for peer, value in said:
            peer.say(value)
        stage.tick()
    return [peer.heard()[-1] for peer, _ in said]


def linear(*values: int) -> int:
    return level(sum(level(value) for value in values))


@pytest.fixture(params=["two", "three"])
def bridged(stage: Stage, request: pytest.FixtureRequest) -> tuple[Bridge, Peer, Peer, Peer]:
    left, (a, b) = room(stage, 2)
    right, (c,) = room(stage, 1)
    if request.param == "three":  # by way of an empty room
        middle = stage.clock.open_mix(16000)
        middle.bridge(right)
        bridge = left.bridge(middle)
    else:
        bridge = left.bridge(right)
    stage.settle(a, b, c)
    return bridge, a, b, c


def test_each_side_hears_the_other_once(stage: Stage, bridged: tuple[Bridge, Peer, Peer, Peer]) -> None:
    _, a, b, c = bridged
    heard = say(stage, (a, 1000), (b, 2000), (c, 4000), ticks=6)
    assert heard == [linear(2000, 4000), linear(1000, 4000), linear(1000, 2000)]


def test_directions_change_while_it_runs(stage: Stage, bridged: tuple[Bridge, Peer, Peer, Peer]) -> None:
    bridge, a, b, c = bridged
    said = (a, 1000), (b, 2000), (c, 4000)
    bridge.b_to_a = False
    assert say(stage, *said, ticks=6) == [linear(2000), linear(1000), linear(1000, 2000)]
    bridge.a_to_b, bridge.b_to_a = False, True
    assert say(stage, *said, ticks=6) == [linear(2000, 4000), linear(1000, 4000), level(0)]
    bridge.remove()
    bridge.remove()
    assert say(stage, *said, ticks=6) == [linear(2000), linear(1000), level(0)]
    assert stage.clock.mixer.plan.pass_to.tolist()  # two alone pass their payloads on again


def test_what_is_played_and_recorded_crosses_too(stage: Stage) -> None:
    left, (a,) = room(stage, 1)
    right, (b,) = room(stage, 1)
    left.bridge(right)
    stage.settle(a, b)
    frames: list[int] = []
    right.add_tap(lambda frame, rate, tick: frames.append(int(frame[100])))
    left.add_source(Constant(500))
    heard = say(stage, (a, 1000), (b, 2000))
    assert heard == [level(level(2000) + 500), level(level(1000) + 500)]
    assert frames[-1] == pytest.approx(level(1000) + 500 + level(2000), abs=2)


def test_only_equal_rates_and_another_mix(stage: Stage) -> None:
    wide, narrow = stage.clock.open_mix(16000), stage.clock.open_mix(8000)
    for other in (wide, narrow):
        with pytest.raises(ValueError, match="no bridge"):
            wide.bridge(other)


def test_a_closed_mix_takes_its_bridges_along(stage: Stage) -> None:
    left, (a,) = room(stage, 1)
    right, (b,) = room(stage, 1)
    bridge = left.bridge(right)
    stage.settle(a, b)
    right.close()
    assert not bridge.active
    assert left.bridges == []
    assert say(stage, (a, 1000))[0] == level(0)


def test_a_ring_of_rooms_does_not_fail(stage: Stage) -> None:
    rooms = [room(stage, 1) for _ in range(3)]
    for place in range(3):
        rooms[place][0].bridge(rooms[place - 1][0])
    stage.settle(*(peers[0] for _, peers in rooms))
    said = [(peers[0], 2000) for _, peers in rooms]
    assert max(say(stage, *said, ticks=30)) == level(32767)  # feedback, by design of whoever built it


class Constant:
    """A source that always says the same."""

    rate = 8000

    def __init__(self, value: int) -> None:
        self.value = value

    def read(self, samples: int) -> NDArray[np.int16]:
        return np.full(samples, self.value, np.int16)
