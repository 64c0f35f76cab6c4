"""Scheduling priority: audio must not wait for other programs of the machine."""

from __future__ import annotations

import logging
import os

log = logging.getLogger("vb.media")

NICENESS = -10


def raise_priority() -> int:
    """Ask the kernel to prefer this process (niceness -10); returns the niceness that it runs with.

    Needs root, CAP_SYS_NICE or an RLIMIT_NICE; without them nothing changes.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError as error:
        log.info("priority not raised", extra={"error": error.strerror})
    return os.getpriority(os.PRIO_PROCESS, 0)
