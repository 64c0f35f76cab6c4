"""Mixed-minus-self over real sockets, in every group the plan knows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.stage import Peer, Stage, level, staged
from vb.codec.g711 import LAWS
from vb.media.mix import Mix


def room_of(stage: Stage, *laws: str, rate: int = 8000) -> tuple[Mix, list[Peer]]:
    mix = stage.clock.open_mix(rate)
    peers = [stage.peer(law) for law in laws]
    for peer in peers:
        peer.port.join(mix)
    stage.settle(*peers)
    return mix, peers


def others(levels: list[int], laws: list[str], place: int) -> int:
    total = sum(level(value, laws[i]) for i, value in enumerate(levels) if i != place)
    return level(max(-32768, min(32767, total)), laws[place])


@pytest.mark.parametrize("laws", [["PCMU"] * n for n in (2, 3, 5)] + [["PCMA", "PCMU", "PCMA"], ["PCMA"] * 2])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_each_hears_the_others(stage: Stage, laws: list[str], rate: int) -> None:
    _, peers = room_of(stage, *laws, rate=rate)
    for step in range(1, 6):
        levels = [step * 500 * (place + 1) for place in range(len(peers))]
        for peer, value in zip(peers, levels, strict=True):
            peer.say(value)
        stage.tick()
        for place, peer in enumerate(peers):
            assert peer.heard() == [others(levels, laws, place)]
    assert stage.clock.statistics().slow <= 3 * len(peers)  # only the first packets of a stream are odd


def test_rooms_of_many_sizes_at_once(stage: Stage) -> None:
    sizes = [1, 2, 2, 3, 3, 3, 3, 3, 4, 7, 2]
    rooms = [room_of(stage, *["PCMU"] * size)[1] for size in sizes]
    everyone = [peer for room in rooms for peer in room]
    for peer in everyone:
        peer.packets()
    for _ in range(5):
        for number, peer in enumerate(everyone):
            peer.say(100 * number)
        stage.tick()
        number = 0
        for room in rooms:
            levels = [100 * (number + place) for place in range(len(room))]
            number += len(room)
            for place, peer in enumerate(room):
                assert peer.heard() == [others(levels, ["PCMU"] * len(room), place) if len(room) > 1 else 2]


def test_two_of_one_codec_get_the_payload_itself(stage: Stage) -> None:
    _, (left, right) = room_of(stage, "PCMU", "PCMU")
    data = left.packet(0)[:12] + bytes(range(160))
    left.send(data)
    right.say(0)
    stage.tick()
    (packet,) = right.packets()
    assert packet.payload == bytes(range(160))
    assert packet.ssrc != left.ssrc


def test_mute_is_heard_by_nobody_but_hears(stage: Stage) -> None:
    _, (a, b, c) = room_of(stage, "PCMU", "PCMU", "PCMU")
    a.port.muted = True
    for peer, value in ((a, 1000), (b, 2000), (c, 4000)):
        peer.say(value)
    stage.tick()
    assert (a.heard(), b.heard(), c.heard()) == ([level(level(2000) + level(4000))], [level(4000)], [level(2000)])
    a.port.muted = False
    for peer, value in ((a, 1000), (b, 2000), (c, 4000)):
        peer.say(value)
    stage.tick()
    a.heard()
    assert b.heard() == [level(level(1000) + level(4000))]


@pytest.mark.parametrize("size", [2, 3])
def test_deaf_is_sent_nothing_but_is_heard(stage: Stage, size: int) -> None:
    _, peers = room_of(stage, *["PCMU"] * size)
    peers[0].port.deaf = True
    for _ in range(2):
        for peer in peers:
            peer.say(1000)
        stage.tick()
    assert peers[0].packets() == []
    assert peers[1].heard() == [level(1000 * (size - 1))] * 2
    peers[0].port.deaf = False
    stage.tick()
    (packet,) = peers[0].packets()
    assert packet.marker  # RFC 3551 §4.1: a new talkspurt


def test_muting_one_of_two_stops_the_passing(stage: Stage) -> None:
    _, (left, right) = room_of(stage, "PCMU", "PCMU")
    left.port.muted = True
    left.say(1000)
    right.say(2000)
    stage.tick()
    assert (left.heard(), right.heard()) == ([level(2000)], [2])


def test_who_joins_hears_what_is_said_now(stage: Stage) -> None:
    mix, (a, b) = room_of(stage, "PCMU", "PCMU")
    late = stage.peer()
    stage.settle(late)
    for step in range(30):
        a.say(100 * step)
        b.say(0)
        late.say(5000)  # said outside: nobody ever hears it
        stage.tick()
    a.packets(), b.packets(), late.packets()
    late.port.join(mix)
    for peer, value in ((a, 8000), (b, 0), (late, 700)):
        peer.say(value)
    stage.tick()
    assert late.heard() == [level(level(8000) + 2)]
    assert a.heard() == [level(level(700) + 2)]


def test_a_waiting_leg_is_sent_silence(stage: Stage) -> None:
    for law, silence in (("PCMU", 0xFF), ("PCMA", 0xD5)):
        peer = stage.peer(law)
        stage.tick(3)
        packets = peer.packets()
        assert [p.payload for p in packets] == [bytes([silence]) * 160] * 3
        assert [p.marker for p in packets] == [True, False, False]
        assert [p.sequence for p in packets] == [(packets[0].sequence + i) & 0xFFFF for i in range(3)]
        assert [p.timestamp for p in packets] == [(packets[0].timestamp + 160 * i) & 0xFFFFFFFF for i in range(3)]


def test_leaving_and_moving(stage: Stage) -> None:
    first, (a, b) = room_of(stage, "PCMU", "PCMU")
    second, (c,) = room_of(stage, "PCMU")
    a.packets(), b.packets()
    a.port.join(second)
    assert (first.members, second.members) == ((b.port,), (c.port, a.port))
    for peer, value in ((a, 1000), (b, 2000), (c, 4000)):
        peer.say(value)
    stage.tick()
    assert (a.heard(), b.heard(), c.heard()) == ([level(4000)], [2], [level(1000)])
    second.close()
    assert a.port.mix is None
    stage.tick()
    assert a.heard() == [2]


@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_forced_rate_resamples_both_ways(rate: int) -> None:
    """A tone comes through up and down again 4 ms late, with nothing else in it."""
    with staged("epoll", force_rate=rate) as stage:
        _, peers = room_of(stage, "PCMU", "PCMU", "PCMU")
        tone = (8000 * np.sin(2 * np.pi * 440 / 8000 * np.arange(160 * 40))).astype(np.int16)
        for start in range(0, len(tone), 160):
            peers[0].say(tone[start : start + 160])
            for other in peers[1:]:
                other.say(0)
            stage.tick()
        heard = peers[1].heard_frames().astype(np.float64)
        wanted = LAWS["PCMU"].decode(LAWS["PCMU"].encode(tone)).astype(np.float64)
        window = slice(1600, 4800)
        best = max(np.corrcoef(heard[window], np.roll(wanted, lag)[window])[0, 1] for lag in range(64))
        assert best > 0.999
