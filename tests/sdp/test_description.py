"""Reading and printing session descriptions (RFC 8866)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdp.strategies import bodies, descriptions
from vb.sdp.description import (
    Attribute,
    Bandwidth,
    Connection,
    Description,
    Media,
    Origin,
    SdpError,
    Timing,
    parse_description,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
import fuzz_sdp

RFC_EXAMPLE = b"""v=0\r
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r
s=Call to John Smith\r
i=SDP Offer #1\r
u=http://www.jdoe.example.com/home.html\r
e=Jane Doe <jane@jdoe.example.com>\r
p=+1 617 555-6011\r
c=IN IP4 198.51.100.1\r
b=CT:128\r
t=3724394400 3724398000\r
r=7d 1h 0 25h\r
r=604800 3600 0 90000\r
t=3724484400 3724488000\r
z=3730928400 -1h 3749680800 0\r
k=prompt\r
a=recvonly\r
m=audio 49180/2 RTP/AVP 0\r
i=first\r
c=IN IP4 233.252.0.1/127/3\r
c=IN IP6 ff00::db8:0:101/3\r
b=AS:64\r
k=clear:x\r
a=rtpmap:0 PCMU/8000\r
a=lang:\r
m=video 51372 RTP/AVP 99\r
a=rtpmap:99 h263-1998/90000\r
"""


def test_every_line_of_the_grammar() -> None:
    """RFC 8866 §5 and §9: the order in which it prints is the one of the grammar."""
    description = parse_description(RFC_EXAMPLE)
    assert description == Description(
        origin=Origin("jdoe", 3724394400, 3724394405, "198.51.100.1"),
        session_name="Call to John Smith",
        information="SDP Offer #1",
        uri="http://www.jdoe.example.com/home.html",
        emails=("Jane Doe <jane@jdoe.example.com>",),
        phones=("+1 617 555-6011",),
        connection=Connection("198.51.100.1"),
        bandwidths=(Bandwidth("CT", 128),),
        timings=(
            Timing(3724394400, 3724398000, ("7d 1h 0 25h", "604800 3600 0 90000")),
            Timing(3724484400, 3724488000),
        ),
        zones="3730928400 -1h 3749680800 0",
        key="prompt",
        attributes=(Attribute("recvonly"),),
        media=(
            Media(
                "audio",
                49180,
                "RTP/AVP",
                ("0",),
                port_count=2,
                title="first",
                connections=(
                    Connection("233.252.0.1", ttl=127, count=3),
                    Connection("ff00::db8:0:101", "IP6", count=3),
                ),
                bandwidths=(Bandwidth("AS", 64),),
                key="clear:x",
                attributes=(Attribute("rtpmap", "0 PCMU/8000"), Attribute("lang", "")),
            ),
            Media("video", 51372, "RTP/AVP", ("99",), attributes=(Attribute("rtpmap", "99 h263-1998/90000"),)),
        ),
    )
    assert description.to_bytes() == RFC_EXAMPLE


@pytest.mark.parametrize("body", [pytest.param(body, id=str(number)) for number, body in enumerate(fuzz_sdp.corpus())])
def test_the_corpus_survives_printing_and_the_fuzz_checks(body: bytes) -> None:
    assert fuzz_sdp.check(body) is not None


def test_attributes_are_found_by_name() -> None:
    media = parse_description(RFC_EXAMPLE).media[0]
    assert media.attribute("rtpmap") == "0 PCMU/8000"
    assert (media.attribute("lang"), media.attribute("none")) == ("", None)
    assert media.attribute_values("rtpmap") == ["0 PCMU/8000"]
    assert parse_description(RFC_EXAMPLE).attribute("recvonly") == ""
    assert media.connection == Connection("233.252.0.1", ttl=127, count=3)


HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"


@pytest.mark.parametrize(
    "body",
    [
        HEAD,  # no s=, no t=
        HEAD.replace(b"\r\n", b"\n") + b"s=-\nt=0 0\n",
        HEAD + b"\r\n\r\ns=-\r\n \r\n",
        HEAD + b"t=0 0\r\nc=IN IP4 192.0.2.1\r\ns=-\r\n",
        HEAD + b"f=unknown letter\r\n",
        HEAD.removesuffix(b"\r\n"),
    ],
)
def test_what_real_phones_send_is_read(body: bytes) -> None:
    assert parse_description(body).origin.session_id == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"v=0\r\n",
        b"v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
        b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n",
        b"v=0\r\nthis is not sdp\r\n",
        HEAD + b"v=0\r\n",
        HEAD + HEAD[5:],
        HEAD + b"x\r\n",
        HEAD + b"1=x\r\n",
        HEAD + b"s=a\0b\r\n",
        HEAD + b"s=a\rb\r\n",
        HEAD + b"c=IN IP4\r\n",
        HEAD + b"c=IN IP4 /1\r\n",
        HEAD + b"c=IN IP4 192.0.2.1/1/2/3\r\n",
        HEAD + b"c=IN IP6 ff15::1/1/2\r\n",
        HEAD + b"c=IN IP4 192.0.2.1/x\r\n",
        HEAD + b"c=IN IP4 192.0.2.1\r\n" * 2,
        HEAD + b"t=0\r\n",
        HEAD + b"t=0 -1\r\n",
        HEAD + b"t=0 " + b"9" * 21 + b"\r\n",
        HEAD + "t=0 \u0663\r\n".encode(),
        HEAD + b"r=1\r\n",
        HEAD + b"b=64\r\n",
        HEAD + b"b=:64\r\n",
        HEAD + b"a=\r\n",
        HEAD + b"a=:x\r\n",
        HEAD + b"m=audio 4000 RTP/AVP\r\n",
        HEAD + b"m=audio 65536 RTP/AVP 0\r\n",
        HEAD + b"m=audio -1 RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000/ RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000 RTP/AVP 0\r\ns=-\r\n",
        HEAD + b"m=audio 4000 " + b"x" * 256 + b" 0\r\n",
        HEAD + b"m=audio 4000 RTP/AVP 0\r\n" * 65,
        HEAD + b"m=audio 4000 RTP/AVP" + b" 0" * 257 + b"\r\n",
        HEAD + b"a=x\r\n" * 2000,
        HEAD + b"a=" + b"x" * 65536,
        b"v=0\r\no=- 1 1 IN IP4\r\n",
        b"v=0\r\no=- x 1 IN IP4 192.0.2.1\r\n",
    ],
)
def test_what_is_no_session_description_is_one_error(body: bytes) -> None:
    with pytest.raises(SdpError):
        parse_description(body)


def test_a_value_with_a_line_break_is_not_printed() -> None:
    with pytest.raises(ValueError, match="line break"):
        Description(Origin("-", 1, 1, "192.0.2.1"), session_name="a\r\na=sendonly").to_bytes()


@given(descriptions)
def test_printed_and_read_again_it_is_equal(description: Description) -> None:
    assert parse_description(description.to_bytes()) == description


@given(st.one_of(st.binary(), bodies))
def test_any_octets_give_a_value_or_the_documented_exception(data: bytes) -> None:
    fuzz_sdp.check(data)
