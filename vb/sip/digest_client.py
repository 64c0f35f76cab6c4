"""The calling side of digest authentication: which challenges a request of ours answers, and what later ones reuse.

A ``DigestClient`` is one account towards one server or one call. It remembers the nonces that it was given, so that
later requests carry credentials at once, each with the next nonce count (RFC 7616 §3.3, RFC 3261 §22.3). ``Tries``
belongs to one request and says whether a refusal is worth another attempt.
"""

from __future__ import annotations

from random import Random

import attrs

from vb.sip.digest import Challenge, Credentials, authorization, challenges_of, choose
from vb.sip.message import Request, Response

_MAX_REALMS = 16
_MAX_ROUNDS = 8
"""How often one request is repeated for challenges: a peer may think of a new realm every time."""

_HEADERS = ("Authorization", "Proxy-Authorization")
_Realm = tuple[str, bool]


@attrs.define
class _Nonce:
    """A challenge with what was made of it: our cnonce stays with it, as the -sess algorithms want."""

    challenge: Challenge
    cnonce: str
    used: int = 0


class DigestClient:
    """One account and the nonces that servers gave it. One for each call; calls of one trunk may share theirs."""

    def __init__(self, credentials: Credentials, rng: Random) -> None:
        self._credentials = credentials
        self._rng = rng
        self._nonces: dict[_Realm, _Nonce] = {}

    def tries(self) -> Tries:
        """The count for one new request."""
        return Tries(self)

    def authorize(self, request: Request) -> None:
        """Add credentials for every realm that has challenged us so far; to do just before the request is sent."""
        uri = str(request.uri)
        for nonce in self._nonces.values():
            nonce.used += 1
            line = authorization(
                nonce.challenge,
                self._credentials,
                method=request.method,
                uri=uri,
                cnonce=nonce.cnonce,
                count=nonce.used,
                body=request.body,
            )
            request.headers.add(*line)

    def learn(self, challenge: Challenge) -> None:
        """Answer this from now on. A nonce that is known already goes on being counted."""
        key = challenge.realm, challenge.proxy
        known = self._nonces.pop(key, None)
        if known is not None and known.challenge.nonce == challenge.nonce:
            known.challenge = challenge
        else:
            known = _Nonce(challenge, f"{self._rng.getrandbits(64):016x}")
        if len(self._nonces) >= _MAX_REALMS:
            del self._nonces[next(iter(self._nonces))]
        self._nonces[key] = known


class Tries:
    """One request and the challenges that it has answered."""

    __slots__ = ("_answered", "_client", "_rounds")

    def __init__(self, client: DigestClient) -> None:
        self._client = client
        self._answered: dict[_Realm, int] = {}
        self._rounds = 0

    def learn(self, response: Response) -> bool:
        """Take the challenges of a final response; True when the request is to be sent again, `renewed`.

        Each realm is answered once (RFC 3261 §22.1: not again when the credentials were refused), and once more when
        only the nonce was stale (RFC 7616 §3.3).
        """
        if response.status not in (401, 407) or self._rounds >= _MAX_ROUNDS:
            return False
        fresh = False
        for challenge in choose(challenges_of(response)):
            key = challenge.realm, challenge.proxy
            before = self._answered.get(key, 0)
            if before < (2 if challenge.stale else 1):
                self._answered[key] = before + 1
                self._client.learn(challenge)
                fresh = True
        self._rounds += fresh
        return fresh


def renewed(request: Request, branch: str, sequence: int) -> Request:
    """The same request once more, without its credentials: RFC 3261 §22.2, §8.1.3.5.

    Call-ID, From with its tag, To and the body stay; the branch and the CSeq number are new.
    """
    via = request.via
    params = tuple((name, branch if name == "branch" else value) for name, value in via.params)
    headers = request.headers.copy()
    headers.set("Via", str(attrs.evolve(via, params=params)))
    headers.set("CSeq", f"{sequence} {request.method}")
    for name in _HEADERS:
        headers.remove(name)
    return Request(request.method, request.uri, headers, request.body)


def credentials_of(request: Request) -> list[tuple[str, str]]:
    """The lines that the ACK of an INVITE repeats (RFC 3261 §13.2.2.4, §22.1)."""
    return [(name, value) for name in _HEADERS for value in request.headers.get_all(name)]
