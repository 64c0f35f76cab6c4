"""How fast one source may send new requests: a bucket of tokens for each, in a table that cannot grow for ever."""

from __future__ import annotations

import enum

MAX_SOURCES = 4096


class Verdict(enum.Enum):
    """What a new request deserves."""

    SERVE = "serve"
    REFUSE = "refuse"
    IGNORE = "ignore"


class _Bucket:
    """Tokens for service and for refusals; both fill up with time, a second's worth at most."""

    __slots__ = ("at", "refusals", "tokens")

    def __init__(self, size: float, now: float) -> None:
        self.tokens = self.refusals = size
        self.at = now

    def fill(self, rate: float, size: float, now: float) -> None:
        more = max(0.0, now - self.at) * rate
        self.at = now
        self.tokens = min(size, self.tokens + more)
        self.refusals = min(size, self.refusals + more)


class SourceRate:
    """``rate`` new requests per second are served, as many more refused; what exceeds that is not worth an answer.

    Silence is the second step because refusing costs nearly what serving costs, and the source of a datagram may be
    forged: then the refusals are an attack on somebody else (RFC 3261 §26.3.2.4).
    """

    def __init__(self, rate: float, max_sources: int = MAX_SOURCES) -> None:
        self._rate = rate
        self._size = max(1.0, rate)
        self._max_sources = max_sources
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def judge(self, source: str, now: float) -> Verdict:
        """Count one new request of ``source`` (its address). Without a rate everything is served."""
        if not self._rate:
            return Verdict.SERVE
        bucket = self._bucket(source, now)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Verdict.SERVE
        if bucket.refusals >= 1:
            bucket.refusals -= 1
            return Verdict.REFUSE
        return Verdict.IGNORE

    def _bucket(self, source: str, now: float) -> _Bucket:
        """The source's bucket, which is the last of the table then: the first one was used longest ago."""
        bucket = self._buckets.pop(source, None)
        if bucket is None:
            bucket = _Bucket(self._size, now)
            if len(self._buckets) >= self._max_sources:
                del self._buckets[next(iter(self._buckets))]
        else:
            bucket.fill(self._rate, self._size, now)
        self._buckets[source] = bucket
        return bucket
