"""Bodies of several parts: RFC 2046 §5.1 and RFC 5621, and what an INVITE with one gets."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.bench import Bench, request
from vb.sip.effects import InviteReceived
from vb.sip.errors import RemoteError
from vb.sip.headers import Headers
from vb.sip.message import Request
from vb.sip.multipart import description_of, parts_of
from vb.sip.uri import parse_uri

SDP = "v=0\r\n"
TYPE = "multipart/mixed;boundary=cut"


def message(body: bytes, content_type: str = TYPE, disposition: str = "") -> Request:
    lines = [("Content-Type", content_type)] if content_type else []
    lines += [("Content-Disposition", disposition)] if disposition else []
    return Request("INVITE", parse_uri("sip:a@b"), Headers(lines), body)


def parts(*texts: str) -> bytes:
    return "".join(f"--cut\r\n{text}\r\n" for text in texts).encode() + b"--cut--\r\n"


OFFER = f"Content-Type: application/sdp\r\n\r\n{SDP}"
PICTURE = "Content-Type: image/png\r\nContent-Disposition: icon;handling=optional\r\n\r\nx"
ISUP = "Content-Type: application/ISUP\r\nContent-Disposition: signal; handling = Optional\r\n\r\n\x01\x02"


@pytest.mark.parametrize(
    "body",
    [
        parts(OFFER),
        parts(PICTURE, OFFER),
        parts(OFFER, ISUP),
        b"a preamble\r\n" + parts(OFFER) + b"an epilogue\r\n--cut\r\n",
        b"--cut  \r\n" + parts(OFFER)[7:],
        parts(f"content-type :\r\n  application/sdp\r\nContent-Disposition: session\r\n\r\n{SDP}"),
    ],
)
def test_the_description_is_found(body: bytes) -> None:
    assert description_of(message(body)) == SDP.encode()


def test_quoted_boundaries() -> None:
    body = parts(OFFER).replace(b"cut", b"a: b;c")
    assert description_of(message(body, 'multipart/mixed; x=1; boundary="a: b\\;c"')) == SDP.encode()


def test_other_bodies() -> None:
    assert description_of(message(b"")) == b""
    assert description_of(message(b"v=0", "application/sdp;x=y")) == b"v=0"
    assert description_of(message(b"hi", "text/plain", "render;handling=optional")) == b""  # RFC 5621 §3.2
    assert description_of(message(parts(PICTURE))) == b""


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"hi", "text/plain", 415),
        (parts(OFFER, OFFER), TYPE, 415),
        (parts(OFFER, "\r\nplain text without a header"), TYPE, 415),
        (parts(OFFER, ISUP.replace("Optional", "required")), TYPE, 415),
        (parts("Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\nv=0"), TYPE, 415),
        (parts("Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w"), TYPE, 415),
        (parts(OFFER), "multipart/alternative;boundary=cut", 415),
        (parts(OFFER), "multipart/mixed", 400),
        (parts(OFFER), "multipart/mixed;boundary=other", 400),
        (parts(OFFER)[:-4], TYPE, 400),
        (parts("Content-Type: application/sdp"), TYPE, 400),
        (parts("no header\r\n\r\nx"), TYPE, 400),
        (b"--cutting\r\n" + parts(OFFER), TYPE, 400),
        (parts(*[PICTURE] * 20), TYPE, 400),
    ],
)
def test_what_is_refused(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(RemoteError) as refused:
        description_of(message(body, content_type))
    assert refused.value.status == status


@given(st.lists(st.sampled_from([b"--cut", b"--cut--", b"\r\n", b"--", b":", b"Content-Type: application/sdp", b"x"])))
def test_any_octets(pieces: list[bytes]) -> None:
    """RemoteError, and nothing else."""
    with contextlib.suppress(RemoteError):
        assert len(parts_of(message(b"".join(pieces)))) <= 16


@pytest.mark.parametrize(
    ("texts", "status"), [((PICTURE, OFFER), 100), ((OFFER, "Content-Type: text/plain\r\n\r\nx"), 415)]
)
def test_an_invite(texts: tuple[str, ...], status: int) -> None:
    bench = Bench()
    (response,) = bench.receive(request("INVITE", body=parts(*texts).decode(), content_type=TYPE))
    assert response.status == status
    assert bool(bench.events) == (status == 100)
    if status == 100:
        (event,) = bench.events
        assert isinstance(event, InviteReceived)
        assert description_of(event.request) == SDP.encode()
    else:
        assert response.headers.values("Accept") == ["application/sdp", "multipart/mixed"]


def test_events_that_nobody_can_subscribe_to() -> None:
    """RFC 6665 §4.2.1.3; RFC 3515 §2.4.4: only a REFER subscribes to refer."""
    (response,) = Bench().receive(request("SUBSCRIBE", "Event: presence"))
    assert (response.status, response.headers.values("Allow-Events")) == (489, ["refer"])
    (response,) = Bench().receive(request("SUBSCRIBE", "Event: refer;id=3"))
    assert response.status == 403
