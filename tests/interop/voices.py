"""Voices for peers that play files: espeak-ng speech and seeded noise, 16-bit mono at 8 kHz."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.interop.peers import need
from vb.demo.signals import RATE, speech

TEXT = """The quick brown fox jumps over the lazy dog, and every packet of this sentence is meant to arrive.
Pack my box with five dozen liquor jugs. How vexingly quick daft zebras jump while the operator listens to the call."""


def write_speech(path: Path) -> Path:
    """About twelve seconds of speech."""
    raw = path.with_suffix(".raw.wav")
    subprocess.run([need("espeak-ng"), "-s", "170", "-w", str(raw), TEXT], check=True)
    subprocess.run(
        [need("sox"), str(raw), "-r", str(RATE), "-c", "1", "-b", "16", str(path), "repeat", "2"], check=True
    )
    return path


def write_noise(path: Path, seed: int, seconds: float = 30.0) -> Path:
    write_samples(path, speech(seed, seconds))
    return path


def write_samples(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
