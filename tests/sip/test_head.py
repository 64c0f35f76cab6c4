from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.sip.errors import RemoteError
from vb.sip.head import content_length, read_head, unfold
from vb.sip.headers import Headers
from vb.sip.limits import Limits


def test_start_line_and_fields() -> None:
    start, headers = read_head(b"START line\r\nA:1\r\nb : 2 \r\nA:\t3", Limits())
    assert start == "START line"
    assert list(headers) == [("A", "1"), ("b", "2"), ("A", "3")]


def test_folds_are_one_space() -> None:
    """RFC 3261 §7.3.1."""
    _, headers = read_head(b"START\r\nA: 1 \r\n  2\r\n\t3\r\n \r\nB:\r\n 4", Limits())
    assert list(headers) == [("A", "1 2 3"), ("B", "4")]
    assert unfold(["start ", "A: 1 ", " 2"]) == ["start ", "A: 1 2"]


@given(st.lists(st.text("ab \t", max_size=5), max_size=10))
def test_folding_never_changes_the_words(lines: list[str]) -> None:
    whole = unfold(["S", "A:", *[" " + line for line in lines]])
    assert len(whole) == 2
    assert whole[1].split() == ["A:", *" ".join(lines).split()]


def test_limits() -> None:
    limits = Limits(header=10, headers=3)
    read_head(b"START 7890\r\nA: 4567890\r\nB: 1\r\n 2\r\nC: 1", limits)
    for head, status in (
        (b"START 78901", 414),
        (b"START\r\nA: 45678901", 400),
        (b"START\r\nA: \xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 400),  # octets, not characters
        (b"START\r\nA: 456\r\n 8901", 400),
        (b"START\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1", 400),
    ):
        with pytest.raises(RemoteError) as caught:
            read_head(head, limits)
        assert caught.value.status == status


def test_content_length() -> None:
    assert content_length(Headers()) is None
    assert content_length(Headers([("l", "0015")])) == 15
    for items in ([("l", "")], [("l", "1,1")], [("l", "1"), ("Content-Length", "1")]):
        with pytest.raises(RemoteError):
            content_length(Headers(items))
