"""One shown message: its parts, whatever its form."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from vb.sip.effects import Hop
from vb.sip.traced import TracedMessage, address, printable

PEER = Hop("UDP", "2001:db8::1", 5060)


def traced(text: str) -> TracedMessage:
    return TracedMessage(0.0, "in", PEER, text)


def test_the_parts_of_a_request() -> None:
    message = traced("\r\nINVITE sip:a SIP/2.0\r\nl: 3\r\nc: application/sdp\r\nX:y\r\n\r\nv=0\r\n")
    assert (message.start_line, message.method, message.status) == ("INVITE sip:a SIP/2.0", "INVITE", 0)
    assert (message.header("Content-Type"), message.header("x"), message.header("To")) == ("application/sdp", "y", "")
    assert (message.body, message.has_description) == ("v=0\n", True)
    assert message.peer == "[2001:db8::1]:5060"


def test_the_parts_of_a_response() -> None:
    message = traced("SIP/2.0 486 Busy Here\nCSeq: 7 INVITE\n\n")
    assert (message.status, message.method, message.body, message.has_description) == (486, "INVITE", "", False)


@pytest.mark.parametrize(
    "text", ["", "\r\n", "SIP/2.0", "SIP/2.0 abc x", "SIP/2.0 99999 x", "SIP/2.0 700 x", ":", "\x00"]
)
def test_what_is_no_message_has_no_status(text: str) -> None:
    assert traced(text).status == 0


@hypothesis.given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    message = traced(text)
    assert (message.start_line, message.method, message.header("CSeq"), message.body, message.peer) is not None


@hypothesis.given(st.text(st.characters(), max_size=100))
def test_printable_moves_no_cursor_and_is_fit_for_xml(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(c in "\t\n" or (c >= " " and c not in "\x7f\u202e\ufffe\uffff") for c in shown)
    shown.encode()


def test_addresses() -> None:
    assert address("192.0.2.1", 5060) == "192.0.2.1:5060"
    assert address("::1", 5060) == "[::1]:5060"
