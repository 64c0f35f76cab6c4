"""Digest authentication (RFC 7616, RFC 8760, RFC 3261 §22)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.sip.digest import Challenge, Credentials, authorization, challenges_of, choose, digest, hash_credentials
from vb.sip.headers import Headers
from vb.sip.message import Response

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "digest" / "vectors.json").read_text())


def refusal(*lines: tuple[str, str]) -> Response:
    return Response(401, "Unauthorized", Headers([*lines]), b"")


@pytest.mark.parametrize("vector", [v for v in VECTORS if "body_hash" not in v], ids=lambda v: v["id"])
def test_published_computations(vector: dict[str, Any]) -> None:
    algorithm = vector.get("algorithm", "")
    ha1 = vector.get("ha1") or hash_credentials(algorithm, vector["username"], vector["realm"], vector["password"])
    response = digest(
        algorithm,
        ha1=ha1,
        method=vector["method"],
        uri=vector["uri"],
        nonce=vector["nonce"],
        nc=vector.get("nc", ""),
        cnonce=vector.get("cnonce", ""),
        qop=vector.get("qop") or "",
        body=(vector.get("body") or "").encode(),
    )
    assert response == vector["response"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if "body_hash" in v], ids=lambda v: v["id"])
def test_published_computations_that_give_the_body_as_its_hash(vector: dict[str, Any]) -> None:
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[vector["algorithm"]]

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    ha1 = hash_credentials(vector["algorithm"], vector["username"], vector["realm"], vector["password"])
    ha2 = h(f"{vector['method']}:{vector['uri']}:{vector['body_hash']}")
    tail = f"{vector['nonce']}:{vector['nc']}:{vector['cnonce']}:{vector['qop']}:{ha2}"
    assert h(f"{ha1}:{tail}") == vector["response"]


def test_session_algorithms_mix_the_nonces_into_ha1() -> None:
    # RFC 7616 §3.4.2
    ha1 = hash_credentials("SHA-256-sess", "a", "r", "p")
    mixed = hashlib.sha256(f"{ha1}:n:c".encode()).hexdigest()
    plain = digest("SHA-256", ha1=mixed, method="M", uri="u", nonce="n", nc="1", cnonce="c", qop="auth")
    assert digest("SHA-256-sess", ha1=ha1, method="M", uri="u", nonce="n", nc="1", cnonce="c", qop="auth") == plain


def test_challenges_as_peers_write_them() -> None:
    response = refusal(
        ("WWW-Authenticate", 'Digest realm="a, b", nonce="n\\"1", algorithm=SHA-256, qop="auth,auth-int", opaque=""'),
        ("WWW-Authenticate", 'digest nonce=x,realm="r" , stale=TRUE'),
        ("Proxy-Authenticate", 'Basic realm="no", Digest realm="p", nonce="2", Digest realm="q", nonce="3"'),
    )
    assert challenges_of(response) == [
        Challenge("a, b", 'n"1', "SHA-256", ("auth", "auth-int"), ""),
        Challenge("r", "x", stale=True),
        Challenge("p", "2", proxy=True),
        Challenge("q", "3", proxy=True),
    ]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200))
def test_any_text_is_challenges_or_none(text: str) -> None:
    for challenge in challenges_of(refusal(("WWW-Authenticate", text))):
        assert isinstance(challenge.nonce, str)


@given(
    st.lists(st.sampled_from(["Digest ", "nonce=", '"', "\\", ",", " ", "realm", "=", "a", "qop=auth"]), max_size=40)
)
def test_pieces_of_challenges(pieces: list[str]) -> None:
    challenges_of(refusal(("WWW-Authenticate", "".join(pieces))))


def test_the_first_that_we_know_is_answered_for_each_realm() -> None:
    known, unknown = Challenge("r", "1", "MD5"), Challenge("r", "2", "SHA3-512")
    other = Challenge("r", "3", "SHA-256")
    odd = Challenge("s", "4", qop=("token",))
    proxy = Challenge("r", "5", proxy=True)
    assert choose([unknown, known, other, odd, proxy]) == [known, proxy]


def test_the_header_line() -> None:
    challenge = Challenge("lab", "n1", "MD5", ("auth",), "o")
    name, value = authorization(
        challenge, Credentials('u"1', "pw"), method="INVITE", uri="sip:bob@x", cnonce="c", count=10
    )
    ha1 = hash_credentials("MD5", 'u"1', "lab", "pw")
    expected = digest(
        "MD5", ha1=ha1, method="INVITE", uri="sip:bob@x", nonce="n1", nc="0000000a", cnonce="c", qop="auth"
    )
    assert name == "Authorization"
    assert value == (
        'Digest username="u\\"1", realm="lab", nonce="n1", uri="sip:bob@x", '
        f'response="{expected}", algorithm=MD5, cnonce="c", qop=auth, nc=0000000a, opaque="o"'
    )


def test_without_qop_there_is_neither_cnonce_nor_count() -> None:
    name, value = authorization(
        Challenge("lab", "n", proxy=True), Credentials("u", "p"), method="INVITE", uri="sip:x", cnonce="c"
    )
    assert name == "Proxy-Authorization"
    assert "cnonce" not in value
    assert "algorithm" not in value


def test_an_unknown_algorithm_is_an_error_of_ours() -> None:
    with pytest.raises(ValueError, match="SHA3"):
        digest("SHA3-512", ha1="", method="M", uri="u", nonce="n")


def test_passwords_are_not_shown() -> None:
    assert "hush" not in repr(Credentials("u", "hush"))
