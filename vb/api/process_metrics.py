"""Numbers about the process itself, and the crashes that it survived."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vb.api.metrics import Family, counter, gauge

_PROC = Path("/proc/self")


class CrashCounter(logging.Handler):
    """Counts what was logged with a traceback: everything that caught a crash of its own logs it so."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.counts: Counter[tuple[str, str]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.counts[record.name.removeprefix("vb."), record.funcName or ""] += 1

    def families(self) -> Iterator[Family]:
        yield Family(
            "voiceblender_recovered_panics_total",
            "counter",
            "Total crashes that were contained, by component and site.",
            tuple(("", (("component", name), ("site", site)), n) for (name, site), n in sorted(self.counts.items())),
        )


@contextmanager
def counting_crashes() -> Iterator[CrashCounter]:
    """Count for as long as the block lasts."""
    handler = CrashCounter()
    root = logging.getLogger("vb")
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)


def process_families() -> Iterator[Family]:
    """CPU, memory and descriptors, under the names that Prometheus client libraries use."""
    yield counter("process_cpu_seconds_total", "User and system CPU time spent.", round(time.process_time(), 3))
    try:
        pages = int((_PROC / "statm").read_text().split()[1])
        descriptors = len(os.listdir(_PROC / "fd"))  # noqa: PTH208 - there may be thousands: no object for each
    except OSError:  # not Linux
        return
    yield gauge("process_resident_memory_bytes", "Resident memory.", pages * os.sysconf("SC_PAGE_SIZE"))
    yield gauge("process_open_fds", "Open file descriptors.", descriptors)
