"""The drawn ladder: well-formed, escaped, and everything on it."""

from __future__ import annotations

from xml.etree import ElementTree

import hypothesis
import hypothesis.strategies as st

from tests.sip.test_ladder import CALL
from vb.api.ladder_svg import svg_ladder
from vb.sip.effects import Hop
from vb.sip.traced import TracedMessage

NAMESPACE = "{http://www.w3.org/2000/svg}"
HEAD = ("Leg x", "a → b", "Call-ID c")
ALLOWED = {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "line", "text"}


def parse(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def tags(root: ElementTree.Element) -> set[str]:
    return {element.tag.removeprefix(NAMESPACE) for element in root.iter()}


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{NAMESPACE}text")]


def test_everything_is_on_the_picture() -> None:
    root = parse(svg_ladder(CALL, head=HEAD, end="ended: busy"))
    shown = texts(root)
    for wanted in (*HEAD, "192.0.2.1:5060", "192.0.2.2:5062", "488 Not Acceptable Here (INVITE)", "ended: busy", "SDP"):
        assert wanted in shown
    assert "NOT DELIVERED · Q.850;cause=16" in shown
    arrows = [line for line in root.iter(f"{NAMESPACE}line") if line.get("class") == "arrow"]
    assert len(arrows) == len(CALL)
    assert [arrow.get("marker-end") for arrow in arrows][-2:] == ["url(#success)", "url(#failed)"]
    height = float(root.get("height") or 0)
    assert all(float(element.get("y") or 0) < height for element in root.iter(f"{NAMESPACE}text"))
    assert tags(root) <= ALLOWED


def test_a_pause_is_marked() -> None:
    late = TracedMessage(30.0, "in", CALL[0].hop, "BYE sip:a SIP/2.0\r\n\r\n")
    assert "+25.0 s" in texts(parse(svg_ladder([CALL[0], late], head=HEAD)))


def test_no_messages() -> None:
    assert "no messages" in texts(parse(svg_ladder([], head=HEAD)))


def test_many_peers_share_the_last_lifeline() -> None:
    hops = [Hop("UDP", f"192.0.2.{n}", 5060) for n in range(9)]
    messages = [TracedMessage(float(n), "out", hop, "BYE sip:a SIP/2.0\r\n\r\n") for n, hop in enumerate(hops)]
    shown = texts(parse(svg_ladder(messages, head=HEAD)))
    assert "6 others" in shown
    assert "192.0.2.2:5060" in shown
    assert "192.0.2.3:5060" not in shown


EVIL = ['"/><script>alert(1)</script>', "]]>", "<!--", "&lt;&#0;", "\x00\x1b[2J", "\ud800", "\u202e", "' onload='x"]


@hypothesis.given(st.lists(st.one_of(st.sampled_from(EVIL), st.text(st.characters(), max_size=30)), max_size=4))
def test_nothing_of_a_stranger_becomes_markup(parts: list[str]) -> None:
    evil = "".join(parts)
    messages = [
        TracedMessage(0.0, "in", Hop("UDP", evil or "h", 1), f"INVITE {evil} SIP/2.0\r\nReason: {evil}\r\n\r\n{evil}"),
        TracedMessage(1.0, "out", Hop("UDP", "h", 1), f"SIP/2.0 400 {evil}\r\nCSeq: 1 {evil}\r\n\r\n"),
    ]
    picture = svg_ladder(messages, head=(evil, evil, evil), end=evil)
    picture.encode()
    root = parse(picture)
    assert tags(root) <= ALLOWED
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
