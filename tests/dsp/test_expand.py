from __future__ import annotations

import numpy as np

from vb.codec.g711 import ALAW_DECODE, ULAW_DECODE
from vb.dsp.expand import alaw_table, ulaw_table


def test_the_laws_are_those_of_the_codec() -> None:
    assert np.array_equal(ulaw_table(), ULAW_DECODE)
    assert np.array_equal(alaw_table(), ALAW_DECODE)
