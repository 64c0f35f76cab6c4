"""What a leg does with its port: sources, taps, digits, direction, the hole through the NAT, its end."""

from __future__ import annotations

import errno
import os
from itertools import pairwise

import numpy as np
import pytest

from tests.media.stage import Peer, Stage, level, staged
from vb.codec.g711 import LAWS
from vb.dsp.resample import Resampler
from vb.media.settings import StreamParams
from vb.rtp.telephone_event import DigitsError


class Counter:
    """A source whose every frame is one level higher than the one before."""

    def __init__(self, frames: int, rate: int = 8000, step: int = 1000) -> None:
        self.rate = rate
        self.left = frames
        self.step = step
        self.level = 0

    def read(self, samples: int) -> np.ndarray | None:
        if not self.left:
            return None
        self.left -= 1
        self.level += self.step
        return np.full(samples, self.level, np.int16)


class Broken:
    rate = 8000

    def read(self, samples: int) -> np.ndarray | None:
        raise RuntimeError("no sound")


def room(stage: Stage, size: int, rate: int = 8000) -> tuple[object, list[Peer]]:
    mix = stage.clock.open_mix(rate)
    peers = [stage.peer() for _ in range(size)]
    for peer in peers:
        peer.port.join(mix)
    stage.settle(*peers)
    return mix, peers


def test_a_source_is_heard_by_this_leg_alone(stage: Stage) -> None:
    _, (a, b) = room(stage, 2)
    ends: list[object] = []
    a.port.add_source(Counter(3), on_end=ends.append)
    for _ in range(4):
        a.say(100)
        b.say(200)
        stage.tick()
    talk = level(200)
    assert a.heard() == [level(talk + 1000), level(talk + 2000), level(talk + 3000), talk]
    assert b.heard() == [level(100)] * 4
    assert ends == [None]


def test_a_source_outside_a_room_with_gain(stage: Stage) -> None:
    peer = stage.peer()
    handle = peer.port.add_source(Counter(10), gain=0.5)
    stage.tick(2)
    handle.gain = 2.0
    stage.tick()
    handle.remove()
    handle.remove()
    stage.tick()
    assert peer.heard() == [level(500), level(1000), level(6000), 2]


def test_a_broken_source_is_removed_and_told(stage: Stage) -> None:
    peer = stage.peer()
    ends: list[object] = []
    peer.port.add_source(Broken(), on_end=ends.append)
    stage.tick(2)
    assert [type(error) for error in ends] == [RuntimeError]
    assert peer.heard() == [2, 2]


def test_a_room_source_is_heard_by_all(stage: Stage) -> None:
    mix, peers = room(stage, 3)
    mix.add_source(Counter(2))
    for step in range(3):
        for peer in peers:
            peer.say(100)
        stage.tick()
        talk = 2 * level(100)
        wanted = level(talk + [1000, 2000, 0][step])
        assert [peer.heard() for peer in peers] == [[wanted]] * 3


def test_a_source_of_another_rate_is_resampled(stage: Stage) -> None:
    peer = stage.peer()

    class Tone:
        rate = 16000
        at = 0

        def read(self, samples: int) -> np.ndarray:
            time = np.arange(self.at, self.at + samples) / self.rate
            self.at += samples
            return (8000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16)

    peer.port.add_source(Tone())
    stage.tick(20)
    heard = peer.heard_frames()[800:].astype(float)
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) == round(500 * len(heard) / 8000)
    assert 7500 < heard.max() < 8500


