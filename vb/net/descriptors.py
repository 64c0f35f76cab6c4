"""Room for sockets: a call needs at least one descriptor, and the usual soft limit is 1024."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> tuple[int, int]:
    """Raise the soft limit of open descriptors to the hard one.

    Returns:
        The soft limit before and after; they are equal when nothing could be raised.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # a hard limit of "infinity" that the kernel does not grant
        return before, before
    return before, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
