"""RFC 3550 §A.1, §A.3, §A.8 against a model that keeps every packet in a set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.reception import MAX_DROPOUT, MAX_MISORDER, Reception, Verdict, update_jitter

SSRC = 0x1234


def feed(reception: Reception, sequences: list[int], ssrc: int = SSRC) -> list[Verdict]:
    return [reception.receive(number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc, number * 0.02) for number in sequences]


class Model:
    """Everything that came, by its true number."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.duplicates = 0
        self.late = 0

    def receive(self, number: int) -> Verdict:
        if number in self.seen:
            self.duplicates += 1
            return Verdict.DUPLICATE
        late = bool(self.seen) and number < max(self.seen)
        self.seen.add(number)
        self.late += late
        return Verdict.LATE if late else Verdict.OK

    @property
    def lost(self) -> int:
        return max(self.seen) - min(self.seen) + 1 - len(self.seen)


@given(
    first=st.integers(0, 0xFFFF),
    steps=st.lists(st.integers(-40, 60) | st.integers(61, MAX_DROPOUT - 1), max_size=60),
)
def test_any_order_gaps_and_repeats(first: int, steps: list[int]) -> None:
    reception, model = Reception(8000), Model()
    numbers = [first + 0x10000]
    for step in steps:
        newest = max(numbers)
        numbers.append(max(newest + step, newest - MAX_MISORDER))
    for number in numbers:
        verdict = reception.receive(number & 0xFFFF, 0, SSRC, 0.0)
        assert verdict is model.receive(number)
        assert (reception.received, reception.lost) == (len(model.seen), model.lost)
        assert (reception.duplicates, reception.late) == (model.duplicates, model.late)
        assert reception.next_sequence == (max(model.seen) + 1) & 0xFFFF
    assert reception.highest - first == max(model.seen) - first - 0x10000


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.floats(0, 0.5)), min_size=2, max_size=50), st.integers(0, 0xFFFFFFFF)
)
def test_jitter_is_the_formula_of_the_rfc(steps: list[tuple[int, float]], first: int) -> None:
    reception = Reception(8000)
    clock, arrival, expected, previous = first, 0.0, 0.0, None
    for number, (ticks, wait) in enumerate(steps):
        clock, arrival = clock + ticks, arrival + wait
        reception.receive(number, clock & 0xFFFFFFFF, SSRC, arrival)
        transit = arrival * 8000 - clock
        if previous is not None:
            expected += (abs(transit - previous) - expected) / 16
        previous = transit
    assert reception.jitter_units == pytest.approx(expected, abs=1e-3)
    assert reception.jitter_ms == pytest.approx(expected / 8, abs=1e-3)


def test_columns_of_jitter_are_the_same_formula() -> None:
    rng = np.random.default_rng(1)
    singles = [Reception(8000) for _ in range(5)]
    jitter, transit = np.zeros(5), np.full(5, np.nan)
    for number in range(100):
        rows = np.flatnonzero(rng.random(5) < 0.7)
        arrival = number * 0.02 + rng.random(len(rows)) * 0.01
        timestamp = (0xFFFFE000 + number * 160) & 0xFFFFFFFF
        for row, at in zip(rows, arrival, strict=True):
            singles[row].receive(number, timestamp, SSRC, float(at))
        update_jitter(jitter, transit, arrival * 8000 - timestamp, rows)
    assert jitter == pytest.approx([single.jitter_units for single in singles])


def test_a_late_packet_fills_its_gap() -> None:
    reception = Reception(8000)
    assert feed(reception, [10, 11, 14, 12, 13, 12]) == [
        Verdict.OK, Verdict.OK, Verdict.OK, Verdict.LATE, Verdict.LATE, Verdict.DUPLICATE,
    ]  # fmt: skip
    assert (reception.received, reception.lost, reception.late, reception.duplicates) == (5, 0, 2, 1)


def test_the_gap_before_a_packet() -> None:
    reception = Reception(8000)
    gaps = []
    for number in (5, 6, 9, 8, 10):
        feed(reception, [number])
        gaps.append(reception.gap)
    assert gaps == [0, 0, 2, 0, 0]


