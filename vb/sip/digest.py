"""Digest authentication for SIP: RFC 7616 as RFC 8760 profiles it, RFC 2617 and RFC 3261 §22 for older peers. Pure.

A ``Challenge`` is read from WWW-Authenticate or Proxy-Authenticate; ``authorization`` answers it. ``digest`` is the
computation itself, for both sides. What a client remembers is `vb.sip.digest_client`, the server's side
`vb.sip.digest_server`. Text is hashed as UTF-8 (RFC 7616 §3.4.2, RFC 3261 §25.1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import attrs

from vb.sip.grammar import QUOTED, TOKEN, quote, unquote
from vb.sip.message import Response

_HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
"""What both sides can compute; each also as ``-sess``."""

QOPS = ("auth", "auth-int")

_SCHEME = re.compile(rf"[ \t,]*+({TOKEN})[ \t]++(?={TOKEN}[ \t]*+=)").match
_PARAM = re.compile(rf"[ \t,]*+({TOKEN})[ \t]*+=[ \t]*+({QUOTED}|[^ \t,\"]*+)", re.DOTALL).match
# A scheme without parameters, with the one value that RFC 9110 §11.2 allows instead of them, or none.
_BARE = re.compile(rf"[ \t,]*+{TOKEN}(?:[ \t]++[A-Za-z0-9\-._~+/]++=*+)?+[ \t]*+(?=,|\Z)").match
_MAX_CHALLENGES = 16
_MAX_PARAMS = 32
_MAX_VALUE = 1024


@attrs.frozen
class Challenge:
    """One Digest challenge. ``qop`` are the offered ones, () in the form of RFC 2069; ``proxy`` tells a 407 from a 401.

    ``algorithm`` is as the peer wrote it, "" if it named none (MD5).
    """

    realm: str
    nonce: str
    algorithm: str = ""
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False
    proxy: bool = False

    @property
    def usable(self) -> bool:
        """Whether we know the algorithm and one of the offered qualities; values too long to say back are none."""
        if max(map(len, (self.realm, self.nonce, self.opaque or ""))) > _MAX_VALUE:
            return False
        return is_algorithm(self.algorithm) and (not self.qop or not set(self.qop).isdisjoint(QOPS))


@attrs.frozen
class Credentials:
    """Who we are to the peer. ``password`` is in the clear; it is never sent."""

    username: str
    password: str = attrs.field(repr=False)


def challenges_of(response: Response) -> list[Challenge]:
    """The Digest challenges of a 401 or 407 in their order; what cannot be read is left out."""
    found: list[Challenge] = []
    for name, proxy in (("WWW-Authenticate", False), ("Proxy-Authenticate", True)):
        for line in response.headers.get_all(name):
            found += [_challenge(params, proxy) for params in digest_params(line) if "nonce" in params]
    return found[:_MAX_CHALLENGES]


def choose(challenges: Iterable[Challenge]) -> list[Challenge]:
    """The ones to answer: for each realm and kind the first that we can compute (RFC 8760 §2.4: top-most wins)."""
    chosen: dict[tuple[str, bool], Challenge] = {}
    for challenge in challenges:
        if challenge.usable:
            chosen.setdefault((challenge.realm, challenge.proxy), challenge)
    return list(chosen.values())


def authorization(
    challenge: Challenge,
    credentials: Credentials,
    *,
    method: str,
    uri: str,
    cnonce: str,
    count: int = 1,
    body: bytes = b"",
) -> tuple[str, str]:
    """The header line that answers a usable challenge: Authorization, or Proxy-Authorization for a proxy's.

    ``uri`` is the Request-URI; ``count`` how often this nonce has been used, from 1.
    """
    qop = "auth" if "auth" in challenge.qop else ("auth-int" if challenge.qop else "")
    nc = f"{count:08x}"
    response = digest(
        challenge.algorithm,
        ha1=hash_credentials(challenge.algorithm, credentials.username, challenge.realm, credentials.password),
        method=method,
        uri=uri,
        nonce=challenge.nonce,
        nc=nc,
        cnonce=cnonce,
        qop=qop,
        body=body,
    )
    params = [
        ("username", quote(credentials.username)),
        ("realm", quote(challenge.realm)),
        ("nonce", quote(challenge.nonce)),
        ("uri", quote(uri)),
        ("response", quote(response)),
    ]
    if challenge.algorithm:
        params.append(("algorithm", challenge.algorithm))
    if qop:
        params += [("cnonce", quote(cnonce)), ("qop", qop), ("nc", nc)]
    elif _is_session(challenge.algorithm):
        params.append(("cnonce", quote(cnonce)))
    if challenge.opaque is not None:
        params.append(("opaque", quote(challenge.opaque)))
    name = "Proxy-Authorization" if challenge.proxy else "Authorization"
    return name, "Digest " + ", ".join(f"{key}={value}" for key, value in params)


def hash_credentials(algorithm: str, username: str, realm: str, password: str) -> str:
    """HA1 without its session part: H(username:realm:password), what an account database may keep."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


