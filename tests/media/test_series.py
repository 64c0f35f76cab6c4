"""A point per second of how a port sounded."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.media.stage import Peer, Stage
from vb.media.series import LENGTH


def talk(stage: Stage, ticks: int, *speakers: tuple[Peer, int]) -> None:
    for _ in range(ticks):
        for peer, level in speakers:
            peer.say(level)
        stage.tick()
        for peer, _ in speakers:
            peer.packets()


def test_levels_of_both_directions_and_laws(stage: Stage) -> None:
    mix = stage.clock.open_mix(8000)
    a, b = stage.peer(), stage.peer("PCMA")
    for peer in (a, b):
        peer.port.join(mix)
    stage.settle(a, b)
    talk(stage, 150, (a, 8192), (b, 1024))
    points = a.port.points()
    assert len(points) == 3
    assert points[-1].level_in == pytest.approx(0.25, rel=0.05)
    assert points[-1].level_out == pytest.approx(1024 / 32768, rel=0.05)
    assert b.port.points()[-1].level_in == pytest.approx(1024 / 32768, rel=0.05)
    assert b.port.points()[-1].level_out == pytest.approx(0.25, rel=0.05)
    assert np.diff([point.at for point in points]) == pytest.approx([1.0, 1.0])
    assert abs(points[-1].at - time.time()) < 60


def test_silence_and_deafness_have_no_level(stage: Stage) -> None:
    peer = stage.peer()
    stage.settle(peer)
    peer.port.deaf = True
    stage.tick(60)
    assert (peer.port.points()[-1].level_in, peer.port.points()[-1].level_out) == (0.0, 0.0)


def test_loss_is_that_of_its_second(stage: Stage) -> None:
    peer = stage.peer()
    stage.settle(peer)
    talk(stage, 100, (peer, 500))
    peer.packet(0)  # lost
    stage.tick()
    talk(stage, 150, (peer, 500))
    points = peer.port.points()
    assert sum(point.lost for point in points) == 1
    assert sum(point.gaps for point in points) == 1
    assert points[-1].lost == 0


def test_five_minutes_are_kept(stage: Stage) -> None:
    peer = stage.peer()
    for number in range(LENGTH + 20):
        peer.port.series.add(50 * number, np.zeros(4, np.float32), number, 2 * number)
    points = peer.port.points()
    assert len(points) == LENGTH
    assert points[-1].at - points[0].at == pytest.approx(LENGTH - 1)
    assert {(point.lost, point.gaps) for point in points} == {(1, 2)}


def test_rows_take_turns(stage: Stage) -> None:
    peers = [stage.peer() for _ in range(70)]  # the columns grow
    stage.tick(50)
    assert {len(peer.port.points()) for peer in peers} == {1}
