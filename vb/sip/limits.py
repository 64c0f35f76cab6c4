"""Bounds on every size and count that a peer chooses."""

from __future__ import annotations

import attrs


@attrs.frozen
class Limits:
    """Sizes are bytes. Beyond ``message`` a request deserves 413, a start line beyond ``header`` 414, others 400."""

    message: int = 64 * 1024
    """One whole message, start line to the end of the body; on a stream the announced body counts."""
    header: int = 16 * 1024
    """One start line or header field, folded lines together."""
    headers: int = 512
    """Header field lines of one message."""


DEFAULT_LIMITS = Limits()