@pytest.mark.parametrize("rate", [8000, 16000])
def test_taps_are_sample_exact(stage: Stage, rate: int) -> None:
    """Every tick is in the recording, silence included, and nothing is in it twice."""
    mix, (a, b) = room(stage, 2, rate)
    took: dict[str, list[np.ndarray]] = {"in": [], "out": [], "room": []}
    ticks: list[int] = []
    rates = set()

    def writer(name: str):
        def write(samples: np.ndarray, rate: int, tick: int) -> None:
            took[name].append(samples)
            rates.add(rate)
            if name == "room":
                ticks.append(tick)

        return write

    handles = [a.port.add_tap("in", writer("in")), a.port.add_tap("out", writer("out")), mix.add_tap(writer("room"))]
    random = np.random.default_rng(7)
    said = {"a": [], "b": []}
    for step in range(30):
        for name, peer in (("a", a), ("b", b)):
            if name == "b" or step not in (10, 11, 12):
                pcm = random.integers(-9000, 9000, 160).astype(np.int16)
                peer.say(pcm)
                said[name].append(LAWS["PCMU"].decode(LAWS["PCMU"].encode(pcm)))
            else:
                peer.sequence += 1
                peer.timestamp += 160
                before = said[name][-1] if step == 10 else np.zeros(160, np.int16)  # the frame before bridges one tick
                said[name].append(before)
        stage.tick()
    for handle in handles:
        handle.remove()
    stage.tick(2)
    one, other = np.concatenate(said["a"]), np.concatenate(said["b"])
    wanted = {"in": one, "out": other, "room": np.clip(one.astype(int) + other, -32768, 32767).astype(np.int16)}
    for name, samples in wanted.items():
        if rate != 8000:
            samples = Resampler(8000, rate, 1).process(samples[None, :])[0]
        recorded = np.concatenate(took[name])
        assert len(recorded) == 30 * rate // 50
        assert np.abs(recorded.astype(int) - samples).max() <= (0 if rate == 8000 else 1)
    assert ticks == list(range(ticks[0], ticks[0] + 30))
    assert rates == {rate}


def test_taps_hear_the_muted(stage: Stage) -> None:
    _, (a, b) = room(stage, 2)
    heard: list[int] = []
    a.port.muted = True
    a.port.add_tap("in", lambda samples, rate, tick: heard.append(int(samples[0])))
    a.say(1000)
    b.say(0)
    stage.tick()
    assert heard == [level(1000)]
    assert b.heard() == [2]


def test_a_broken_tap_is_removed(stage: Stage) -> None:
    peer = stage.peer()

    def write(samples: np.ndarray, rate: int, tick: int) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    handle = peer.port.add_tap("out", write)
    stage.tick(2)
    assert not handle.active
    assert isinstance(handle.failed, OSError)
    assert len(peer.heard()) == 2


def test_digits_go_out_in_the_stream(stage: Stage) -> None:
    """RFC 4733 §2.5.1: in place of audio, its own sequence numbers, one timestamp per digit."""
    peer = stage.peer()
    stage.tick()
    with pytest.raises(DigitsError):
        peer.port.send_dtmf("1x")
    peer.port.send_dtmf("1#")
    stage.tick(24)
    packets = peer.packets()
    assert [p.sequence for p in packets] == [(packets[0].sequence + i) & 0xFFFF for i in range(25)]
    events = [p for p in packets if p.payload_type == 101]
    assert [e.payload[0] for e in events] == [1] * 7 + [11] * 7
    assert [e.payload[1] >> 7 for e in events] == [0, 0, 0, 0, 1, 1, 1] * 2
    assert len({e.timestamp for e in events}) == 2
    assert [e.marker for e in events] == ([True] + [False] * 6) * 2
    audio = [p for p in packets if p.payload_type == 0]
    assert len(audio) == 11
    assert {(p.timestamp - packets[0].timestamp) % 160 for p in audio} == {0}
    assert (packets[-1].timestamp - packets[0].timestamp) & 0xFFFFFFFF == 24 * 160


def test_no_digits_to_a_peer_that_did_not_offer_them(stage: Stage) -> None:
    peer = stage.peer(telephone_event_send=None)
    peer.port.send_dtmf("1")
    stage.tick(3)
    assert {p.payload_type for p in peer.packets()} == {0}


