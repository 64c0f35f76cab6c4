"""Offer/answer for one audio stream (RFC 3264): forms of the contract, slots, versions, hold, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from vb.sdp.description import parse_description
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sdp.formats import parse_codec_names
from vb.sdp.offer_answer import Negotiated, Negotiation
from vb.sdp.remote_audio import Direction


def negotiation(codecs: str = "PCMU,PCMA", *, address: str = "127.0.0.1", strict: bool = False) -> Negotiation:
    return Negotiation(address=address, codecs=parse_codec_names(codecs)[0], session_id=77, strict_mlines=strict)


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
    """RFC 3264 §5, §5.1."""
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
    """RFC 3264 §6.1."""
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


def media_of(body: bytes) -> tuple[str, ...]:
    """The m= lines of a body."""
    return tuple(line for line in body.decode().split("\r\n") if line.startswith("m="))


def version_of(body: bytes) -> int:
    return parse_description(body).origin.version


def agreed(offerer: Negotiation, answerer: Negotiation, port: int = 1, **answer: Any) -> tuple[Negotiated, Negotiated]:
    """One exchange; what each side has agreed to."""
    answerer.receive_offer(offerer.create_offer(port))
    theirs = offerer.receive_answer(answerer.create_answer(port, **answer))
    assert answerer.current is not None
    return theirs, answerer.current


def test_other_sections_are_refused_in_their_own_form() -> None:
    """RFC 3264 §6: as many sections as offered, in the same order; port 0 refuses, the formats are repeated."""
    offer = sdp(
        "m=video 4002 RTP/AVP 96 97", "m=audio 4000 RTP/AVP 0", "m=audio 4004 RTP/AVP 0", "m=application 9 UDP/BFCP *"
    )
    strict, lax = negotiation(strict=True), negotiation()
    for ours in (strict, lax):
        ours.receive_offer(offer)
    expected = (
        "m=video 0 RTP/AVP 96 97",
        "m=audio 5000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 UDP/BFCP *",
    )
    assert media_of(strict.create_answer(5000)) == expected
    assert media_of(lax.create_answer(5000)) == expected[:2], "what follows the audio is left out, never what precedes"


def test_slots_are_kept_in_our_own_later_offer() -> None:
    """RFC 3264 §8: sections are never removed; refused ones stay with port 0."""
    ours = negotiation(strict=True)
    ours.receive_offer(sdp("m=video 4002 RTP/AVP 96", "m=audio 4000 RTP/AVP 8", "m=text 4006 RTP/AVP 98"))
    ours.create_answer(5000)
    assert media_of(ours.create_offer(5000, direction="sendonly")) == (
        "m=video 0 RTP/AVP 96",
        "m=audio 5000 RTP/AVP 8 101",
        "m=text 0 RTP/AVP 98",
    )
    ours.receive_offer(
        sdp("m=video 0 RTP/AVP 96", "m=audio 4000 RTP/AVP 8", "m=text 0 RTP/AVP 98", "m=audio 1 RTP/AVP 0")
    )
    assert media_of(ours.create_answer(5000))[1::2] == ("m=audio 5000 RTP/AVP 8", "m=audio 0 RTP/AVP 0")


def test_the_version_counts_changes_only() -> None:
    """RFC 3264 §8: the version grows by one when the description differs from the last one, else it stays."""
    ours = negotiation()
    ours.receive_offer(sdp(*AUDIO))
    early = ours.create_answer(5000)
    assert ours.create_answer(5000) == early
    assert version_of(early) == 0
    ours.receive_offer(sdp(*AUDIO, version=2))
    assert ours.create_answer(5000) == early
    ours.receive_offer(sdp(*AUDIO[:-1], "a=sendonly", version=3))
    assert version_of(ours.create_answer(5000)) == 1
    held = ours.create_offer(5000, direction="inactive")
    assert version_of(held) == 2
    assert ours.create_offer(5000, direction="inactive") == held
    assert version_of(ours.create_offer(5000)) == 3


@pytest.mark.parametrize(
    ("offered", "wanted", "ours"),
    [
        ("sendrecv", None, "sendrecv"),
        ("sendonly", None, "recvonly"),
        ("recvonly", None, "sendonly"),
        ("inactive", None, "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "recvonly", "inactive"),
        ("sendrecv", "inactive", "inactive"),
    ],
)
def test_directions_of_an_answer(offered: str, wanted: Direction | None, ours: str) -> None:
    """RFC 3264 §6.1."""
    answerer = negotiation()
    view = answerer.receive_offer(sdp("m=audio 4000 RTP/AVP 0", f"a={offered}"))
    assert (view.direction, view.held) == (offered, offered in ("sendonly", "inactive"))
    body = answerer.create_answer(5000, direction=wanted)
    assert f"a={ours}\r\n".encode() in body
    assert answerer.current is not None
    assert answerer.current.direction == ours


def test_directions_of_an_offer() -> None:
    """RFC 3264 §5.1, §7, §8.4."""
    offerer, answerer = negotiation(), negotiation(address="192.0.2.9")
    assert [side.direction for side in agreed(offerer, answerer)] == ["sendrecv", "sendrecv"]
    answerer.receive_offer(offerer.create_offer(1, direction="sendonly"))
    assert offerer.receive_answer(answerer.create_answer(1)).direction == "sendonly"
    offerer.create_offer(1, direction="sendonly")
    assert offerer.receive_answer(sdp("m=audio 4000 RTP/AVP 0")).direction == "sendonly", "an answer cannot allow more"


def test_a_session_direction_holds_for_sections_without_one() -> None:
    """RFC 8866 §6.7."""
    assert negotiation().receive_offer(sdp("a=sendonly", "m=audio 4000 RTP/AVP 0")).direction == "sendonly"
    assert (
        negotiation().receive_offer(sdp("a=sendonly", "m=audio 4000 RTP/AVP 0", "a=sendrecv")).direction == "sendrecv"
    )


@pytest.mark.parametrize(("address", "ours"), [("IN IP4 0.0.0.0", "127.0.0.1"), ("IN IP6 ::", "::1")])
def test_hold_by_address(address: str, ours: str) -> None:
    """RFC 3264 §8.4: nothing may be sent to 0.0.0.0, which old phones use for hold."""
    answerer = negotiation(address=ours)
    view = answerer.receive_offer(sdp("m=audio 4000 RTP/AVP 0", c=address))
    assert (view.direction, view.held) == ("sendonly", True)
    assert b"a=recvonly\r\n" in answerer.create_answer(5000)
    answerer.receive_offer(sdp("m=audio 4000 RTP/AVP 0", "a=recvonly", c=address))
    assert b"a=inactive\r\n" in answerer.create_answer(5000)


@pytest.mark.parametrize(
    "media",
    [
        (),
        ("m=video 4000 RTP/AVP 96",),
        ("m=audio 0 RTP/AVP 0",),
        ("m=audio 4000 RTP/SAVP 0",),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0",),
        ("m=audio 4000 RTP/AVP 0", "c=IN IP4 224.2.1.1/127"),
        ("m=audio 4000 RTP/AVP 0", "c=IN IP4 255.255.255.255"),
        ("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"),
        ("m=audio 4000 RTP/AVP 0", "c=IN IP4 host.example"),
        ("m=audio 4000 RTP/AVP 0", "c=IN IP4 fe80::1%lo"),
    ],
)
def test_offers_that_we_cannot_serve(media: tuple[str, ...]) -> None:
    with pytest.raises(NotAcceptable):
        negotiation().receive_offer(sdp(*media))
    offerer = negotiation()
    offerer.create_offer(5000)
    with pytest.raises(NotAcceptable):
        offerer.receive_answer(sdp(*media))
    assert offerer.current is None


def test_no_address_at_all() -> None:
    body = sdp("m=audio 4000 RTP/AVP 0").replace(b"c=IN IP4 192.0.2.1\r\n", b"")
    with pytest.raises(NotAcceptable, match="no connection address"):
        negotiation().receive_offer(body)


def test_plain_audio_is_found_behind_secured_audio() -> None:
    ours = negotiation(strict=True)
    ours.receive_offer(sdp("m=audio 4000 RTP/SAVP 0", "m=audio 4002 RTP/AVP 0", "c=IN IP4 192.0.2.7"))
    assert media_of(ours.create_answer(5000)) == ("m=audio 0 RTP/SAVP 0", "m=audio 5000 RTP/AVP 0")
    assert ours.current is not None
    assert (ours.current.remote_host, ours.current.remote_port) == ("192.0.2.7", 4002)


def test_a_refused_exchange_leaves_what_was_agreed() -> None:
    ours = negotiation()
    ours.receive_offer(sdp(*AUDIO))
    before = ours.create_answer(5000)
    agreed_before = ours.current
    ours.receive_offer(sdp("m=audio 4000 RTP/AVP 18"))
    with pytest.raises(NotAcceptable):
        ours.create_answer(5000)
    with pytest.raises(NotAcceptable):
        ours.receive_offer(sdp("m=audio 0 RTP/AVP 0"))
    assert ours.current == agreed_before
    ours.receive_offer(sdp(*AUDIO))
    assert ours.create_answer(5000) == before


def test_verbs_out_of_order() -> None:
    with pytest.raises(RuntimeError):
        negotiation().create_answer(5000)
    with pytest.raises(NotAcceptable):
        negotiation().receive_answer(sdp(*AUDIO))
    ours = negotiation()
    ours.create_offer(5000)
    ours.receive_offer(sdp(*AUDIO))  # it came while ours was under way, and is refused by who reads this
    assert ours.receive_answer(sdp("m=audio 4000 RTP/AVP 8")).codec.name == "PCMA"
    with pytest.raises(ValueError, match="no codec"):
        negotiation("").create_offer(5000)


def test_a_codec_asked_for_by_name_is_taken_and_kept() -> None:
    ours = negotiation()
    ours.receive_offer(sdp(*AUDIO))
    assert media_of(ours.create_answer(5000, codec="pcmu")) == ("m=audio 5000 RTP/AVP 0 101",)
    assert media_of(ours.create_answer(5000)) == ("m=audio 5000 RTP/AVP 0 101",)
    ours.receive_offer(sdp(*AUDIO))
    assert media_of(ours.create_answer(5000)) == ("m=audio 5000 RTP/AVP 0 101",)
    for name in ("G722", "opus", "nonsense"):
        with pytest.raises(NotAcceptable):
            ours.create_answer(5000, codec=name)


def test_an_answer_may_be_limited_to_other_codecs() -> None:
    ours = negotiation("PCMA")
    view = ours.receive_offer(sdp(*AUDIO))
    assert [codec.name for codec in view.usable] == ["PCMA"]
    codecs, _ = parse_codec_names("PCMU")
    assert media_of(ours.create_answer(5000, codecs=codecs)) == ("m=audio 5000 RTP/AVP 0 101",)


def test_payload_types_of_the_peer_are_echoed_and_kept() -> None:
    """RFC 3264 §6.1, §8.3.2."""
    ours = negotiation()
    ours.receive_offer(
        sdp("m=audio 4000 RTP/AVP 120 121", "a=rtpmap:120 pcma/8000/1", "a=rtpmap:121 Telephone-Event/8000")
    )
    assert media_of(ours.create_answer(5000)) == ("m=audio 5000 RTP/AVP 120 121",)
    assert media_of(ours.create_offer(5000)) == ("m=audio 5000 RTP/AVP 120 121",)
    assert ours.current is not None
    assert (ours.current.codec.payload_type, ours.current.telephone_event) == (120, 121)


def test_an_answer_may_use_other_numbers_than_our_offer() -> None:
    """What we send bears the peer's numbers, what we get bears ours."""
    ours = negotiation()
    ours.create_offer(5000)
    negotiated = ours.receive_answer(
        sdp("m=audio 4000 RTP/AVP 96 8 97", "a=rtpmap:96 PCMU/8000", "a=rtpmap:97 telephone-event/8000")
    )
    assert (negotiated.codec.name, negotiated.codec.payload_type) == ("PCMU", 96)
    assert {number: codec.name for number, codec in negotiated.receive.items()} == {0: "PCMU", 8: "PCMA"}
    assert (negotiated.telephone_event, negotiated.telephone_event_receive) == (97, 101)


