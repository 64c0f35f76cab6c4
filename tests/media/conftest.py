"""Every test of the media plane runs on both implementations of I/O, where the kernel allows both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.media.stage import Stage, staged
from vb.media.ring import Ring


def uring_refused() -> str:
    try:
        Ring(8).close()
    except OSError as error:
        return str(error)
    return ""


@pytest.fixture(params=["epoll", "uring"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "uring" and (why := uring_refused()):
        pytest.skip(f"io_uring is refused here: {why}")
    with staged(request.param) as made:
        assert made.clock.statistics().io == request.param
        yield made
