"""Signal processing for a thousand rows of 20 ms, each beside the floor: NumPy copying as many samples.

``python bench/bench_dsp.py [rows]`` prints the best of many rounds on one core.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, as the media clock has it; before NumPy is loaded
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from vb.codec.g711 import LAWS
from vb.dsp.level import rms_rows
from vb.dsp.pcm_source import PcmSource
from vb.dsp.resample import Resampler
from vb.dsp.tones import ToneSource

ROUNDS = 50
PAIRS = ((8000, 16000), (16000, 8000), (8000, 48000), (48000, 8000), (16000, 48000), (48000, 16000))


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of ``ROUNDS`` runs."""
    work()
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def report(name: str, seconds: float, floor: float, rows: int) -> None:
    print(f"{name:32} {seconds / rows * 1e6:8.3f} {floor / rows * 1e6:8.3f} {seconds / floor:8.1f}")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rng = np.random.default_rng(1)
    frames = {rate: rng.normal(0, 3000, (rows, rate // 50)).astype(np.int16) for rate in (8000, 16000, 48000)}
    out = {rate: np.empty_like(frame) for rate, frame in frames.items()}
    floors = {rate: best(partial(np.copyto, out[rate], frames[rate])) for rate in frames}
    print(f"{rows} rows, us per row and tick{'':4} {'ours':>8} {'copy':>8} {'ratio':>8}")
    payload = np.empty((rows, 160), np.uint8)
    for law in LAWS.values():
        report(f"{law.name} encode", best(partial(law.encode, frames[8000], payload)), floors[8000], rows)
        report(f"{law.name} decode", best(partial(law.decode, payload, out[8000])), floors[8000], rows)
    for rate_in, rate_out in PAIRS:
        resampler = Resampler(rate_in, rate_out, rows)
        seconds = best(partial(resampler.process, frames[rate_in], None, out[rate_out]))
        report(f"resample {rate_in} to {rate_out}", seconds, max(floors[rate_in], floors[rate_out]), rows)
    half = np.arange(0, rows, 2)
    resampler = Resampler(8000, 16000, rows)
    seconds = best(lambda: resampler.process(frames[8000][half], half, out[16000][: len(half)]))
    report("resample every second row", seconds, floors[16000] / 2, len(half))
    report("level", best(lambda: rms_rows(frames[8000])), floors[8000], rows)
    one = frames[8000][0].copy()
    single = best(lambda: np.copyto(out[8000][0], one))
    playing, tone = PcmSource(frames[8000].reshape(-1), 8000, 8000, repeat=-1, volume=1), ToneSource("ringback", 8000)
    report("one recording playing", best(lambda: playing.read(160)), single, 1)
    report("one tone playing", best(lambda: tone.read(160)), single, 1)
    report("one row, 8000 to 16000", best(partial(Resampler(8000, 16000).process, one[None])), single, 1)


if __name__ == "__main__":
    main()