def test_the_sequence_wraps() -> None:
    reception = Reception(8000)
    feed(reception, list(range(65530, 65550)))
    assert (reception.received, reception.lost, reception.highest) == (20, 0, 65549)


def test_older_than_the_first_is_expected_too() -> None:
    reception = Reception(8000)
    assert feed(reception, [0x10000, 0xFFFD]) == [Verdict.OK, Verdict.LATE]
    assert (reception.received, reception.lost) == (2, 2)


def test_a_new_ssrc_starts_anew_and_loses_nothing() -> None:
    reception = Reception(8000)
    feed(reception, [1, 2, 4])
    assert feed(reception, [40000, 40001, 40003], ssrc=99) == [Verdict.RESTART, Verdict.OK, Verdict.OK]
    assert (reception.received, reception.lost, reception.restarts) == (6, 2, 1)
    assert reception.ssrc == 99


def test_a_new_ssrc_brings_no_jitter() -> None:
    reception = Reception(8000)
    feed(reception, list(range(50)))
    reception.receive(7, 0xDEADBEEF, 99, 1.0)
    reception.receive(8, 0xDEADBEEF + 160, 99, 1.02)
    assert reception.jitter_ms == pytest.approx(0, abs=1e-6)


def test_a_jump_needs_two_in_a_row() -> None:
    """§A.1: one packet far away is a stray; two in sequence are a restarted sender."""
    reception = Reception(8000)
    feed(reception, [1, 2, 3])
    assert feed(reception, [30000, 4, 30005, 5]) == [Verdict.JUMP, Verdict.OK, Verdict.JUMP, Verdict.OK]
    assert (reception.received, reception.lost, reception.jumps) == (5, 0, 2)
    assert feed(reception, [20000, 20001, 20002]) == [Verdict.JUMP, Verdict.RESTART, Verdict.OK]
    assert (reception.received, reception.lost) == (7, 0)


@pytest.mark.parametrize("ahead", [MAX_DROPOUT, -MAX_MISORDER - 1])
def test_the_edges_of_a_jump(ahead: int) -> None:
    reception = Reception(8000)
    feed(reception, [10000])
    assert feed(reception, [10000 + ahead]) == [Verdict.JUMP]
    assert feed(reception, [10000 + ahead - (1 if ahead > 0 else -1)])[0] in (Verdict.OK, Verdict.LATE)


def test_telephone_events_are_no_jitter() -> None:
    reception = Reception(8000)
    for number in range(100):
        reception.receive(number, 0, SSRC, number * 0.02, timed=False)
    assert reception.jitter_ms == 0
    assert reception.received == 100


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 150)), max_size=10))
def test_counting_in_bulk_is_counting_one_by_one(runs: list[tuple[bool, int]]) -> None:
    bulk, single = Reception(8000), Reception(8000)
    feed(bulk, [65000])
    feed(single, [65000])
    number = 65000
    for in_bulk, count in runs:
        numbers = list(range(number + 1, number + count + 1))
        feed(single, numbers)
        if in_bulk:
            bulk.advance(count, jitter_units=single.jitter_units, transit=single.transit)
        else:
            feed(bulk, numbers)
        number += count
        straggler = number - min(count // 2, MAX_MISORDER)
        assert feed(bulk, [straggler]) == feed(single, [straggler]) == [Verdict.DUPLICATE]
    assert bulk == single


def test_which_verdicts_play() -> None:
    assert {verdict for verdict in Verdict if verdict.plays} == {Verdict.OK, Verdict.RESTART}


def test_bulk_without_news_of_the_clock_keeps_it() -> None:
    reception = Reception(8000)
    feed(reception, [1, 2])
    before = (reception.jitter_units, reception.transit)
    reception.advance(0)
    reception.advance(3)
    assert (reception.received, reception.next_sequence) == (5, 6)
    assert (reception.jitter_units, reception.transit) == before


def test_nothing_received() -> None:
    reception = Reception(8000)
    reception.advance(0)
    assert (reception.received, reception.lost, reception.next_sequence, reception.jitter_ms) == (0, 0, -1, 0)
