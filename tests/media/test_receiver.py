"""What comes in: fast rows, odd packets, strangers, failures; the same on both implementations of I/O."""

from __future__ import annotations

import errno
import os
import random
import socket
from typing import Any

import numpy as np
import pytest

from tests.media.stage import Peer, Stage, descriptors, event_payload, level
from vb.codec.g711 import LAWS
from vb.media.events import DtmfReceived, FirstPacket, RemoteLatched, RowFailed
from vb.media.playout import ANYWHERE_AFTER, QUIET_AFTER
from vb.media.receiver import SILENT_TICKS
from vb.media.settings import TICK


@pytest.fixture
def pair(stage: Stage) -> tuple[Peer, Peer]:
    """Two in a room; what the first says is heard by the second."""
    mix = stage.clock.open_mix(8000)
    left, right = stage.peer(), stage.peer()
    left.port.join(mix)
    right.port.join(mix)
    stage.settle(left, right)
    return left, right


def play(stage: Stage, pair: tuple[Peer, Peer], *arrivals: list[bytes]) -> list[int]:
    """One tick per entry with these packets of the left peer; what the right one hears."""
    for packets in arrivals:
        for data in packets:
            pair[0].send(data)
        pair[1].say(0)
        stage.tick()
    return pair[1].heard()


def levels(*values: int) -> list[int]:
    return [level(value) for value in values]


def frames(peer: Peer, *values: int) -> list[bytes]:
    return [peer.packet(value) for value in values]


