from __future__ import annotations

import pytest

from vb.sip.errors import RemoteError
from vb.sip.fields import CSeq
from vb.sip.headers import Headers
from vb.sip.message import Request
from vb.sip.uri import Uri


def request(*items: tuple[str, str]) -> Request:
    return Request("INVITE", Uri("sip", host="h"), Headers(items))


def test_missing_fields() -> None:
    empty = request()
    for name in ("via", "from_", "to", "cseq", "call_id"):
        with pytest.raises(RemoteError, match="No "):
            getattr(empty, name)
    assert empty.vias == empty.contacts == empty.routes == empty.record_routes == empty.require == empty.supported == ()
    assert empty.max_forwards is empty.expires is empty.content_type is None
    assert not empty.contact_is_star


def test_fields() -> None:
    message = request(
        ("v", "SIP/2.0/UDP a, SIP/2.0/UDP b"),
        ("Via", "SIP/2.0/UDP c"),
        ("f", "<sip:f>;tag=1"),
        ("t", "<sip:t>"),
        ("i", "call"),
        ("CSeq", "7 INVITE"),
        ("m", "<sip:m>, <sip:n>"),
        ("Route", "<sip:r1>"),
        ("Route", "<sip:r2>"),
        ("Record-Route", "<sip:rr1>,<sip:rr2>"),
        ("Require", "a, b"),
        ("k", "c"),
        ("Max-Forwards", "0068"),
        ("Expires", "60"),
        ("c", "Application/SDP"),
    )
    assert message.via.host == "a"
    assert [via.host for via in message.vias] == ["a", "b", "c"]
    assert message.from_.tag == "1"
    assert message.to.uri.host == "t"
    assert message.call_id == "call"
    assert message.cseq == CSeq(7, "INVITE")
    assert [contact.uri.host for contact in message.contacts] == ["m", "n"]
    assert [route.uri.host for route in message.routes] == ["r1", "r2"]
    assert [route.uri.host for route in message.record_routes] == ["rr1", "rr2"]
    assert (message.require, message.supported) == (("a", "b"), ("c",))
    assert (message.max_forwards, message.expires, message.content_type) == (68, 60, "application/sdp")


def test_parsed_once_and_again_after_a_change() -> None:
    message = request(("Via", "SIP/2.0/UDP a"), ("To", "<sip:t>"), ("Route", "<sip:r>"))
    assert message.to is message.to
    assert message.via is message.via
    assert message.routes is message.routes
    message.headers.set("To", "<sip:u>")
    message.headers.insert_first("Via", "SIP/2.0/UDP b")
    message.headers.remove("Route")
    assert message.to.uri.host == "u"
    assert message.via.host == "b"
    assert message.routes == ()


def test_repeated_single_fields() -> None:
    """RFC 3261 §7.3.1."""
    message = request(("To", "<sip:t>"), ("t", "<sip:t>"), ("Expires", "1"), ("Expires", "1"))
    for name in ("to", "expires"):
        with pytest.raises(RemoteError, match="More than one"):
            getattr(message, name)


def test_a_first_via_is_read_alone() -> None:
    """What stands below the top Via is none of our business until it is asked for."""
    message = request(("Via", "SIP/2.0/UDP a"), ("Via", "nonsense"))
    assert message.via.host == "a"
    with pytest.raises(RemoteError):
        message.vias  # noqa: B018
    with pytest.raises(RemoteError):
        request(("Via", "")).via  # noqa: B018
