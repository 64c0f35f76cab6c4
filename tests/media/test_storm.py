"""Whatever peers send: every leg is sent one packet per tick, in order, and both kinds of I/O hear the same."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.conftest import uring_refused
from tests.media.stage import Peer, Stage, event_payload, staged
from vb.media.statistics import PortStatistics
from vb.rtp.packet import RtpPacket

Act = Callable[[Peer], None]


def audio(value: int) -> Act:
    return lambda peer: peer.say(value)


def lost(count: int) -> Act:
    def act(peer: Peer) -> None:
        peer.sequence = (peer.sequence + count) & 0xFFFF
        peer.timestamp = (peer.timestamp + 160 * count) & 0xFFFFFFFF

    return act


def odd(sequence: int, timestamp: int, payload_type: int, payload: bytes) -> Act:
    """A well-formed packet somewhere around the stream."""

    def act(peer: Peer) -> None:
        number, time = (peer.sequence + sequence) & 0xFFFF, (peer.timestamp + timestamp) & 0xFFFFFFFF
        peer.send(RtpPacket(payload_type, number, time, peer.ssrc, payload=payload).to_bytes())

    return act


def other_ssrc(ssrc: int) -> Act:
    return lambda peer: setattr(peer, "ssrc", ssrc)


def digit(code: int, end: bool) -> Act:
    def act(peer: Peer) -> None:
        payload = event_payload(code, 320, end=end)
        peer.send(RtpPacket(101, peer.sequence, peer.timestamp, peer.ssrc, payload=payload).to_bytes())
        peer.sequence = (peer.sequence + 1) & 0xFFFF

    return act


ACTS = st.one_of(
    st.builds(audio, st.integers(-32768, 32767)),
    st.builds(audio, st.just(0)),
    st.builds(lost, st.integers(1, 200)),
    st.builds(odd, st.integers(-300, 300), st.integers(-5000, 5000), st.integers(0, 127), st.binary(max_size=400)),
    st.builds(other_ssrc, st.integers(0, 3)),
    st.builds(digit, st.integers(0, 20), st.booleans()),
    st.builds(lambda data: lambda peer: peer.send(data), st.binary(max_size=700)),
)
TICKS = st.lists(st.lists(st.tuples(st.integers(0, 2), ACTS), max_size=8), min_size=1, max_size=12)


def perform(stage: Stage, ticks: list[list[tuple[int, Act]]]) -> tuple[list[list[bytes]], list[PortStatistics]]:
    """Three in a room play ``ticks``; what each was sent, and what their ports counted."""
    mix = stage.clock.open_mix(8000)
    peers = [stage.peer(law) for law in ("PCMU", "PCMU", "PCMA")]
    for peer in peers:
        peer.port.join(mix)
    stage.settle(*peers)
    heard: list[list[bytes]] = [[] for _ in peers]
    last: dict[int, tuple[int, int]] = {}
    for acts in ticks:
        for number, act in acts:
            act(peers[number])
        stage.tick()
        for number, peer in enumerate(peers):
            (packet,) = peer.packets()
            assert len(packet.payload) == 160
            if number in last:
                assert packet.sequence == (last[number][0] + 1) & 0xFFFF
                assert packet.timestamp == (last[number][1] + 160) & 0xFFFFFFFF
            last[number] = packet.sequence, packet.timestamp
            heard[number].append(packet.payload)
    found = stage.clock.statistics()
    assert (found.tick_errors, found.failed_rows, found.rows) == (0, 0, 3)
    return heard, [attrs.evolve(peer.port.statistics(), local=("", 0), remote=None) for peer in peers]


@settings(max_examples=60)
@given(TICKS)
def test_everyone_is_sent_one_packet_per_tick_whatever_comes(ticks: list[list[tuple[int, Act]]]) -> None:
    with staged("epoll") as stage:
        perform(stage, ticks)


@settings(max_examples=30)
@given(TICKS)
def test_both_implementations_hear_the_same(ticks: list[list[tuple[int, Act]]]) -> None:
    if why := uring_refused():
        pytest.skip(f"io_uring is refused here: {why}")
    with staged("epoll") as one, staged("uring") as other:
        assert perform(one, ticks) == perform(other, ticks)