def test_a_second_answer_to_the_same_offer_counts() -> None:
    """183 and 200 may differ when the 183 was not reliable (RFC 6337 §3.1)."""
    ours = negotiation()
    ours.create_offer(5000)
    assert ours.receive_answer(sdp("m=audio 4000 RTP/AVP 0")).codec.name == "PCMU"
    assert ours.receive_answer(sdp("m=audio 4002 RTP/AVP 8")).codec.name == "PCMA"
    assert ours.current is not None
    assert (ours.current.remote_port, ours.current.telephone_event) == (4002, None)


def test_digits_only_when_both_sides_want_them() -> None:
    """Neither answered nor sent when not offered; only at the codec's clock rate (RFC 4733 §2.1)."""
    ours = negotiation()
    ours.receive_offer(sdp("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/48000"))
    assert media_of(ours.create_answer(5000)) == ("m=audio 5000 RTP/AVP 0",)
    silent = Negotiation(address="127.0.0.1", codecs=parse_codec_names("PCMU")[0], session_id=1, telephone_event=False)
    assert media_of(silent.create_offer(5000)) == ("m=audio 5000 RTP/AVP 0",)
    silent.receive_offer(sdp(*AUDIO))
    assert media_of(silent.create_answer(5000)) == ("m=audio 5000 RTP/AVP 0",)


