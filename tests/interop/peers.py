"""The peers that we did not write: found, started, and their measurements read."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vb.demo.signals import RATE
from vb.dsp.correlate import align, window_correlations
from vb.dsp.wav import parse_wav


def need(command: str) -> str:
    """The path of a program; without it the test skips, or fails where CI=true."""
    found = shutil.which(command) or shutil.which(command, path="/usr/sbin")
    if found is None:
        _missing(f"{command} is not installed: run `make setup` as root or with sudo")
    assert found is not None
    return found


def preferred(command: list[str]) -> list[str]:
    """The command in real time where we may: a peer that the machine lets wait says nothing about us."""
    return ["chrt", "--rr", "1", *command] if os.geteuid() == 0 and shutil.which("chrt") else command


def need_module(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        _missing(f"the Python package {name} is not installed: run `make setup`")


def _missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def sipp_figures(path: Path) -> dict[str, int]:
    """The cumulative counts of the last line of a SIPp statistics file."""
    with path.open() as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    names = ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
    return {name.removesuffix("(C)"): int(last[name]) for name in names}


def read_wav(path: Path) -> NDArray[np.int16]:
    """Mono samples at 8 kHz of a peer's recording."""
    pcm = parse_wav(path.read_bytes())
    assert pcm.rate == RATE
    return pcm.samples


def assert_heard(said: NDArray[np.int16], heard: NDArray[np.int16], *, seconds: float) -> None:
    """Every second of the middle of ``said`` is in ``heard``, in one alignment: no gap, no slip."""
    middle = said[RATE : RATE + int(seconds * RATE)]
    at = align(middle, heard, RATE)
    correlations = window_correlations(middle, heard, RATE, delay=at)
    assert len(correlations) >= int(seconds) - 1
    assert correlations.min() >= 0.95, correlations


def assert_heard_apart(said: NDArray[np.int16], heard: NDArray[np.int16], *, start: int, seconds: int) -> None:
    """As `assert_heard`, each second aligned for itself: all are there, and at least two of them whole.

    For a peer whose own playout adds and drops frames while it adapts: pjsua does, although on the wire the packets it
    gets come like clockwork and hold every sample.
    """
    windows = [said[RATE * second : RATE * (second + 1)] for second in range(start, start + seconds)]
    best = [window_correlations(window, heard, RATE, delay=align(window, heard, RATE)).min() for window in windows]
    assert sorted(best)[-2] >= 0.95, best
    assert min(best) >= 0.3, best


def assert_unheard(said: NDArray[np.int16], heard: NDArray[np.int16], *, seconds: float) -> None:
    """Even at its best alignment ``said`` is not in ``heard``."""
    middle = said[RATE : RATE + int(seconds * RATE)]
    at = align(middle, heard, RATE)
    correlations = window_correlations(middle, heard, RATE, delay=at)
    assert np.abs(correlations).max() <= 0.1, correlations