def digest(
    algorithm: str,
    *,
    ha1: str,
    method: str,
    uri: str,
    nonce: str,
    nc: str = "",
    cnonce: str = "",
    qop: str = "",
    body: bytes = b"",
) -> str:
    """The response value (RFC 7616 §3.4.1), lower-case hexadecimal. Raises ValueError for an unknown algorithm."""
    if _is_session(algorithm):
        ha1 = _hash(algorithm, f"{ha1}:{nonce}:{cnonce}")
    second = f"{method}:{uri}"
    if qop == "auth-int":
        second += ":" + _hash(algorithm, body)
    ha2 = _hash(algorithm, second)
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce  # without qop: the form of RFC 2069
    return _hash(algorithm, f"{ha1}:{middle}:{ha2}")


def is_algorithm(name: str) -> bool:
    """Whether we can compute it; "" is MD5 (RFC 7616 §3.3)."""
    return _hash_of(name) is not None


def digest_params(line: str) -> list[dict[str, str]]:
    """The parameters of every Digest challenge or answer of one header line, names in lower case, values unquoted.

    Several may stand in one line, separated by commas like their parameters; other schemes are skipped, and reading
    ends where the line is no longer either. The first of two parameters of one name counts.
    """
    found: list[dict[str, str]] = []
    at = 0
    while (scheme := _SCHEME(line, at)) is not None or (bare := _BARE(line, at)) is not None:
        if scheme is None:
            assert bare is not None
            at = bare.end()
            continue
        at = scheme.end()
        params: dict[str, str] = {}
        while (param := _PARAM(line, at)) is not None and _SCHEME(line, at) is None:
            at = param.end()
            if len(params) < _MAX_PARAMS:
                params.setdefault(param[1].lower(), unquote(param[2]))
        if scheme[1].lower() == "digest":
            found.append(params)
    return found


def _is_session(algorithm: str) -> bool:
    return algorithm.lower().endswith("-sess")


def _hash_of(algorithm: str) -> str | None:
    return _HASHES.get((algorithm or "md5").lower().removesuffix("-sess"))


def _hash(algorithm: str, data: str | bytes) -> str:
    name = _hash_of(algorithm)
    if name is None:
        raise ValueError(f"unknown digest algorithm {algorithm}")
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    return hashlib.new(name, data, usedforsecurity=False).hexdigest()


def _challenge(params: dict[str, str], proxy: bool) -> Challenge:
    return Challenge(
        realm=params.get("realm", ""),
        nonce=params["nonce"],
        algorithm=params.get("algorithm", ""),
        qop=tuple(word for word in re.split(r"[ \t,]+", params.get("qop", "").lower()) if word),
        opaque=params.get("opaque"),
        stale=params.get("stale", "").lower() == "true",
        proxy=proxy,
    )
