"""Who hears whom in one room, over real sockets."""

from __future__ import annotations

import pytest

from tests.media.stage import Peer, Stage, level, staged
from tests.media.test_bridge import Constant
from vb.media.mix import Mix

VALUES = (1000, 2000, 4000)


@pytest.fixture(params=[8000, 16000, 48000])
def three(stage: Stage, request: pytest.FixtureRequest) -> tuple[Mix, list[Peer]]:
    mix = stage.clock.open_mix(request.param)
    peers = [stage.peer() for _ in VALUES]
    for peer in peers:
        peer.port.join(mix)
    stage.settle(*peers)
    return mix, peers


def hear(stage: Stage, peers: list[Peer], ticks: int = 1) -> list[int]:
    for _ in range(ticks):
        for peer, value in zip(peers, VALUES, strict=False):
            peer.say(value)
        stage.tick()
    return [peer.heard()[-1] for peer in peers]


def of(*values: int) -> int:
    return level(sum(level(value) for value in values))


def test_a_listener_hears_whom_it_is_given(stage: Stage, three: tuple[Mix, list[Peer]]) -> None:
    mix, (a, b, c) = three
    mix.set_routes({a.port: {b.port}, c.port: ()})
    assert hear(stage, [a, b, c]) == [of(2000), of(1000, 4000), level(0)]
    mix.set_routes({a.port: {a.port, c.port}})  # nobody hears itself
    assert hear(stage, [a, b, c]) == [of(4000), of(1000, 4000), of(1000, 2000)]
    mix.set_routes({})
    assert hear(stage, [a, b, c]) == [of(2000, 4000), of(1000, 4000), of(1000, 2000)]
    assert not mix.attended


def test_two_do_not_pass_payloads_past_the_routes(stage: Stage) -> None:
    mix = stage.clock.open_mix(8000)
    peers = [stage.peer(), stage.peer()]
    for peer in peers:
        peer.port.join(mix)
    mix.set_routes({peers[0].port: ()})
    stage.settle(*peers)
    assert hear(stage, peers) == [level(0), of(1000)]


def test_sources_and_bridges_are_heard_by_all(stage: Stage, three: tuple[Mix, list[Peer]]) -> None:
    mix, (a, b, c) = three
    mix.set_routes({peer.port: () for peer in (a, b)})
    mix.add_source(Constant(300))
    other = stage.clock.open_mix(mix.rate)
    other.add_source(Constant(500))
    mix.bridge(other)
    assert hear(stage, [a, b, c], 3) == [level(800), level(800), level(800 + level(1000) + level(2000))]


def test_taps_hear_everybody(stage: Stage, three: tuple[Mix, list[Peer]]) -> None:
    mix, peers = three
    mix.set_routes({peer.port: () for peer in peers})
    frames: list[int] = []
    mix.add_tap(lambda frame, rate, tick: frames.append(int(frame[-1])))
    hear(stage, peers, 4)
    assert frames[-1] == pytest.approx(sum(map(level, VALUES)), abs=2)


def test_mute_holds_and_a_newcomer_is_under_the_routes_at_once(stage: Stage, three: tuple[Mix, list[Peer]]) -> None:
    mix, (a, b, c) = three
    b.port.muted = True
    mix.set_routes({a.port: {b.port, c.port}})
    assert hear(stage, [a, b, c])[0] == of(4000)
    c.port.leave()
    assert hear(stage, [a, b, c])[0] == level(0)
    c.port.join(mix)
    mix.set_routes({a.port: {b.port}})
    assert hear(stage, [a, b, c])[0] == level(0)


def test_loud_voices_are_clipped(stage: Stage, three: tuple[Mix, list[Peer]]) -> None:
    mix, (a, b, c) = three
    mix.set_routes({a.port: {b.port, c.port}})
    for _ in range(4):
        for peer in (b, c):
            peer.say(-30000)
        stage.tick()
    assert a.heard()[-1] == level(-32768)


def test_at_a_rate_above_the_codecs() -> None:
    with staged("epoll", force_rate=16000) as stage:
        mix, other = stage.clock.open_mix(16000), stage.clock.open_mix(16000)
        idle = stage.peer()  # a row before: lines are not rows
        peers = [stage.peer() for _ in VALUES]
        for peer in peers:
            peer.port.join(mix)
        beyond = stage.peer()
        beyond.port.join(other)
        other.bridge(mix)
        stage.settle(idle, *peers, beyond)
        a, b, c = peers
        mix.set_routes({a.port: {b.port}, c.port: ()})
        for _ in range(8):
            beyond.say(8000)
            hear(stage, peers)
        heard = hear(stage, peers)
        assert heard == pytest.approx([10000, 13000, 8000], rel=0.03)  # the filter ripples a little
        assert beyond.heard()[-1] == pytest.approx(7000, rel=0.03)
