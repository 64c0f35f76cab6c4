"""How a call sounds, estimated from jitter and loss: a simplified E-model (ITU-T G.107)."""

from __future__ import annotations

_UNIMPAIRED = 93.2


def mos(jitter_ms: float, loss_percent: float) -> float:
    """Mean opinion score 1.00-5.00 from RFC 3550 jitter in ms and loss in percent (0-100), two decimals.

    A rating below zero is the worst call there is: the cubic below would rise again there.
    """
    latency = 2 * jitter_ms + 10
    rating = _UNIMPAIRED - latency / 40
    if latency >= 160:
        rating -= 10
    rating = max(rating - 2.5 * loss_percent, 0.0)
    score = 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating)
    return round(min(max(score, 1.0), 5.0), 2)


def loss_percent(received: int, lost: int) -> float:
    """Share of expected packets that never came, 0-100; 0 when nothing was expected."""
    expected = received + lost
    return 100 * lost / expected if expected > 0 else 0.0
