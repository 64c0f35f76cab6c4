"""Challenges of inbound calls: what a caller has to prove, and which challenges are still open. Pure: no I/O, no clock.

A challenge belongs to one Call-ID, can be answered once, and not for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

import attrs

from vb.call.errors import Invalid
from vb.sip.digest import ALGORITHMS, QOPS
from vb.sip.digest_server import Demand, Secret, answers_of, is_ha1, is_valid
from vb.sip.message import Request

_MOST = 10_000
"""Open challenges; beyond, the oldest is forgotten."""

_MAX_TEXT = 256
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]").search


@attrs.frozen(kw_only=True)
class Terms:
    """What a caller has to prove. Without ``username`` any name will do that was hashed with the secret.

    ``aor`` and ``max_expires`` are for registrations: who may be bound then, and for how many seconds (0: as asked).
    """

    realm: str
    secret: Secret
    username: str = ""
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    aor: str = ""
    max_expires: int = 0


@attrs.frozen
class Verdict:
    """What came of credentials: who it is, as the caller wrote it, by which terms; or that they were wrong."""

    valid: bool
    username: str = ""
    terms: Terms | None = None


def terms_of(
    *,
    realm: str,
    username: str = "",
    password: str = "",
    ha1: str = "",
    algorithm: str = "",
    qop: Sequence[str] = (),
) -> Terms:
    """The terms that a request describes; ``ha1`` goes before ``password``. Raises Invalid."""
    if not realm:
        raise Invalid("realm is required")
    if not password and not ha1:
        raise Invalid("password or ha1 is required")
    for name, text in (("realm", realm), ("username", username)):
        if len(text) > _MAX_TEXT or _CONTROL(text):
            raise Invalid(f"{name} must have at most {_MAX_TEXT} characters and no control characters")
    known = next((name for name in ALGORITHMS if name.lower() == algorithm.lower()), None)
    if algorithm and known is None:
        raise Invalid(f"unknown algorithm: one of {', '.join(ALGORITHMS)} is wanted")
    words = tuple(dict.fromkeys(word.lower() for word in qop))
    if not set(words) <= set(QOPS):
        raise Invalid(f"unknown qop: of {', '.join(QOPS)} are wanted")
    if ha1 and not is_ha1(ha1, known or "MD5"):
        raise Invalid(f"ha1 must be an {known or 'MD5'} hash in hexadecimal")
    secret = Secret(ha1=ha1) if ha1 else Secret(password)
    return Terms(realm=realm, secret=secret, username=username, algorithm=known or "MD5", qop=words)


@attrs.frozen
class _Open:
    terms: Terms
    demand: Demand
    until: float


class OpenChallenges:
    """The challenges that wait for an answer, by Call-ID. ``lifetime`` is in seconds."""

    def __init__(self, lifetime: float, rng: Random) -> None:
        self._lifetime = lifetime
        self._rng = rng
        self._open: dict[str, _Open] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._open)

    def demand(self, call_id: str, terms: Terms, now: float) -> Demand:
        """Open a challenge for that call; an earlier one of the same call is void."""
        self._expire(now)
        self._open.pop(call_id, None)
        if len(self._open) >= _MOST:
            del self._open[next(iter(self._open))]
        demand = Demand(
            terms.realm,
            f"{self._rng.getrandbits(128):032x}",
            f"{self._rng.getrandbits(64):016x}",
            terms.algorithm,
            terms.qop,
        )
        self._open[call_id] = _Open(terms, demand, now + self._lifetime)
        return demand

    def check(self, request: Request, now: float) -> Verdict | None:
        """What the credentials of a new INVITE are worth; None when it brings none or nobody waits for them.

        An answer uses the challenge up, whatever it is worth.
        """
        self._expire(now)
        if "Authorization" not in request.headers:
            return None
        entry = self._open.pop(request.call_id, None)
        if entry is None:
            return None
        terms = entry.terms
        for answer in answers_of(request):
            named = not terms.username or answer.username.casefold() == terms.username.casefold()
            if named and is_valid(answer, entry.demand, terms.secret, method=request.method, body=request.body):
                return Verdict(True, answer.username, terms)
        return Verdict(False)

    def _expire(self, now: float) -> None:
        while self._open:
            call_id, entry = next(iter(self._open.items()))
            if entry.until > now:
                return
            del self._open[call_id]
