"""Reading JSON bodies: lenient in form, strict in type."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from vb.api.schema import BadJson, Body, parse_json, plain, read_body


class Inner(Body):
    name: str = ""


class Outer(Body):
    text: str = ""
    count: int = 0
    flag: bool | None = None
    from_: str = msgspec.field(name="from", default="")
    inner: Inner | None = None
    many: list[Inner] = msgspec.field(default_factory=list)
    free: dict[str, str] = msgspec.field(default_factory=dict)


def test_keys_match_whatever_their_case_and_the_last_wins() -> None:
    body = read_body('{"TEXT":"a","Text":"b","Count":1,"FROM":"f","INNER":{"NAME":"n"},"Many":[{"nAme":"m"}]}', Outer)
    assert body == Outer(text="b", count=1, from_="f", inner=Inner(name="n"), many=[Inner(name="m")])
    assert read_body('{"text":"1","TEXT":"2","text":"3"}', Outer).text == "3"
    assert read_body('{"text":"1","TEXT":"2"}', Outer).text == "2"


def test_keys_of_free_maps_keep_their_case() -> None:
    assert read_body('{"free":{"X-A":"1","x-a":"2"}}', Outer).free == {"X-A": "1", "x-a": "2"}


def test_unknown_null_and_empty_mean_absent() -> None:
    assert read_body('{"other":{"deep":[1]},"text":"","count":null,"flag":"","inner":null}', Outer) == Outer()
    assert read_body("null", Outer) == Outer()
    assert read_body('{"text":"a","TEXT":""}', Outer) == Outer()
    assert read_body('{"free":{"X":""}}', Outer).free == {"X": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"count":"5"}', "Expected int, got str - at count"),
        ('{"count":5.0}', "Expected int"),
        ('{"count":true}', "Expected int"),
        ('{"text":7}', "Expected str, got int - at text"),
        ('{"flag":1}', "Expected bool | null"),
        ('{"many":{}}', "Expected array"),
        ('{"many":[{"name":[]}]}', "at many[0].name"),
        ('{"inner":"x"}', "Expected object"),
        ("[]", "Expected object, got array"),
        ('"text"', "Expected object"),
        ("5", "Expected object"),
    ],
)
def test_wrong_types(text: str, words: str) -> None:
    with pytest.raises(BadJson) as caught:
        read_body(text, Outer)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{nope",
        b"{} trailing",
        b"{}{}",
        b'{"count":NaN}',
        b'{"count":Infinity}',
        b'{"count":1e999}',
        b'{"count":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"text":"\xff"}',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(BadJson, match="invalid JSON"):
        read_body(text, Outer)


def test_a_number_that_is_too_large_is_of_the_wrong_type() -> None:
    for digits in ("9" * 19, "1" + "0" * 30):
        with pytest.raises(BadJson, match="Expected int"):
            read_body(f'{{"count":{digits}}}', Outer)
        read_body(f'{{"unknown":{digits}}}', Outer)


def test_deep_nesting_is_refused_not_followed() -> None:
    with pytest.raises(BadJson, match="nested too deeply"):
        plain(parse_json("[" * 40 + "]" * 40))


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    body = read_body('{"text":"\\ud800","many":[{"name":"a\\udfffb"}],"free":{"\\ud800":"\\ud83d\\ude00"}}', Outer)
    assert body == Outer(text="\ufffd", many=[Inner(name="a\ufffdb")], free={"\ufffd": "\U0001f600"})
    msgspec.json.encode(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@hypothesis.given(JSON)
def test_any_json_comes_back(value: Any) -> None:
    assert plain(parse_json(json.dumps(value))) == value


@hypothesis.given(st.text() | st.binary())
def test_any_text_is_json_or_bad_json(text: str | bytes) -> None:
    with contextlib.suppress(BadJson):
        read_body(text, Outer)
