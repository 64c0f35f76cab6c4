"""``Idempotency-Key``: a client that has not seen the answer to a creating POST may send it again without harm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from hashlib import sha256
from itertools import islice
from typing import Final

import attrs
import trio

from vb.call.errors import Conflict, Invalid

KEPT_SECONDS: Final = 24 * 3600.0
MAX_KEPT: Final = 10_000
"""Answers remembered at once; beyond, the oldest are forgotten."""
MAX_KEY: Final = 255


@attrs.define(eq=False)
class _Kept:
    body: bytes
    until: float
    done: trio.Event = attrs.field(factory=trio.Event)
    answer: bytes = b""


class Answers:
    """First answers by key. Only success is kept: what was refused created nothing and may be tried again."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._kept: dict[Hashable, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def once(self, place: Hashable, key: str, body: bytes, run: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer of ``run``, or the one that the same ``key`` and ``body`` got at the same ``place`` before.

        While the first request is under way its repetitions wait for it. Raises Conflict for another body, Invalid for
        a key that is too long, and whatever ``run`` raises.
        """
        if len(key) > MAX_KEY:
            raise Invalid(f"Idempotency-Key longer than {MAX_KEY} characters")
        where, digest = (place, key), sha256(body).digest()
        while (kept := self._find(where)) is not None:
            if kept.body != digest:
                raise Conflict("Idempotency-Key was used with another body")
            await kept.done.wait()
            if kept.answer:
                return kept.answer
        kept = self._kept[where] = _Kept(digest, trio.current_time() + KEPT_SECONDS)
        try:
            kept.answer = await run()
        finally:
            if not kept.answer and self._kept.get(where) is kept:
                del self._kept[where]
            kept.done.set()
        return kept.answer

    def _find(self, where: Hashable) -> _Kept | None:
        """The entry of that key; forgets on the way what is too old or too many."""
        now = trio.current_time()
        for oldest, kept in list(islice(self._kept.items(), 2)):  # each look makes more room than it takes
            if kept.done.is_set() and (kept.until <= now or len(self._kept) >= self._limit):
                del self._kept[oldest]
        found = self._kept.get(where)
        if found is not None and found.done.is_set() and found.until <= now:
            del self._kept[where]
            return None
        return found