def test_an_offer_takes_no_number_that_is_in_use() -> None:
    ours = negotiation()
    ours.receive_offer(sdp("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 PCMU/8000"))
    ours.create_answer(5000)
    assert media_of(ours.create_offer(5000)) == ("m=audio 5000 RTP/AVP 101 96",)
    assert media_of(ours.create_offer(5000, every_codec=True)) == ("m=audio 5000 RTP/AVP 101 8 96",)


@pytest.mark.parametrize(
    ("attributes", "ptime"),
    [
        ((), 20),
        (("a=ptime:40",), 40),
        (("a=ptime:60",), 60),
        (("a=ptime:30",), 20),
        (("a=ptime:80",), 20),
        (("a=ptime:0.125",), 20),
        (("a=ptime:",), 20),
        (("a=ptime:0",), 20),
        (("a=ptime:60", "a=maxptime:40"), 20),
    ],
)
def test_packet_time(attributes: tuple[str, ...], ptime: int) -> None:
    ours = negotiation()
    ours.receive_offer(sdp("m=audio 4000 RTP/AVP 0", *attributes))
    assert b"a=ptime:20\r\n" in ours.create_answer(5000)
    assert ours.current is not None
    assert ours.current.ptime_ms == ptime


@pytest.mark.parametrize(
    ("attributes", "rtcp"),
    [
        ((), ("192.0.2.1", 4001)),
        (("a=rtcp:5005",), ("192.0.2.1", 5005)),
        (("a=rtcp:5005 IN IP4 192.0.2.5",), ("192.0.2.5", 5005)),
        (("a=rtcp:5005 IN IP4 host",), ("192.0.2.1", 5005)),
        (("a=rtcp:0",), ("192.0.2.1", 4001)),
        (("a=rtcp:x",), ("192.0.2.1", 4001)),
        (("a=rtcp:5005", "a=rtcp-mux"), ("192.0.2.1", 4000)),
    ],
)
def test_where_rtcp_goes(attributes: tuple[str, ...], rtcp: tuple[str, int]) -> None:
    """RFC 3605, RFC 5761; mux is answered only when it is offered (RFC 5761 §5.1.1)."""
    ours = negotiation()
    ours.receive_offer(sdp("m=audio 4000 RTP/AVP 0", *attributes))
    muxed = "a=rtcp-mux" in attributes
    assert (b"a=rtcp-mux" in ours.create_answer(5000)) == muxed
    assert ours.current is not None
    assert (ours.current.remote_rtcp, ours.current.rtcp_mux) == (rtcp, muxed)


def test_ipv6() -> None:
    offerer, answerer = negotiation(address="2001:db8::1"), negotiation(address="2001:db8::2")
    assert b"o=- 77 0 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\n" in offerer.create_offer(1)
    ours, _ = agreed(offerer, answerer)
    assert ours.remote_host == "2001:db8::2"
