"""Offer/answer for one audio stream (RFC 3264): forms of the contract, slots, versions, hold, refusals."""

from __future__ import annotations

import pytest

from vb.sdp.description import parse_description
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sdp.formats import parse_codec_names
from vb.sdp.offer_answer import Negotiation


def negotiation(codecs: str = "PCMU,PCMA", *, address: str = "127.0.0.1", strict: bool = False) -> Negotiation:
    return Negotiation(
        address=address, codecs=parse_codec_names(codecs)[0], session_id=77, strict_mlines=strict
    )


def sdp(*media: str, c: str = "IN IP4 192.0.2.1", version: int = 1) -> bytes:
    head = ["v=0", f"o=- 1000 {version} IN IP4 192.0.2.1", "s=-", f"c={c}", "t=0 0"]
    return ("\r\n".join([*head, *media]) + "\r\n").encode()


AUDIO = (
    "m=audio 4000 RTP/AVP 9 8 0 101",
    "a=rtpmap:9 G722/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-16",
    "a=ptime:20",
    "a=sendrecv",
)


def test_an_offer_has_the_form_of_the_contract() -> None:
    assert negotiation().create_offer(10000).decode().split("\r\n") == [
        "v=0",
        "o=- 77 0 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        "m=audio 10000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "a=rtcp-mux",
        "",
    ]


def test_the_answer_takes_the_first_offered_codec_that_is_ours() -> None:
    ours = negotiation()
    view = ours.receive_offer(sdp(*AUDIO))
    assert [(codec.name, codec.payload_type) for codec in view.codecs] == [("G722", 9), ("PCMA", 8), ("PCMU", 0)]
    assert ours.create_answer(10002).decode().split("\r\n")[5:] == [
        "m=audio 10002 RTP/AVP 8 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]
    current = ours.current
    assert current is not None
    assert (current.remote_host, current.remote_port, current.codec.name) == ("192.0.2.1", 4000, "PCMA")
    assert (current.telephone_event, current.telephone_event_receive, current.direction) == (101, 101, "sendrecv")


def test_no_codec_in_common_and_secured_audio_are_refused() -> None:
    ours = negotiation()
    assert ours.receive_offer(sdp("m=audio 4000 RTP/AVP 18 3")).codecs == ()
    with pytest.raises(NotAcceptable):
        ours.create_answer(10000)
    with pytest.raises(NotAcceptable):
        ours.receive_offer(sdp("m=audio 4000 RTP/SAVP 0"))
    with pytest.raises(SdpError):
        ours.receive_offer(b"v=0\r\nthis is not sdp\r\n")
    assert ours.current is None
    assert parse_description(ours.create_offer(1000)).media[0].port == 1000
