from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.sip.errors import RemoteError
from vb.sip.grammar import (
    find_param,
    format_params,
    is_token,
    parse_number,
    parse_params,
    quote,
    split_values,
    unescape,
    unquote,
)


def test_tokens() -> None:
    """RFC 3261 §25.1."""
    assert is_token("aZ09-.!%*_+`'~")
    for text in ("", "a b", "a/b", "ü", "a\n", "(", '"'):
        assert not is_token(text)


@given(st.integers(0, 10**30))
def test_numbers(number: int) -> None:
    assert parse_number(f"000{number}", 10**30, "it") == number
    with pytest.raises(RemoteError, match="it is too large"):
        parse_number(str(number), number - 1, "it")


@pytest.mark.parametrize("text", ["", "-1", "+1", "1 ", " 1", "1_0", "²", "٣", "0x1", "1" * 101])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(RemoteError, match="it is not a number"):
        parse_number(text, 10**200, "it")


@given(st.text(st.characters(exclude_characters="\r\n")))
def test_quoting_is_undone(text: str) -> None:
    quoted = quote(text)
    assert unquote(quoted) == text
    assert split_values(f"{quoted}, b") == [quoted, "b"]
    assert parse_params(f";a={quoted}") == (("a", quoted),)


def test_unquote_leaves_others_alone() -> None:
    assert [unquote(text) for text in ("a", "", '"', '"a', 'a"')] == ["a", "", '"', '"a', 'a"']


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        (" \t", []),
        ("a", ["a"]),
        (" a ,\tb ", ["a", "b"]),
        (",", ["", ""]),
        ('"a,b",c', ['"a,b"', "c"]),
        ('"a\\",b",c', ['"a\\",b"', "c"]),
        ("<a,b>;c, d", ["<a,b>;c", "d"]),
        ('"<",b', ['"<"', "b"]),
        ("a>,b", ["a>", "b"]),
    ],
)
def test_split_values(text: str, values: list[str]) -> None:
    """RFC 3261 §7.3.1."""
    assert split_values(text) == values


@pytest.mark.parametrize("text", ['"a,b', "<a,b", "<a,<b>", 'a,"\\"'])
def test_unbalanced(text: str) -> None:
    with pytest.raises(RemoteError):
        split_values(text)


def test_params() -> None:
    params = parse_params(' ; a ;B = c;d="e;f" ')
    assert params == (("a", None), ("B", "c"), ("d", '"e;f"'))
    assert format_params(params) == ';a;B=c;d="e;f"'
    assert find_param(params, "b") == ("B", "c")
    assert find_param(params, "x") is None
    assert parse_params("") == parse_params("  ") == ()


def test_unescape() -> None:
    assert unescape("a%20b%C3%BC%00") == "a bü\x00"
    assert unescape("%FF%FE") == "ÿþ"
