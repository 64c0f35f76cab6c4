"""RFC 4733: every digit exactly once, whatever the network does; and what we send."""

from __future__ import annotations

from math import inf

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.telephone_event import (
    DIGITS,
    MAX_QUEUED,
    MEMORY,
    QUIET_S,
    Digit,
    DigitsError,
    DtmfReceiver,
    DtmfSender,
    parse_digits,
)

TICK = 0.02


@attrs.frozen
class Packet:
    at: float
    payload: bytes
    timestamp: int
    marker: bool


def press(digit: str, start: float, ticks: int, base: int = 0, rate: int = 8000, ends: int = 3) -> list[Packet]:
    """A key held for ``ticks`` of 20 ms: updates, then end packets, all with the timestamp of its start."""
    event, timestamp, step = DIGITS.index(digit), (base + round(start * rate)) & 0xFFFFFFFF, rate // 50
    updates = [bytes([event, 10]) + (step * n).to_bytes(2, "big") for n in range(1, ticks + 1)]
    end = bytes([event, 0x80 | 10]) + (step * ticks).to_bytes(2, "big")
    payloads = updates + [end] * ends
    return [Packet(start + n * TICK, payload, timestamp, n == 0) for n, payload in enumerate(payloads)]


def hear(packets: list[Packet], receiver: DtmfReceiver | None = None) -> list[Digit]:
    """Everything reported, with the timer run between the packets and long after them."""
    receiver = receiver or DtmfReceiver(8000)
    heard: list[Digit] = []
    for packet in sorted(packets, key=lambda packet: packet.at):
        if receiver.next_deadline() <= packet.at:
            heard += receiver.handle_timers(packet.at)
        heard += receiver.receive(packet.payload, packet.timestamp, packet.marker, packet.at)
    heard += receiver.handle_timers(1e9)
    assert receiver.next_deadline() == inf
    return heard


def digits(packets: list[Packet]) -> str:
    return "".join(digit.digit for digit in hear(packets))


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("digit", DIGITS)
def test_a_plain_press(digit: str, rate: int) -> None:
    assert hear(press(digit, 1.0, 5, rate=rate), DtmfReceiver(rate)) == [Digit(digit, 100)]


def test_it_is_reported_with_its_first_end_packet() -> None:
    receiver = DtmfReceiver()
    *updates, end, again, last = press("5", 0, 4)
    assert [receiver.receive(p.payload, p.timestamp, p.marker, p.at) for p in updates] == [[]] * 4
    assert receiver.receive(end.payload, end.timestamp, False, 0.08) == [Digit("5", 80)]
    assert receiver.receive(again.payload, again.timestamp, False, 0.1) == []
    assert receiver.receive(last.payload, last.timestamp, False, 0.12) == []


def test_end_packets_lost() -> None:
    receiver = DtmfReceiver()
    for packet in press("7", 0, 4, ends=0):
        assert receiver.receive(packet.payload, packet.timestamp, packet.marker, packet.at) == []
    assert receiver.next_deadline() == pytest.approx(0.06 + QUIET_S)
    assert receiver.handle_timers(0.06 + QUIET_S - 0.001) == []
    assert receiver.handle_timers(0.06 + QUIET_S) == [Digit("7", 80)]
    assert receiver.handle_timers(10) == []


def test_an_end_packet_alone_is_a_digit() -> None:
    assert hear(press("#", 0, 4)[-1:]) == [Digit("#", 80)]


def test_the_same_key_twice() -> None:
    assert digits(press("1", 0, 4, ends=0) + press("1", 0.2, 4)) == "11"


def test_an_end_packet_overtaken_by_the_next_digit() -> None:
    first, second = press("1", 0, 4), press("2", 0.16, 4)
    late = [attrs.evolve(first[-1], at=0.17), attrs.evolve(first[-2], at=0.25)]
    assert digits(first[:-2] + late + second) == "12"


def test_all_of_a_digit_but_one_end_packet_comes_after_the_next_began() -> None:
    first, second = press("1", 0, 4), press("2", 0.16, 4)
    assert digits([attrs.evolve(first[-1], at=0.17), *second]) == "12"


@given(
    st.lists(st.tuples(st.sampled_from(DIGITS), st.integers(1, 12), st.integers(1, 30)), min_size=1, max_size=8),
    st.integers(0, 0xFFFFFFFF),
    st.data(),
)
def test_exactly_once_under_loss_repetition_and_reordering(
    presses: list[tuple[str, int, int]], base: int, data: st.DataObject
) -> None:
    arriving, start, jitter = [], 1.0, data.draw(st.sampled_from([0.0, 0.05, 0.15]))
    for digit, ticks, pause in presses:
        sent = press(digit, start, ticks, base)
        survivors = data.draw(st.lists(st.sampled_from(range(len(sent))), min_size=1, max_size=2 * len(sent)))
        arriving += [
            attrs.evolve(sent[n], at=sent[n].at + data.draw(st.floats(0, 1)) * jitter) for n in survivors
        ]  # drawn twice: duplicated; not drawn: lost
        start += (ticks + 3 + pause) * TICK
    heard = digits(arriving)
    pressed = "".join(digit for digit, _, _ in presses)
    assert sorted(heard) == sorted(pressed)
    if jitter <= 2 * TICK:
        assert heard == pressed


