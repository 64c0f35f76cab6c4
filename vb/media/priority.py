"""Scheduling priority: audio must not wait for other programs of the machine."""

from __future__ import annotations

import logging
import os

log = logging.getLogger("vb.media")

NICENESS = -10
REALTIME_PRIORITY = 1


def raise_priority(*, realtime: bool = False) -> str:
    """Ask the kernel to prefer this process; returns what it runs with: ``realtime`` or ``nice N``.

    ``realtime`` asks for round-robin real-time scheduling of the calling thread first (the threads it starts do not
    inherit it). Both need root, CAP_SYS_NICE or a resource limit that allows it; without them nothing changes.
    """
    try:
        if realtime:
            policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
            os.sched_setscheduler(0, policy, os.sched_param(REALTIME_PRIORITY))
            return "realtime"
    except OSError as error:
        log.warning("no real-time priority", extra={"error": error.strerror})
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError as error:
        log.info("priority not raised", extra={"error": error.strerror})
    return f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"
