from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.strategies import uris
from vb.sip.errors import RemoteError
from vb.sip.uri import Uri, parse_uri


@given(uris)
def test_what_is_written_parses_back_equal(uri: Uri) -> None:
    again = parse_uri(str(uri))
    assert again == uri
    assert hash(again) == hash(uri)
    assert again.equivalent(uri)


@given(st.text(max_size=40) | st.text("sip:@;?=&%0af[]:.-", max_size=40).map(lambda text: "sip:" + text))
def test_any_text_is_a_uri_or_the_documented_exception(text: str) -> None:
    try:
        uri = parse_uri(text)
    except RemoteError as error:
        assert error.status == 400  # noqa: PT017
        return
    assert parse_uri(str(uri)) == uri
    assert parse_uri(str(uri.with_())) == uri


def test_everything_a_sip_uri_may_hold() -> None:
    """RFC 3261 §19.1.1."""
    uri = parse_uri("SIPS:al%69ce;day=tuesday:s%3Aecret@Atlanta.EXAMPLE.com:5061;transport=TCP;lr?subject=a%20b&to=")
    assert uri == Uri(
        "sips",
        "alice;day=tuesday",
        "s:ecret",
        "atlanta.example.com",
        5061,
        (("transport", "TCP"), ("lr", None)),
        (("subject", "a b"), ("to", "")),
    )
    assert uri.param("TRANSPORT") == "TCP"
    assert uri.param("lr") is None
    assert uri.has_param("LR")
    assert not uri.has_param("maddr")


def test_text_is_given_back_as_it_came_until_it_is_changed() -> None:
    text = "sip:cal%6Cer@Host.example;x=%61"
    uri = parse_uri(text)
    assert str(uri) == text
    assert str(uri.with_(port=5070)) == "sip:caller@host.example:5070;x=a"


@pytest.mark.parametrize("length", [10, 300, 20_000])
def test_short_and_long(length: int) -> None:
    text = f"sip:{'u' * length}@example.com"
    assert parse_uri(text).user == "u" * length
    assert parse_uri(text) == parse_uri(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("sip:example.com", "example.com", None),
        ("sip:example.com.", "example.com.", None),
        ("sip:under_score:5060", "under_score", 5060),
        ("sip:[::1]", "::1", None),
        ("sip:u@[2001:DB8::1]:5061", "2001:db8::1", 5061),
        ("sip:[::ffff:192.0.2.1]", "::ffff:192.0.2.1", None),
        ("sip:[1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8", None),
        ("sip:[1:2:3:4:5:6:7::]", "1:2:3:4:5:6:7::", None),
        ("sip:[::]", "::", None),
        ("sip:h:0", "h", 0),
        ("sip:h:65535", "h", 65535),
        ("sip:h:005060", "h", 5060),
    ],
)
def test_hosts(text: str, host: str, port: int | None) -> None:
    uri = parse_uri(text)
    assert (uri.host, uri.port) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "sip", "sip:", "sip:@h", "sip:u@", "sip:u@h:", "sip:u@h:x", "sip:u@h:65536", "sip:u@h:99999999999"),
        *("sip:a@b@c", "sip:u u@h", "sip: h", "sip:h ", "<sip:h>", 'sip:"u"@h', "sip:u%4@h", "sip:u%@h", "sip:u%zz@h"),
        *("sip:h;", "sip:h;;lr", "sip:h;=x", "sip:h;x=", "sip:h?", "sip:h?x", "sip:h?=x", "sip:h?a=b&", "sip:h;a=b=c"),
        *(
            "sip:2001:db8::1",
            "sip:[2001:db8]",
            "sip:[1::2::3]",
            "sip:[:::]",
            "sip:[12345::]",
            "sip:[::1.2.3]",
            "sip:[]",
        ),
        *("sip:[::1.2.3.256]", "sip:[1:2:3:4:5:6:7:8:9]", "sip:[::1", "sip:::1]", "sip:[1.2.3.4]", "sip:[::1%eth0]"),
        *("sip:.", "sip:a..b", "sip:.a", "sip:ü@h", "sip:h\x00", "1x:y", "x:", "x: y", "x:<y>", "x:%g0", "no-colon"),
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(RemoteError) as caught:
        parse_uri(text)
    assert caught.value.status == 400


def test_other_schemes_are_opaque() -> None:
    """RFC 3261 §8.2.2.1: refusing them is 416, and not for a parser."""
    uri = parse_uri("TEL:+1-201-555-0123;phone-context=x")
    assert (uri.scheme, uri.opaque, uri.host) == ("tel", "+1-201-555-0123;phone-context=x", "")
    assert parse_uri(str(uri)) == uri


def test_escapes_that_are_no_utf8_are_still_text() -> None:
    assert parse_uri("sip:%FF@h").user == "ÿ"
    assert str(parse_uri("sip:%FF@h")) == "sip:%FF@h"


def test_local_characters_are_escaped() -> None:
    uri = Uri("sip", "a b@c", "p:q", "h", params=(("x;y", "1=2"),), headers=(("Route", "<sip:p>"),))
    assert str(uri) == "sip:a%20b%40c:p%3Aq@h;x%3By=1%3D2?Route=%3Csip:p%3E"
    assert str(Uri("sip", "a;b", "c;d", "h")) == "sip:a;b:c%3Bd@h"  # §25.1: password has a smaller set
    assert str(Uri("sip", "\ud800", host="h")) == "sip:?@h"  # what no text can carry


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:1", "TEL:1"),
    ],
)
def test_equivalent(one: str, other: str) -> None:
    """The examples of RFC 3261 §19.1.4."""
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a%2Cb@h", "sip:a,b@h"),  # a reserved character is not its escape
        ("sip:bob@h", "sips:bob@h"),
        ("sip:bob:x@h", "sip:bob@h"),
        ("sip:h", "sip:u@h"),
        ("tel:1", "tel:2"),
        ("tel:1", "sip:1@h"),
        ("sip:h;user=phone", "sip:h"),
    ],
)
def test_not_equivalent(one: str, other: str) -> None:
    """The examples of RFC 3261 §19.1.4."""
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))