def test_the_duration_is_the_longest_heard() -> None:
    packets = press("9", 0, 10, ends=0)
    assert hear([attrs.evolve(packets[7], at=0.1), attrs.evolve(packets[3], at=0.12)]) == [Digit("9", 160)]


def long_press(segments: int) -> list[Packet]:
    """RFC 4733 §2.5.1.3: a press beyond 0xFFFF units goes on with a timestamp as much later, without marker."""
    packets = []
    for segment in range(segments):
        full = [bytes([5, 10]) + duration.to_bytes(2, "big") for duration in (*range(1600, 0xFFFF, 1600), 0xFFFF)]
        at = segment * 0xFFFF / 8000
        packets += [
            Packet(at + n * 0.2, payload, segment * 0xFFFF, segment == 0 and n == 0) for n, payload in enumerate(full)
        ]
    end = bytes([5, 0x8A]) + (800).to_bytes(2, "big")
    return packets + [
        Packet(segments * 0xFFFF / 8000 + 0.02 + n * TICK, end, segments * 0xFFFF, False) for n in range(3)
    ]


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_a_long_press_is_one_digit(segments: int) -> None:
    assert hear(long_press(segments)) == [Digit("5", round((segments * 0xFFFF + 800) / 8))]


def test_a_long_press_with_a_hole_is_still_one_digit() -> None:
    packets = [packet for packet in long_press(2) if not 7.0 < packet.at < 9.0]
    assert digits(packets) == "5"


def test_stragglers_of_a_long_press() -> None:
    packets = long_press(1)
    assert digits([*packets, attrs.evolve(packets[0], at=8.25), attrs.evolve(packets[3], at=20.0)]) == "5"


def test_a_marker_begins_another_press_even_at_that_distance() -> None:
    first = press("5", 0, 4)
    again = [attrs.evolve(packet, timestamp=0xFFFF, at=packet.at + 8.2) for packet in first]
    assert digits(first + again) == "55"


@pytest.mark.parametrize(
    "payload", [b"", b"\x05", b"\x05\x8a\x03", bytes([16, 0x8A, 3, 32]), bytes([255, 0x8A, 3, 32])]
)
def test_what_is_no_digit_is_ignored(payload: bytes) -> None:
    receiver = DtmfReceiver()
    assert receiver.receive(payload, 1, True, 0) == []
    assert receiver.next_deadline() == inf
    assert receiver.ignored == 1


def test_another_event_under_the_same_timestamp_is_not_believed() -> None:
    receiver = DtmfReceiver()
    assert receiver.receive(bytes.fromhex("060a0320"), 7, True, 0) == []
    assert receiver.receive(bytes.fromhex("078a0320"), 7, False, 0) == []
    assert receiver.receive(bytes.fromhex("068a0320"), 7, False, 0) == [Digit("6", 100)]
    assert receiver.receive(bytes.fromhex("078a0320"), 7, False, 0) == []


def test_the_stream_ends_while_a_key_is_down() -> None:
    receiver = DtmfReceiver()
    receiver.receive(bytes.fromhex("060a0320"), 7, True, 0)
    assert receiver.finish() == [Digit("6", 100)]
    assert receiver.finish() == []


def test_memory_is_bounded() -> None:
    receiver = DtmfReceiver()
    for number in range(10 * MEMORY):
        receiver.receive(bytes.fromhex("018a0320"), number * 1000, True, number)
    assert len(receiver._done) == MEMORY


def frames(sender: DtmfSender, ticks: int) -> list[tuple[int, str, int, bool] | None]:
    sent = [sender.tick(1000 + 160 * n) for n in range(ticks)]
    return [frame and (n, frame.payload.hex(), frame.timestamp, frame.marker) for n, frame in enumerate(sent)]


def test_what_is_sent_for_a_digit() -> None:
    sender = DtmfSender()
    assert not sender.busy
    sender.send("5")
    assert sender.busy
    assert frames(sender, 12) == [
        (0, "050a00a0", 1000, True),
        (1, "050a0140", 1000, False),
        (2, "050a01e0", 1000, False),
        (3, "050a0280", 1000, False),
        (4, "058a0280", 1000, False),
        (5, "058a0280", 1000, False),
        (6, "058a0280", 1000, False),
        None, None, None, None, None,
    ]  # fmt: skip
    assert not sender.busy


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_our_own_digits_are_heard(rate: int) -> None:
    sender, receiver, heard = DtmfSender(rate), DtmfReceiver(rate), ""
    sender.send("0123456789")
    sender.send("*#abcdD")
    tick = 0
    while sender.busy:
        frame = sender.tick(0xFFFFF000 + tick * rate // 50)
        if frame is not None:
            for digit in receiver.receive(frame.payload, frame.timestamp, frame.marker, tick * TICK):
                assert digit.duration_ms == 80
                heard += digit.digit
        tick += 1
    assert heard == "0123456789*#ABCDD"
    assert tick <= 17 * 10


@pytest.mark.parametrize("wrong", ["x", "12E", "1 2", "ß", "1,2", "٣", "!"])
def test_other_characters_are_refused_whole(wrong: str) -> None:
    sender = DtmfSender()
    with pytest.raises(DigitsError):
        sender.send(wrong)
    assert not sender.busy
    with pytest.raises(DigitsError):
        parse_digits(wrong)


def test_the_queue_is_bounded() -> None:
    sender = DtmfSender()
    sender.send("1" * MAX_QUEUED)
    with pytest.raises(DigitsError, match="waiting"):
        sender.send("2")