def test_frames_in_order_take_the_columns(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    before = stage.clock.statistics().slow
    packets = frames(pair[0], *range(100, 2100, 100))
    assert play(stage, pair, *[[data] for data in packets]) == levels(*range(100, 2100, 100))
    assert stage.clock.statistics().slow == before
    counted = pair[0].port.statistics()
    assert (counted.received, counted.lost, counted.jitter_ms, counted.gaps) == (24, 0, 0.0, 0)


def test_sequence_and_timestamp_wrap_in_the_columns(stage: Stage) -> None:
    peer, other = stage.peer(), stage.peer()
    peer.sequence, peer.timestamp = 0xFFF8, 2**32 - 160 * 8
    mix = stage.clock.open_mix(8000)
    peer.port.join(mix)
    other.port.join(mix)
    stage.settle(peer, other)
    before = stage.clock.statistics().slow
    assert len(play(stage, (peer, other), *[[data] for data in frames(peer, *range(20))])) == 20
    assert stage.clock.statistics().slow == before + 1  # the wrap itself
    assert peer.port.statistics().received == 24
    assert peer.port.statistics().lost == 0


def test_a_frame_late_by_one_tick_is_no_gap(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, b, c, d, e = frames(pair[0], 100, 200, 300, 400, 500)
    assert play(stage, pair, [a], [], [b, c], [d], [e]) == levels(100, 100, 200, 300, 400)
    counted = pair[0].port.statistics()
    assert (counted.gaps, counted.concealed, counted.lost, counted.slipped) == (0, 1, 0, 0)


def test_the_spare_bridges_the_next_late_frame(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, b, c, d, e, f = frames(pair[0], 100, 200, 300, 400, 500, 600)
    assert play(stage, pair, [a, b], [c], [], [d, e], [f]) == levels(100, 200, 300, 400, 500)
    assert pair[0].port.statistics().concealed == 0


def test_missing_frames_are_gaps(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, b = frames(pair[0], 100, 200)
    assert play(stage, pair, [a], [], [], [], [b]) == [*levels(100, 100), 2, 2, *levels(200)]
    assert pair[0].port.statistics().gaps == 3
    play(stage, pair, *[[]] * 200)
    assert pair[0].port.statistics().gaps == 3  # a stream that ended is no gap


def test_one_lost_frame_is_a_gap(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, _, c = frames(pair[0], 100, 200, 300)
    play(stage, pair, [a], [], [c])
    assert pair[0].port.statistics().gaps == 1


def test_a_pause_that_the_sender_meant_is_no_gap(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    """Silence suppression: time goes on, the sequence does not (RFC 3551 §4.1)."""
    play(stage, pair, frames(pair[0], 100), [], [], [], [])
    pair[0].timestamp += 4 * 160
    assert play(stage, pair, *[[data] for data in frames(pair[0], 200, 300)]) == levels(200, 300)
    assert pair[0].port.statistics().gaps == 0


def test_audio_behind_an_odd_packet_is_heard_in_its_tick(stage: Stage) -> None:
    """Where many rows are read and not all are emptied, RTCP in front of a frame does not delay it."""
    mix = stage.clock.open_mix(8000)
    peers = [stage.peer() for _ in range(20)]
    for peer in peers:
        peer.port.join(mix)
    stage.settle(*peers)
    for step in range(8):
        for peer in peers:
            peer.send(bytes([0x80, 200]) + bytes(26))
            peer.say(0 if peer is not peers[0] else 100 * step)
        stage.tick()
        assert peers[1].heard() == [level(level(100 * step) + 18 * 2)]


def test_drift_is_slipped_in_silence(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    """A spare that nobody needs goes while nobody speaks; speech after it is complete."""
    play(stage, pair, frames(pair[0], 4000, 4000))
    play(stage, pair, *[[data] for data in frames(pair[0], *[4000] * (QUIET_AFTER - 10))])
    row = pair[0].port.row
    assert stage.clock.rows.has_spare[row]
    quiet = [[data] for data in frames(pair[0], *[0] * 20)]
    play(stage, pair, *quiet)
    assert not stage.clock.rows.has_spare[row]
    assert pair[0].port.statistics().slipped == 1
    assert play(stage, pair, *[[d] for d in frames(pair[0], 1000, 2000, 3000)]) == levels(1000, 2000, 3000)


def test_a_row_that_comes_close_to_the_tick_gets_its_spare_in_silence(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    """Then a frame that is late for once is not missed, and nothing of the speech is repeated or lost."""
    left, row, clock = pair[0], pair[0].port.row, stage.clock
    clock.receiver.look()  # nothing has come yet: what comes now came at the last moment
    assert play(stage, pair, frames(left, 3000)) == levels(3000)
    assert clock.rows.wants_spare[row]
    assert not clock.rows.has_spare[row]  # not while somebody speaks
    play(stage, pair, frames(left, 0))
    assert clock.rows.has_spare[row]
    speech = frames(left, *range(1000, 9000, 1000))
    assert play(stage, pair, [speech[0]], [speech[1]], [], speech[2:4], *[[d] for d in speech[4:]]) == levels(
        0, *range(1000, 8000, 1000)
    )
    counted = left.port.statistics()
    assert (counted.concealed, counted.gaps, counted.slipped) == (0, 0, 0)


def test_a_row_with_time_to_spare_gets_none(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    left = pair[0]
    for _ in range(20):
        left.send(left.packet(0))
        stage.clock.receiver.look()
        pair[1].say(0)
        stage.tick()
    assert not stage.clock.rows.wants_spare[left.port.row]
    assert not stage.clock.rows.has_spare[left.port.row]


def test_no_delay_stays_even_without_silence(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    play(stage, pair, frames(pair[0], *[4000] * 5))  # a burst after a stall of the network
    play(stage, pair, *[[d] for d in frames(pair[0], *[4000] * (ANYWHERE_AFTER + 10))])
    assert play(stage, pair, frames(pair[0], 1234)) == levels(1234)


def test_a_burst_leaves_one_spare_and_the_newest(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    burst = frames(pair[0], 100, 200, 300, 400, 500)
    rest = frames(pair[0], 600)
    assert play(stage, pair, burst, rest) == levels(400, 500)


def test_reordered_in_one_tick_is_put_in_order(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, b, c, d = frames(pair[0], 100, 200, 300, 400)
    assert play(stage, pair, [a], [c, b], [d]) == levels(100, 200, 300)
    counted = pair[0].port.statistics()
    assert (counted.late, counted.lost) == (1, 0)


def test_too_late_is_not_played(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, b, c, d = frames(pair[0], 100, 200, 300, 400)
    assert play(stage, pair, [a], [c], [d, b]) == levels(100, 300, 400)
    assert pair[0].port.statistics().late == 1


def test_duplicates_are_played_once(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, b, c = frames(pair[0], 100, 200, 300)
    assert play(stage, pair, [a, a], [b, b, b], [c, a]) == levels(100, 200, 300)
    counted = pair[0].port.statistics()
    assert (counted.duplicates, counted.received, counted.lost) == (4, 7, 0)


def test_loss_is_counted_and_the_rest_is_heard(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    a, _, c, d = frames(pair[0], 100, 200, 300, 400)
    assert play(stage, pair, [a], [c], [d]) == levels(100, 300, 400)
    counted = pair[0].port.statistics()
    assert (counted.received, counted.lost) == (7, 1)
    assert counted.mos is not None


def test_another_ssrc_starts_anew(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    play(stage, pair, frames(pair[0], 100))
    pair[0].ssrc, pair[0].sequence, pair[0].timestamp = 77, 40000, 99
    packets = [[data] for data in frames(pair[0], 200, 300, 400)]
    before = stage.clock.statistics().slow
    assert play(stage, pair, *packets) == levels(200, 300, 400)
    assert stage.clock.statistics().slow == before + 1
    assert pair[0].port.statistics().lost == 0


def test_another_codec_is_decoded_by_its_own_table(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    pair[0].law = "PCMA"
    assert play(stage, pair, *[[d] for d in frames(pair[0], 1000, 2000)]) == [
        level(level(value, "PCMA")) for value in (1000, 2000)
    ]


@pytest.mark.parametrize("ptime", [10, 30, 40, 60])
def test_other_frame_lengths_are_reframed(stage: Stage, pair: tuple[Peer, Peer], ptime: int) -> None:
    """A ramp in packets of another length comes out as the same ramp.

    In mid-call the first long packet is cut (it shows that the socket needs the large buffer), and the first of 30 ms
    leaves half a frame over, which waits for the next.
    """
    pcm = np.repeat(np.arange(1, 13 * 8 + 1), 20).astype(np.int16) * 100
    size = ptime * 8
    packets = [pair[0].packet(pcm[start : start + size]) for start in range(0, len(pcm) // size * size, size)]
    sent = 0
    for tick in range(13):
        while sent < len(packets) and sent * ptime <= tick * 20:
            pair[0].send(packets[sent])
            sent += 1
        stage.tick()
    heard = pair[1].heard_frames().tolist()
    wanted = LAWS["PCMU"].decode(LAWS["PCMU"].encode(pcm)).tolist()
    first = size if ptime > 30 else 0
    start = heard.index(wanted[first])
    if ptime == 30:
        del heard[start + 160 : start + 320]
    assert heard[start : start + 1120] == wanted[first : first + 1120]
    back = [[data] for data in frames(pair[0], *[500] * 8)]
    assert play(stage, pair, *back)[-1] == level(500)
    assert stage.clock.rows.expect[pair[0].port.row, 0] != 0  # in the columns again


def test_strangers_are_not_heard(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    stranger = stage.socket()
    with stranger:
        for step in range(20):
            stranger.sendto(pair[0].packet(9000), pair[0].port.local)
            pair[0].sequence -= 1
            pair[0].timestamp -= 160
            pair[0].say(100 + step)
            pair[1].say(0)
            stage.tick()
        assert pair[1].heard() == levels(*range(100, 120))


def test_a_stranger_who_is_first_in_the_queue_when_connecting_is_refused(stage: Stage) -> None:
    peer = stage.peer(configure=False)
    stranger = stage.socket()
    with stranger:
        peer.port.configure(stage.stream(peer))
        peer.say(1)
        for _ in range(40):
            stranger.sendto(peer.packet(9000), peer.port.local)
        stage.tick(6)
        assert peer.port.statistics().remote == peer.sock.getsockname()


def test_an_unknown_host_cannot_take_the_call(stage: Stage) -> None:
    """RTP_LATCH lock: the SDP named 127.0.0.1, so nobody else may be first."""
    peer = stage.peer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.bind(("127.0.0.9", 0))
        thief.sendto(peer.packet(1), peer.port.local)
        stage.tick()
        counted = peer.port.statistics()
        assert (counted.received, counted.refused) == (0, 1)
        assert peer.events == []


def test_first_packet_and_latch_are_told_once(stage: Stage) -> None:
    peer = stage.peer()
    stage.tick()
    stage.settle(peer)
    assert peer.events == [FirstPacket(1000 + 2 * TICK), RemoteLatched(peer.sock.getsockname())]


def test_the_same_stream_may_move_after_a_second_of_silence(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    left, right = pair
    moved = stage.socket()
    with moved:
        for _ in range(3):
            moved.sendto(left.packet(3000), left.port.local)
            stage.tick()
        assert level(3000) not in right.heard()
        for _ in range(62):
            stage.tick()
        for _ in range(6):
            moved.sendto(left.packet(3000), left.port.local)
            stage.tick()
        assert right.heard()[-3:] == levels(3000, 3000, 3000)
        assert left.port.statistics().remote == moved.getsockname()
        assert stage.clock.rows.linked[left.port.row]


def test_a_reinvite_moves_the_stream_at_once(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    left, right = pair
    left.sock.close()
    left.sock = stage.socket()
    left.ssrc = 50
    left.port.configure(stage.stream(left))
    for _ in range(5):
        left.say(2000)
        stage.tick()
    assert right.heard()[-2:] == levels(2000, 2000)
    assert len(left.packets()) == 5


def test_a_reinvite_from_elsewhere_lets_the_audio_move(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    """The SDP stays, the signalling comes from another host: a source there takes over without waiting."""
    left, right = pair
    left.port.configure(stage.stream(left, signalling_host="127.0.0.7"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as moved:
        moved.bind(("127.0.0.7", 0))
        moved.connect(left.port.local)
        left.say(1)
        stage.tick()
        left.ssrc = 9
        for _ in range(4):
            moved.send(left.packet(3000))
            stage.tick()
        assert right.heard()[-3:] == levels(3000, 3000, 3000)
        assert left.port.statistics().remote == moved.getsockname()
        assert stage.clock.rows.linked[left.port.row]


@pytest.mark.parametrize("mode", ["sdp", "follow"])
def test_other_latching(mode: Any) -> None:
    from tests.media.stage import staged

    with staged("epoll", latch=mode) as stage:
        left, right = stage.peer(), stage.peer()
        mix = stage.clock.open_mix(8000)
        left.port.join(mix)
        right.port.join(mix)
        other = stage.socket()
        with other:
            for _ in range(4):
                other.sendto(left.packet(1000), left.port.local)
                stage.tick()
            assert right.heard()[-1] == level(1000)
            assert len(left.packets()) == (4 if mode == "sdp" else 0)
            assert not stage.clock.rows.linked[left.port.row]


def test_rtcp_and_rubbish_are_counted_and_harmless(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    rubbish = random.Random(3)
    for _ in range(10):
        pair[0].send(bytes([0x80, 200]) + bytes(26))
        pair[0].send(rubbish.randbytes(rubbish.randrange(0, 300)))
        pair[0].send(pair[0].packet(1, payload_type=13)[:13])
        pair[0].say(700)
        stage.tick()
    stage.tick(3)
    assert pair[0].port.statistics().rtcp >= 10
    assert level(700) in pair[1].heard()
    assert stage.clock.statistics().failed_rows == 0


def test_an_icmp_refusal_ends_nothing(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    left, right = pair
    address = left.sock.getsockname()
    left.sock.close()
    stage.tick(10)
    assert stage.clock.statistics().refused > 0
    left.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    left.sock.bind(address)
    left.sock.setblocking(False)
    for _ in range(3):
        left.say(600)
        stage.tick()
    assert right.heard()[-1] == level(600)
    assert left.events[2:] == []


def test_a_cut_packet_moves_the_socket_to_the_large_buffer(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    for _ in range(4):
        pair[0].send(pair[0].packet(np.full(480, 900)))
        stage.tick(3)
    assert stage.clock.statistics().truncated == 1
    assert pair[1].heard()[-1] == level(900)


def press(peer: Peer, digit: int, timestamp: int, durations: list[int], ends: int = 3) -> list[bytes]:
    payloads = [event_payload(digit, d) for d in durations]
    payloads += [event_payload(digit, durations[-1] + 160, end=True)] * ends
    found = []
    for place, payload in enumerate(payloads):
        head = peer.packet(0, marker=place == 0, payload_type=101)[:4]
        found.append(head + timestamp.to_bytes(4, "big") + peer.ssrc.to_bytes(4, "big") + payload)
    return found


def test_a_digit_is_told_exactly_once(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    told = len(pair[0].events)
    packets = press(pair[0], 5, 9000, [160, 320, 480, 640])
    play(stage, pair, *[[p, p] for p in packets])
    assert pair[0].events[told:] == [DtmfReceived("5", 100)]
    heard = play(stage, pair, *[[d] for d in frames(pair[0], 300, 400)])
    assert heard[-2:] == levels(300, 400)
    counted = pair[0].port.statistics()
    assert (counted.lost, counted.gaps) == (0, 0)


def test_a_digit_without_its_end_is_told_when_it_falls_silent(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    told = len(pair[0].events)
    play(stage, pair, *[[p] for p in press(pair[0], 11, 9000, [160, 320], ends=0)])
    assert pair[0].events[told:] == []
    play(stage, pair, *[[d] for d in frames(pair[0], *[0] * 20)])
    assert pair[0].events[told:] == [DtmfReceived("#", 40)]


def test_one_broken_row_leaves_the_others_alone(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    left, right = pair
    other, witness = stage.peer(), stage.peer()
    mix = stage.clock.open_mix(8000)
    other.port.join(mix)
    witness.port.join(mix)
    stage.settle(left, right, other, witness)
    told = len(left.events)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wrong:  # sends and receives on it fail
        os.dup2(wrong.fileno(), left.port.sock.fileno())
    for _ in range(3):
        other.say(800)
        right.say(1)
        stage.tick()
    assert witness.heard() == levels(800, 800, 800)
    assert [type(event) for event in left.events[told:]] == [RowFailed]
    assert left.port.closed
    assert stage.clock.statistics().failed_rows == 1
    assert right.events[2:] == []


def test_receiving_off_hears_nothing(stage: Stage, pair: tuple[Peer, Peer]) -> None:
    pair[0].port.configure(stage.stream(pair[0], receive_enabled=False))
    assert play(stage, pair, *[[d] for d in frames(pair[0], 100, 200, 300)]) == [2, 2, 2]
    pair[0].port.configure(stage.stream(pair[0]))
    assert play(stage, pair, *[[d] for d in frames(pair[0], 100, 200, 300)]) == levels(100, 200, 300)


def test_thousand_legs_come_and_go(stage: Stage) -> None:
    before = descriptors()
    mix = stage.clock.open_mix(8000)
    rows = stage.clock.rows
    for _ in range(20):
        peers = [stage.peer() for _ in range(50)]
        for peer in peers:
            peer.port.join(mix)
            peer.say(100)
        stage.tick(2)
        for peer in peers:
            peer.port.close()
            peer.port.close()
            peer.sock.close()
        stage.peers.clear()
    stage.tick()
    assert rows.used == 0
    assert stage.clock.statistics().rows == 0
    assert mix.members == ()
    assert not rows.active.any()
    assert descriptors() == before


def test_columns_double_and_disturb_nobody() -> None:
    from tests.media.stage import staged

    for io in ("epoll", "uring"):
        with staged(io, capacity=2) as stage:
            mix = stage.clock.open_mix(8000)
            peers = []
            for count in range(1, 12):
                peers.append(stage.peer())
                peers[-1].port.join(mix)
                stage.settle(*peers[-1:])
                for peer in peers:
                    peer.packets()
                    peer.say(100)
                stage.tick()
                if count > 2:
                    assert peers[0].heard() == [level(level(100) * (count - 1))]
            assert stage.clock.rows.capacity == 16


def test_a_port_that_the_kernel_gave_away_meanwhile_costs_its_own_row_only(
    stage: Stage, pair: tuple[Peer, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    for _ in range(5):
        left.say(1000)
        right.say(2000)
        stage.tick()

    def taken() -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(left.port, "unlink", taken)
    told = len(left.events)
    for _ in range(2 * SILENT_TICKS):  # a tick that failed would be counted, and the stage complains
        right.say(2000)
        stage.tick()
    assert [type(event) for event in left.events[told:]] == [RowFailed]
    assert left.port.closed
    assert not right.port.closed
