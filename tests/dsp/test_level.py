from __future__ import annotations

import numpy as np
import pytest

from vb.dsp.level import dbfs, peak, rms, rms_rows


def test_rms() -> None:
    assert rms(np.full(160, -1000, np.int16)) == pytest.approx(1000)
    assert rms(np.full((50, 960), -32768, np.int16)) == pytest.approx(32768)
    assert rms(np.array([3, 4, 3, -4], np.int16)) == pytest.approx(np.sqrt(12.5))
    assert rms(np.zeros(0, np.int16)) == 0


def test_rms_of_rows() -> None:
    rows = np.stack([np.zeros(160), np.full(160, 300), np.full(160, -32768)]).astype(np.int16)
    assert rms_rows(rows).tolist() == pytest.approx([0, 300, 32768])
    assert rms_rows(np.zeros((2, 0), np.int16)).tolist() == [0, 0]


def test_peak() -> None:
    assert peak(np.array([1, -32768, 32767], np.int16)) == 32768
    assert peak(np.array([5, 7], np.int16)) == 7
    assert peak(np.zeros(0, np.int16)) == 0


def test_dbfs() -> None:
    assert dbfs(32768) == 0
    assert dbfs(3276.8) == pytest.approx(-20)
    assert dbfs(0) == float("-inf")
