"""Linear-time patterns: the same verdicts as Python's engine, and no explosion."""

from __future__ import annotations

import contextlib
import re
import time

import hypothesis
import hypothesis.strategies as st
import pytest

from vb.api.pattern import Pattern
from vb.api.pattern_parser import PatternError


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", ["", "x"], []),
        ("^shop", ["shop", "shop-1"], ["my-shop", ""]),
        ("^$", [""], ["x"]),
        ("shop|bank", ["a shop", "bank"], ["shob"]),
        ("^a.c$", ["abc"], ["ac", "a\nc"]),
        ("(?s)a.c", ["a\nc"], ["ac"]),
        ("(?i)^Shop$", ["SHOP", "shop"], ["shops"]),
        ("(?i:a)b", ["Ab"], ["AB"]),
        ("x(?i)y|z", ["xY", "Z"], ["Xy"]),
        ("^[a-c]+$", ["abccba"], ["abd", ""]),
        ("[^a-c]", ["d"], ["abc"]),
        ("[]a]", ["]"], ["b"]),
        ("[a-]", ["-"], ["b"]),
        ("[[:digit:]_]{2}", ["1_"], ["a1"]),
        (r"^\d{2,3}$", ["12", "123"], ["1", "1234"]),
        (r"^a{2}$", ["aa"], ["a", "aaa"]),
        (r"^a{2,}$", ["aa", "aaaa"], ["a"]),
        ("a{x}", ["a{x}"], ["a"]),
        (r"\bshop\b", ["the shop.", "shop"], ["shopping"]),
        (r"\Bop", ["shop"], ["op"]),
        (r"\Aa\z", ["a"], ["a\n"]),
        (r"a\.b\x41\x{42}\t", ["a.bAB\t"], ["axbAB\t"]),
        ("(?m)^b$", ["a\nb\nc"], ["ab"]),
        ("(?P<name>a)(?<other>b)(?:c)", ["abc"], ["ab"]),
        ("(a*)*b", ["aab", "b"], ["a"]),
        ("(a|)+$", ["a", ""], []),
        (r"[\d\s]x", ["1x", " x"], ["ax"]),
        ("é☎", ["é☎"], ["e"]),
    ],
)
def test_verdicts(pattern: str, matching: list[str], other: list[str]) -> None:
    compiled = Pattern(pattern)
    assert [text for text in matching if not compiled.search(text)] == []
    assert [text for text in other if compiled.search(text)] == []


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "a)", "[", "[b-a]", "[[:nosuch:]]", "*", "a**", "a{2}{3}", "a{1001}", "a{3,2}", "\\", r"\q", r"(a)\1",
     "(?=a)", "(?<!a)b", "(?P<>a)", "(?i", r"\x4", r"\x{110000}", r"\pL", "((((a{20}){20}){20}){20})",
     "(" * 60 + ")" * 60, "a" * 1001],
)  # fmt: skip
def test_refusals(pattern: str) -> None:
    with pytest.raises(PatternError):
        Pattern(pattern)


def test_what_makes_backtracking_engines_explode_is_quick() -> None:
    begin = time.process_time()
    assert not Pattern("^(a+)+$").search("a" * 1000 + "b")
    assert not Pattern("(a|aa)+$").search("a" * 500 + "b")
    assert not Pattern("(.*)(.*)(.*)(.*)x$").search("y" * 1000)
    assert time.process_time() - begin < 2.0


SIMPLE = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", "^", "$"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("(?:{})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}", "*?"])).map(lambda t: f"(?:{t[0]}){t[1]}"),
    ),
    max_leaves=6,
)


@hypothesis.given(SIMPLE, st.text("ab1c", max_size=6))
def test_same_verdict_as_another_engine(pattern: str, text: str) -> None:
    wanted = re.search(pattern.replace("$", r"\Z"), text) is not None
    assert Pattern(pattern).search(text) == wanted


@hypothesis.given(st.text("ab[](){}|*+?\\^$-:,<>P=!1ismx", max_size=20), st.text("ab", max_size=5))
def test_any_text_is_a_pattern_or_a_pattern_error(pattern: str, text: str) -> None:
    with contextlib.suppress(PatternError):
        Pattern(pattern).search(text)