def test_the_pinhole_is_three_packets_at_once(stage: Stage) -> None:
    peer = stage.peer(pinhole=True)
    packets = peer.packets()
    assert len(packets) == 3
    peer.port.configure(stage.stream(peer, pinhole=True))
    assert peer.packets() == []
    stage.tick()
    packets += peer.packets()
    assert [p.marker for p in packets] == [True, False, False, False]
    assert [p.sequence - packets[0].sequence for p in packets] == [0, 1, 2, 3]
    assert [(p.timestamp - packets[0].timestamp) & 0xFFFFFFFF for p in packets] == [0, 160, 320, 480]


def test_nothing_is_sent_while_sending_is_off(stage: Stage) -> None:
    _, (a, b) = room(stage, 2)
    a.port.configure(stage.stream(a, send=False))
    for _ in range(3):
        a.say(100)
        b.say(200)
        stage.tick()
    assert a.packets() == []
    assert b.heard() == [level(100)] * 3
    a.port.configure(stage.stream(a))
    b.say(200)
    stage.tick()
    (packet,) = a.packets()
    assert packet.marker


def test_another_codec_in_mid_call(stage: Stage) -> None:
    _, (a, b) = room(stage, 2)
    a.law = "PCMA"
    a.port.configure(stage.stream(a))
    a.say(1000)
    b.say(2000)
    stage.tick()
    (packet,) = a.packets()
    assert packet.payload_type == 8
    assert packet.payload[0] == LAWS["PCMA"].encode(np.array([level(2000)], np.int16))[0]
    assert b.heard() == [level(level(1000, "PCMA"))]


def test_statistics_after_the_end_are_those_of_the_end(stage: Stage) -> None:
    _, (a, _b) = room(stage, 2)
    port = a.port
    a.say(1)
    stage.tick()
    before = port.statistics()
    assert (before.received, before.sent, before.codec) == (5, 5, "PCMU")
    assert before.last_heard == pytest.approx(stage.time)
    assert before.mos is not None
    assert before.mos > 4
    port.close()
    assert port.statistics() == before
    port.muted = port.deaf = True
    port.leave()
    port.configure(stage.stream(a))
    assert (port.muted, port.deaf) == (False, False)
    stage.tick()


def test_jitter_is_that_of_the_definition(stage: Stage) -> None:
    """RFC 3550 §A.8, packet by packet, against the columns."""
    _, (a, b) = room(stage, 2)
    a.port.configure(stage.stream(a))
    arrivals = [1] * 10 + [0, 2] + [1] * 5 + [0, 2, 0, 2] + [1] * 20
    transits: list[int] = []
    for tick, count in enumerate(arrivals):
        for _ in range(count):
            transits.append((tick - len(transits)) * 160)
            a.say(10)
        b.say(10)
        stage.tick()
    jitter = 0.0
    for before, after in pairwise(transits):
        jitter += (abs(after - before) - jitter) / 16
    assert a.port.statistics().jitter_ms == pytest.approx(jitter / 8, rel=1e-6)


def test_a_port_closed_inside_the_tick_is_gone_after_it(stage: Stage) -> None:
    _, (a, _b) = room(stage, 2)
    a.port.add_tap("in", lambda samples, rate, tick: a.port.close())
    a.say(500)
    stage.tick()
    assert a.port.closed
    assert stage.clock.statistics().rows == 1
    stage.tick()
    with pytest.raises(OSError):
        os.fstat(a.port.sock.fileno())


def test_a_host_by_name_is_not_looked_up(stage: Stage) -> None:
    peer = stage.peer(configure=False)
    peer.port.configure(StreamParams("phone.example.com", 4000))
    stage.tick(2)
    assert peer.port.remote is None
    assert stage.clock.statistics().sent == 0


def test_two_address_families() -> None:
    with staged("epoll") as stage:
        from vb.net.rtp_socket import open_rtp_socket

        phone = open_rtp_socket("::1", 0)
        with phone:
            port = stage.clock.attach(open_rtp_socket("::1", 0), lambda event: None)
            port.configure(StreamParams("::1", phone.getsockname()[1], pinhole=False))
            peer = Peer(stage, port, phone, [])
            for _ in range(4):
                peer.say(100)
                stage.tick()
            assert len(peer.packets()) == 4
            assert port.statistics().received == 4
