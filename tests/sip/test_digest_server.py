"""Checking the answers to our own challenges (RFC 7616 §3.3-3.4, RFC 8760)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.sip.digest import ALGORITHMS, Challenge, Credentials, authorization, challenges_of, hash_credentials
from vb.sip.digest_server import Answer, Demand, Secret, answers_of, is_ha1, is_valid
from vb.sip.headers import Headers
from vb.sip.message import Request, Response
from vb.sip.uri import parse_uri

URI = parse_uri("sip:service@192.0.2.1")
SECRET = Secret("pw")


def request(*lines: tuple[str, str], body: bytes = b"") -> Request:
    return Request("INVITE", URI, Headers([*lines]), body)


def read_back(demand: Demand) -> Challenge:
    (challenge,) = challenges_of(Response(401, "", Headers([("WWW-Authenticate", demand.line())]), b""))
    return challenge


def answered(demand: Demand, *, username: str = "alice", password: str = "pw", body: bytes = b"") -> Answer:
    line = authorization(
        read_back(demand), Credentials(username, password), method="INVITE", uri=str(URI), cnonce="c", body=body
    )
    (answer,) = answers_of(request(line, body=body))
    return answer


@pytest.mark.parametrize("qop", [(), ("auth",), ("auth-int",), ("auth-int", "auth")])
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *(f"{name}-sess" for name in ALGORITHMS)])
def test_a_good_answer(algorithm: str, qop: tuple[str, ...]) -> None:
    demand = Demand('la"b', "n", "o", algorithm, qop)
    answer = answered(demand, body=b"v=0")
    assert is_valid(answer, demand, SECRET, method="INVITE", body=b"v=0")
    assert not is_valid(answer, demand, Secret("other"), method="INVITE", body=b"v=0")
    assert not is_valid(answer, demand, SECRET, method="REGISTER", body=b"v=0")
    assert is_valid(answer, demand, SECRET, method="INVITE", body=b"v=1") is (
        "auth-int" not in qop[:1] or "auth" in qop
    )


def test_ha1_stands_for_the_password() -> None:
    demand = Demand("lab", "n", "o", "SHA-256", ("auth",))
    ha1 = hash_credentials("SHA-256", "alice", "lab", "pw").upper()
    assert is_valid(answered(demand), demand, Secret(ha1=ha1), method="INVITE")
    assert not is_valid(answered(demand), demand, Secret(ha1="0" * 64), method="INVITE")


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "other"},
        {"realm": "other"},
        {"algorithm": "SHA-256"},
        {"algorithm": "MD5-sess"},
        {"algorithm": "unknown"},
        {"qop": ""},
        {"qop": "auth-int"},
        {"nc": ""},
        {"nc": "1"},
        {"cnonce": ""},
        {"opaque": "other"},
        {"response": ""},
        {"response": "0" * 32},
        {"response": "\udcff"},
        {"username": "bob"},
        {"uri": "sip:other@192.0.2.1"},
    ],
)
def test_what_makes_an_answer_wrong(change: dict[str, str]) -> None:
    demand = Demand("lab", "n", "o", "MD5", ("auth",))
    answer = answered(demand)
    assert is_valid(answer, demand, SECRET, method="INVITE")
    assert not is_valid(attrs.evolve(answer, **change), demand, SECRET, method="INVITE")


@pytest.mark.parametrize("change", [{"algorithm": ""}, {"algorithm": "md5"}, {"opaque": None}])
def test_what_may_be_left_out(change: dict[str, Any]) -> None:
    demand = Demand("lab", "n", "o", "MD5", ("auth",))
    assert is_valid(attrs.evolve(answered(demand), **change), demand, SECRET, method="INVITE")


def test_a_qop_that_was_not_offered() -> None:
    demand = Demand("lab", "n", "o", "MD5", ())
    answer = answered(attrs.evolve(demand, qop=("auth",)))
    assert not is_valid(answer, demand, SECRET, method="INVITE")


def test_answers_as_peers_write_them() -> None:
    lines = [
        ("Authorization", 'Basic YTpi, Digest username="a", realm="r",nonce=n ,uri="sip:x",response=ff,opaque=""'),
        ("Authorization", 'Digest username="a", realm="r", nonce="n", uri="sip:x"'),
        ("Authorization", "nonsense"),
        ("Proxy-Authorization", 'DIGEST username="b", realm="r", nonce="n", uri="sip:x", response="00"'),
    ]
    assert answers_of(request(*lines)) == [Answer("a", "r", "n", "sip:x", "ff", opaque="")]
    assert [answer.username for answer in answers_of(request(*lines), proxy=True)] == ["b"]


def test_answers_are_bounded() -> None:
    line = 'Digest username="a", realm="r", nonce="n", uri="u", response="0"'
    assert len(answers_of(request(("Authorization", ", ".join([line] * 50))))) == 16
    assert answers_of(request(("Authorization", line.replace('"a"', '"' + "a" * 5000 + '"')))) == []


def test_the_line_says_everything_back() -> None:
    demand = Demand('a "b"', "n", "o", "SHA-512-256", ("auth", "auth-int"), stale=True)
    assert read_back(demand) == Challenge('a "b"', "n", "SHA-512-256", ("auth", "auth-int"), "o", stale=True)


@pytest.mark.parametrize(
    ("text", "algorithm", "good"),
    [
        ("5655fcab75e659ff105a57141bfee7af", "MD5", True),
        ("5655FCAB75E659FF105A57141BFEE7AF", "MD5", True),
        ("5655fcab75e659ff105a57141bfee7af", "SHA-256", False),
        ("0" * 64, "SHA-512-256", True),
        ("zz", "MD5", False),
        ("0" * 32 + "\n", "MD5", False),
    ],
)
def test_is_ha1(text: str, algorithm: str, good: bool) -> None:
    assert is_ha1(text, algorithm) is good


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(Secret("hush", "hush"))


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=()), max_size=200))
def test_any_text_is_answers_or_none(text: str) -> None:
    try:
        hostile = request(("Authorization", text.encode("utf-8", "replace").decode()))
    except ValueError:
        return
    for answer in answers_of(hostile):
        assert not is_valid(answer, Demand("r", "n", "o"), SECRET, method="INVITE")


@given(st.builds(Answer, *[st.text(max_size=20)] * 9))
def test_any_answer_is_only_wrong(answer: Answer) -> None:
    wanted = Demand(answer.realm, answer.nonce, answer.opaque or "", answer.algorithm, (answer.qop,))
    assert not is_valid(answer, wanted, SECRET, method="INVITE")
