"""Who hears whom and how that is computed: worked out when something changed, used until the next change."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
from numpy.typing import NDArray

from vb.media.mix import Mix
from vb.media.rows import Index, Rows
from vb.media.settings import RATE
from vb.mix.arrange import Arrangement, arrange, index
from vb.mix.sums import Weights


@attrs.frozen(eq=False)
class Routed:
    """A room where not everybody hears everybody: its place among the attended, its lines, and who hears whom."""

    place: int
    lines: Index
    weights: Weights


@attrs.frozen(eq=False)
class PlanePlan:
    """The rooms that are summed at one rate. ``lines`` are rows; at 8 kHz they index the columns themselves.

    ``attended`` rooms have sources or taps: their members stand in ``attended_lines`` from ``starts`` on, ``counts``
    long; an attended room nobody is in stands in ``empty``. ``routed`` are those of the attended with routes.
    """

    rate: int
    lines: Index
    rooms: Arrangement
    attended: tuple[Mix, ...]
    attended_lines: Index
    starts: Index
    counts: Index
    empty: tuple[Mix, ...]
    routed: tuple[Routed, ...]


@attrs.frozen(eq=False)
class Plan:
    """Index arrays over rows, all sorted.

    ``pass_to`` gets the payload of ``pass_from`` as it is. ``decode`` rows are needed as samples, ``detect`` rows are
    looked at for speech. ``hearing`` rows
    have a mix of their own; ``clear`` rows start from silence (outside a room, but something plays or listens).
    ``encode`` is what of the heard is sent, by law; ``silent`` rows are sent silence; ``send`` all that is sent.
    """

    pass_to: Index
    pass_from: Index
    decode: Index
    detect: Index
    muted: Index
    clear: Index
    encode: tuple[Index, Index]
    silent: Index
    send: Index
    planes: tuple[PlanePlan, ...]


def build(
    rows: Rows, mixes: Iterable[Mix], tapped: Iterable[int], alone_hearing: Iterable[int], detecting: Iterable[int]
) -> Plan:
    """The plan for ``mixes``. ``tapped``: rows whose speech is listened to; ``alone_hearing``: rows with sources or
    taps on what they hear; ``detecting``: rows whose speech is detected."""
    by_rate: dict[int, list[Mix]] = {}
    for mix in mixes:
        by_rate.setdefault(mix.effective_rate, []).append(mix)
    pass_to = pass_from = index(())
    mixed = np.zeros(rows.capacity, np.bool_)
    planes = []
    for rate, chosen in by_rate.items():
        members = [list(mix.ports) for mix in chosen if not mix.attended]
        if rate == RATE:
            pairs, members = _passing(rows, members)
            pass_to, pass_from = pairs[:, ::-1].reshape(-1).copy(), pairs.reshape(-1).copy()
        plane = _plane(rate, members, [mix for mix in chosen if mix.attended])
        mixed[plane.lines] = True
        planes.append(plane)
    return _columns(rows, pass_to, pass_from, mixed, tapped, alone_hearing, index(sorted(detecting)), tuple(planes))


def _passing(rows: Rows, members: list[list[int]]) -> tuple[Index, list[list[int]]]:
    """Rooms of two whose payloads can go through untouched, and the rest."""
    twos = [room for room in members if len(room) == 2]
    if not twos:
        return np.zeros((0, 2), np.intp), members
    pairs = np.array(twos, np.intp)
    left, right = pairs[:, 0], pairs[:, 1]
    passing = rows.plain[left] & rows.plain[right]
    passing &= (rows.law[left] == rows.send_law[right]) & (rows.law[right] == rows.send_law[left])
    rest = [room for room in members if len(room) != 2]
    return pairs[passing], rest + pairs[~passing].tolist()


def _plane(rate: int, members: list[list[int]], attended: list[Mix]) -> PlanePlan:
    lines = index(sorted(line for room in [*members, *(mix.ports for mix in attended)] for line in room))
    full = [mix for mix in attended if mix.ports]
    counts = index(len(mix.ports) for mix in full)
    attended_lines = index(line for mix in full for line in mix.ports)
    if rate != RATE:  # a matrix of its own: lines by position
        position = {int(line): place for place, line in enumerate(lines)}
        members = [[position[line] for line in room] for room in members]
        attended_lines = index(position[int(line)] for line in attended_lines)
    starts = np.cumsum(counts) - counts
    return PlanePlan(
        rate=rate,
        lines=lines,
        rooms=arrange(members),
        attended=tuple(full),
        attended_lines=attended_lines,
        starts=starts,
        counts=counts,
        empty=tuple(mix for mix in attended if not mix.ports),
        routed=tuple(
            Routed(place, attended_lines[start : start + len(mix.ports)], mix.weights())
            for place, (mix, start) in enumerate(zip(full, starts, strict=True))
            if mix.routes
        ),
    )


def _columns(
    rows: Rows,
    pass_to: Index,
    pass_from: Index,
    mixed: NDArray[np.bool_],
    tapped: Iterable[int],
    alone_hearing: Iterable[int],
    detect: Index,
    planes: tuple[PlanePlan, ...],
) -> Plan:
    sending = rows.active & rows.sends & ~rows.deaf
    decode, hearing = mixed.copy(), mixed.copy()
    decode[index(tapped)] = True
    decode[detect] = True
    clear = index(alone_hearing)
    hearing[clear] = True
    passed = np.zeros(rows.capacity, np.bool_)
    passed[pass_to] = True
    encoded = sending & hearing
    return Plan(
        pass_to=pass_to,
        pass_from=pass_from,
        decode=np.flatnonzero(decode),
        detect=detect,
        muted=np.flatnonzero(decode & rows.muted),
        clear=clear[~mixed[clear]],
        encode=(np.flatnonzero(encoded & (rows.send_law == 0)), np.flatnonzero(encoded & (rows.send_law == 1))),
        silent=np.flatnonzero(sending & ~encoded & ~passed),
        send=np.flatnonzero(sending),
        planes=planes,
    )
