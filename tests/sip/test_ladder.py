"""The ladder as rungs and as text."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st

from vb.sip.effects import Hop
from vb.sip.ladder import rungs, text_ladder, trouble
from vb.sip.traced import Direction, TracedMessage

PEER, OTHER = Hop("UDP", "192.0.2.1", 5060), Hop("TCP", "192.0.2.2", 5062)
SDP = "v=0\r\nc=IN IP4 192.0.2.7\r\nm=audio 4000 RTP/AVP 0 8\r\na=sendonly\r\n"


def message(
    start: str,
    *lines: str,
    at: float = 0.0,
    way: Direction = "out",
    hop: Hop = PEER,
    body: str = "",
    failed: bool = False,
) -> TracedMessage:
    head = [start, *lines, *(["Content-Type: application/sdp"] if body else [])]
    return TracedMessage(at, way, hop, "\r\n".join(head) + "\r\n\r\n" + body, failed)


CALL = [
    message("INVITE sip:bob@h SIP/2.0", "CSeq: 1 INVITE", at=5.0, body=SDP),
    message("INVITE sip:bob@h SIP/2.0", "CSeq: 1 INVITE", at=5.5, body=SDP),
    message("SIP/2.0 183 Session Progress", "CSeq: 1 INVITE", at=5.6, way="in", body=SDP),
    message("SIP/2.0 302 Elsewhere", "CSeq: 1 INVITE", at=5.7, way="in"),
    message("SIP/2.0 488 Not Acceptable Here", "CSeq: 1 INVITE", 'Warning: 304 h "no"', at=5.8, way="in"),
    message("SIP/2.0 200 OK", "CSeq: 1 INVITE", at=5.9, way="in"),
    message("BYE sip:bob@h SIP/2.0", "Reason: Q.850;cause=16", at=6.25, hop=OTHER, failed=True),
]


def test_rungs_say_what_matters() -> None:
    steps = rungs(CALL)
    assert [rung.kind for rung in steps] == [
        "request",
        "request",
        "progress",
        "redirection",
        "failure",
        "success",
        "request",
    ]
    assert [rung.again for rung in steps] == [False, True, False, False, False, False, False]
    assert [rung.description for rung in steps] == [True, True, True, False, False, False, False]
    assert steps[0].detail == "audio 192.0.2.7 port 4000 RTP/AVP 0 8 sendonly"
    assert [steps[4].detail, steps[6].detail] == ['304 h "no"', "Q.850;cause=16"]
    assert (steps[0].at, steps[6].at, trouble(steps[6])) == (0.0, 1.25, "NOT DELIVERED")
    assert rungs([message("OPTIONS sip:bob@h SIP/2.0")])[0].detail == "sip:bob@h"


def test_the_text() -> None:
    lines = text_ladder(CALL, "vb", "peer").split("\n")
    assert lines[0].split() == ["ms", "vb", "peer"]
    assert len({line.rindex("│") for line in lines[1:]}) == 1
    assert "INVITE +SDP" in lines[1]
    assert lines[1].startswith("     0.0  │──")
    assert lines[2].endswith("│ 192.0.2.1:5060  again")
    assert "◄" in lines[3]
    assert lines[5].endswith('304 h "no"')
    assert lines[7].endswith("│ 192.0.2.2:5062  NOT DELIVERED  Q.850;cause=16")
    assert text_ladder([], "vb", "peer") == "vb: no messages"


def test_one_peer_needs_no_address() -> None:
    assert "192.0.2.1" not in text_ladder(CALL[:3], "vb", "peer")


@hypothesis.given(st.lists(st.text(max_size=120), max_size=5))
def test_any_messages_are_drawn_without_control_characters(texts: list[str]) -> None:
    drawn = text_ladder([TracedMessage(0.0, "in", PEER, text) for text in texts], "vb", "peer")
    assert all(character == "\n" or character >= " " for character in drawn)
    if texts:
        assert drawn.count("\n") == len(texts)
