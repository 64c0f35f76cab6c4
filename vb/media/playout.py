"""Which frame of a row is heard in this tick, as columns: spares, late frames, gaps, drift.

A sender's phase drifts against our tick, so a tick finds no packet or two now and then. One spare frame per row bridges
that. A frame that is missing once is bridged by the one before; if it comes in the next tick, it was late, not lost,
and the stream has won its spare. A row whose packets come so shortly before the tick that a little jitter would make
them late is given a spare beforehand, in a quiet moment, when nobody hears it. A spare that nobody needed for a while
is dropped where it is quiet (after half a minute without quiet, anywhere): no delay stays. A row that needed it after
all waits longer the next time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vb.codec.g711 import ALAW_DECODE, ULAW_DECODE
from vb.media.rows import Index, Rows

QUIET_AFTER = 25
"""Ticks a spare lies unused before it is dropped in silence (doubled per time that this proved wrong)."""
ANYWHERE_AFTER = 1500
"""Ticks after which it is dropped even where it is heard: talk has a quiet moment long before, so this is for music."""
MOST_PATIENCE = 3
REGRET = 500
"""A frame missing so few ticks after a slip shows that the slip was wrong."""
QUIET_PEAK = 256
GONE = 25
"""Missing ticks after which a stream is not expected any more: it ended, or pauses, and that is no gap."""


def place_first(rows: Rows, fast: Index) -> None:
    """Rows whose packet lies in ``rows.rx`` have a frame; where a spare waits, it goes first."""
    rows.have[fast] = True
    if np.count_nonzero(rows.has_spare):
        waiting = fast[rows.has_spare[fast]]
        older = rows.spare[waiting]
        rows.spare[waiting] = rows.frames[waiting]
        rows.frames[waiting] = older


def place_later(rows: Rows, fast: Index) -> None:
    """A further packet in the same tick, in ``rows.later``: it becomes the spare; of three frames the oldest goes."""
    lacking = ~rows.have[fast]
    if lacking.any():
        first = fast[lacking]
        rows.frames[first] = rows.later_frames[first]
        place_first(rows, first)
        fast = fast[~lacking]
    crowded = fast[rows.has_spare[fast]]
    if len(crowded):
        rows.frames[crowded] = rows.spare[crowded]
        rows.slipped[crowded] += 1
    rows.spare[fast] = rows.later_frames[fast]
    rows.has_spare[fast] = True
    rows.spare_age[fast] = 0


def note_margin(rows: Rows, early: Index, tick: int) -> None:
    """``early`` rows had a packet a little while before this tick. Those that got one only since then are close."""
    close = rows.last_tick == tick
    close[early] = False
    rows.spare_age[close] = 0
    rows.wants_spare |= close & ~rows.has_spare


def give_spares(rows: Rows) -> None:
    """Rows that come close to the tick hear a quiet frame twice: the second time it is their spare."""
    asking = rows.wants_spare.nonzero()[0]
    if not len(asking):
        return
    rows.wants_spare[asking[rows.has_spare[asking]]] = False
    asking = asking[rows.have[asking] & ~rows.has_spare[asking]]
    if len(asking):
        quiet = asking[_quiet(rows, asking)]
        rows.spare[quiet] = rows.frames[quiet]
        rows.has_spare[quiet], rows.wants_spare[quiet], rows.spare_age[quiet] = True, False, 0


def play_spares(rows: Rows, tick: int) -> None:
    """Rows without a packet play their spare; a spare that is never needed goes."""
    waiting = rows.has_spare.nonzero()[0]
    if not len(waiting):
        return
    needed = waiting[~rows.have[waiting]]
    if len(needed):
        rows.frames[needed] = rows.spare[needed]
        rows.have[needed] = True
        rows.has_spare[needed] = False
        rows.spare_age[needed] = 0
        waiting = waiting[rows.has_spare[waiting]]
    rows.spare_age[waiting] += 1
    age, patience = rows.spare_age[waiting], rows.patience[waiting]
    old = age >= QUIET_AFTER << patience
    if old.any():
        candidates = waiting[old]
        forced = age[old] >= ANYWHERE_AFTER << patience[old]
        _slip(rows, candidates[forced | _quiet(rows, candidates)], tick)


def _quiet(rows: Rows, candidates: Index) -> NDArray[np.bool_]:
    octets = rows.frames[candidates]
    samples = np.where((rows.law[candidates] == 0)[:, None], ULAW_DECODE[octets], ALAW_DECODE[octets])
    return np.asarray(np.abs(samples.astype(np.int32)).max(axis=1) < QUIET_PEAK)


def _slip(rows: Rows, chosen: Index, tick: int) -> None:
    rows.frames[chosen] = rows.spare[chosen]
    rows.has_spare[chosen] = False
    rows.slipped[chosen] += 1
    rows.slip_tick[chosen] = tick


def bridge(rows: Rows, tick: int) -> None:
    """Rows that lack an expected frame: bridge the first one; if more are missing, count them when the stream goes on.

    ``rows.had`` is ``have`` as it was in the tick before. A row that the slow path touched in this tick is left as it
    is: something else came (a telephone-event), and its packet lies where the frame was.
    """
    first = (rows.had > rows.have).nonzero()[0]
    if np.count_nonzero(rows.miss_run):
        running, missing = rows.miss_run > 0, ~rows.have
        first = first[rows.miss_run[first] == 0]
        again = (missing & running).nonzero()[0]
        run = rows.miss_run[again] + 1
        rows.miss_run[again] = np.where(run > GONE, 0, run)
        back = (~missing & running).nonzero()[0]
        run = rows.miss_run[back]
        rows.gaps[back] += np.where(run > 1, run, 0)
        rows.miss_run[back] = 0
    if len(first):
        first = first[rows.touched[first] != tick]
        rows.have[first] = True
        rows.miss_run[first] = 1
        rows.concealed[first] += 1
        regretted = first[(rows.slip_tick[first] > 0) & (tick - rows.slip_tick[first] < REGRET)]
        rows.patience[regretted] = np.minimum(rows.patience[regretted] + 1, MOST_PATIENCE)
        rows.slip_tick[regretted] = 0
