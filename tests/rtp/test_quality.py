from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.quality import loss_percent, mos


@pytest.mark.parametrize(
    ("jitter", "loss", "expected"),
    [
        (0, 0, 4.4),
        (9.51, 0, 4.39),
        (75, 0, 3.99),
        (74.99, 0, 4.32),
        (0, 5, 4.04),
        (20, 10, 3.45),
        (0, 100, 1.0),
    ],
)
def test_known_scores(jitter: float, loss: float, expected: float) -> None:
    assert mos(jitter, loss) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0, 1000), st.floats(0, 100), st.floats(0, 100))
def test_more_loss_is_never_better(jitter: float, one: float, other: float) -> None:
    assert 1.0 <= mos(jitter, max(one, other)) <= mos(jitter, min(one, other)) <= 5.0


def test_loss_percent() -> None:
    assert loss_percent(0, 0) == 0
    assert loss_percent(90, 10) == 10
    assert loss_percent(0, 5) == 100
