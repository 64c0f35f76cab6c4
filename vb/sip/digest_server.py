"""The called side of digest authentication: a challenge as a header line, and answers to it (RFC 7616 §3.3-3.4)."""

from __future__ import annotations

import hmac
import re

import attrs

from vb.sip.digest import digest, digest_params, hash_credentials, is_algorithm
from vb.sip.grammar import quote
from vb.sip.message import Request

_MAX_ANSWERS = 16
_MAX_VALUE = 4096
_COUNT = re.compile("[0-9a-fA-F]{8}").fullmatch
_MUST_HAVE = ("username", "realm", "nonce", "uri", "response")


@attrs.frozen
class Answer:
    """One Digest answer of an Authorization or Proxy-Authorization line, values unquoted, as the peer wrote them."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = ""
    qop: str = ""
    nc: str = ""
    cnonce: str = ""
    opaque: str | None = None


@attrs.frozen
class Demand:
    """What we challenge with. ``algorithm`` one of `digest.ALGORITHMS`, also ``-sess``; ``qop`` () for RFC 2069."""

    realm: str
    nonce: str
    opaque: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    stale: bool = False

    def line(self) -> str:
        """The value of a WWW-Authenticate or Proxy-Authenticate line."""
        params = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}", f"opaque={quote(self.opaque)}"]
        if self.stale:
            params.append("stale=true")
        params.append(f"algorithm={self.algorithm}")
        if self.qop:
            params.append(f"qop={quote(','.join(self.qop))}")
        return "Digest " + ", ".join(params)


@attrs.frozen
class Secret:
    """What the peer has to know: the password in the clear, or HA1 = H(username:realm:password) in hexadecimal."""

    password: str = attrs.field(default="", repr=False)
    ha1: str = attrs.field(default="", repr=False)

    def hashed(self, algorithm: str, username: str, realm: str) -> str:
        return self.ha1.lower() or hash_credentials(algorithm, username, realm, self.password)


def answers_of(request: Request, *, proxy: bool = False) -> list[Answer]:
    """The Digest answers of a request in their order; other schemes, and what cannot be read, are left out."""
    found: list[Answer] = []
    for line in request.headers.get_all("Proxy-Authorization" if proxy else "Authorization"):
        for params in digest_params(line):
            if all(name in params for name in _MUST_HAVE) and max(map(len, params.values())) <= _MAX_VALUE:
                found.append(_answer(params))
    return found[:_MAX_ANSWERS]


def is_valid(answer: Answer, demand: Demand, secret: Secret, *, method: str, body: bytes = b"") -> bool:
    """Whether the answer fits what we demanded and proves the secret. Takes the same time for any wrong response.

    The ``uri`` of the answer may differ from the Request-URI: proxies retarget (RFC 3261 §22.4).
    """
    same_nonce = _same(answer.nonce, demand.nonce)
    algorithm = answer.algorithm or "MD5"
    fits = (
        same_nonce
        and answer.realm == demand.realm
        and algorithm.lower() == demand.algorithm.lower()
        and is_algorithm(algorithm)
        and answer.qop.lower() in (demand.qop or ("",))
        and (not answer.qop or (_COUNT(answer.nc) is not None and answer.cnonce != ""))
        and (answer.opaque is None or answer.opaque == demand.opaque)
    )
    if not fits:
        return False
    expected = digest(
        algorithm,
        ha1=secret.hashed(algorithm, answer.username, answer.realm),
        method=method,
        uri=answer.uri,
        nonce=answer.nonce,
        nc=answer.nc,
        cnonce=answer.cnonce,
        qop=answer.qop,
        body=body,
    )
    return _same(answer.response.lower(), expected)


def is_ha1(text: str, algorithm: str) -> bool:
    """Whether the text is a hash of that algorithm in hexadecimal."""
    length = len(hash_credentials(algorithm, "", "", ""))
    return re.fullmatch(f"[0-9a-fA-F]{{{length}}}", text) is not None


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode("utf-8", "surrogateescape"))


def _answer(params: dict[str, str]) -> Answer:
    return Answer(
        username=params["username"],
        realm=params["realm"],
        nonce=params["nonce"],
        uri=params["uri"],
        response=params["response"],
        algorithm=params.get("algorithm", ""),
        qop=params.get("qop", ""),
        nc=params.get("nc", ""),
        cnonce=params.get("cnonce", ""),
        opaque=params.get("opaque"),
    )
