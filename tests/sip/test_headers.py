from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.strategies import header_values, tokens
from vb.sip.errors import LocalError, RemoteError
from vb.sip.headers import COMPACT, Headers, key_of


def headers() -> Headers:
    return Headers([("Via", "1"), ("X-a", "x"), ("v", "2"), ("Contact", "<sip:a,b>, sip:c"), ("m", '"d, e" <sip:f>')])


def test_names_match_in_any_case_and_form() -> None:
    """RFC 3261 §7.3.1, §7.3.3."""
    assert headers().get("VIA") == "1"
    assert headers().get_all("v") == ["1", "2"]
    assert headers().get("x-A") == "x"
    assert headers().get("To") is None
    assert headers().get_all("To") == []
    assert "contact" in headers()
    assert "To" not in headers()
    assert 5 not in headers()


@pytest.mark.parametrize(("short", "name"), COMPACT.items())
def test_compact_forms(short: str, name: str) -> None:
    assert key_of(short) == key_of(short.upper()) == key_of(name) == name.lower()


def test_several_values_on_a_line() -> None:
    """RFC 3261 §7.3.1."""
    assert headers().values("Contact") == ["<sip:a,b>", "sip:c", '"d, e" <sip:f>']
    assert Headers([("Supported", ""), ("k", " a ,b")]).values("Supported") == ["a", "b"]
    with pytest.raises(RemoteError):
        Headers([("Contact", '"a, b')]).values("Contact")


def test_order_and_spelling_are_kept() -> None:
    assert [name for name, _ in headers()] == ["Via", "X-a", "v", "Contact", "m"]
    assert len(headers()) == 5


def test_changes() -> None:
    fields = headers()
    fields.add("Y", " y\t")
    fields.insert_first("Via", "0")
    assert fields.get_all("Via") == ["0", "1", "2"]
    fields.set_first("via", "00")
    assert fields.get_all("Via") == ["00", "1", "2"]
    fields.set("Via", "3")
    fields.set("Z", "z")
    fields.remove("m")
    fields.remove("nothing")
    assert list(fields) == [("Via", "3"), ("X-a", "x"), ("Y", "y"), ("Z", "z")]
    fields.set_first("W", "w")
    assert next(iter(fields)) == ("W", "w")


def test_a_copy_is_its_own() -> None:
    fields = headers()
    other = fields.copy()
    assert other == fields
    other.add("Y", "y")
    assert other != fields
    assert "Y" not in fields


def test_equality_is_of_keys_and_values_in_order() -> None:
    assert Headers([("v", "1"), ("TO", "2")]) == Headers([("Via", "1"), ("t", "2")])
    assert Headers([("v", "1"), ("To", "2")]) != Headers([("To", "2"), ("v", "1")])
    assert Headers() != []
    assert "Via" in repr(headers())
    with pytest.raises(TypeError):
        hash(headers())


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\rb", "a\nb", "\ud800"])
def test_a_value_cannot_add_a_line(value: str) -> None:
    fields = headers()
    for change in (fields.add, fields.set, fields.set_first, fields.insert_first):
        with pytest.raises(LocalError):
            change("X", value)
    assert fields == headers()


@pytest.mark.parametrize("name", ["", "a b", "a:", "ü", "a\r\n"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(LocalError):
        Headers([(name, "x")])


def test_compact_headers_say_the_same() -> None:
    fields = headers()
    fields.typed["to"] = "parsed"
    assert fields.get("X-a") == "x"
    fields.compact()
    assert fields.typed == {}
    assert fields == headers()
    assert fields.get("X-a") == "x"


def test_a_change_forgets_what_was_parsed() -> None:
    fields = headers()
    fields.typed |= {"via": "parsed", "top-via": "parsed", "to": "parsed"}
    fields.set("Via", "2")
    assert fields.typed == {"to": "parsed"}


_VERBS = st.sampled_from(["add", "insert_first", "set", "set_first", "remove"])


@given(st.lists(st.tuples(_VERBS, st.sampled_from("aBc"), st.sampled_from("xyz")), max_size=12))
def test_index_follows_every_change(steps: list[tuple[str, str, str]]) -> None:
    fields, unread = headers(), headers()
    for verb, name, value in steps:
        for one in (fields, unread):
            one.remove(name) if verb == "remove" else getattr(one, verb)(name, value)
        assert fields.index == fields.copy().index  # a copy builds its own
    assert unread == fields
    assert unread.index == fields.index


@given(st.lists(st.tuples(tokens, header_values), max_size=8))
def test_index_is_the_list(items: list[tuple[str, str]]) -> None:
    fields = Headers(items)
    assert list(fields) == items
    for name, _ in items:
        assert fields.get_all(name) == [v for n, v in items if key_of(n) == key_of(name)]
