"""Codecs as SDP and the configuration name them."""

from __future__ import annotations

import pytest

from vb.sdp.fields import Attribute, Media
from vb.sdp.formats import Codec, find_codec, known_name, media_codecs, parse_codec_names


def section(*formats: str, rtpmap: tuple[str, ...] = (), fmtp: tuple[str, ...] = ()) -> Media:
    attributes = [Attribute("rtpmap", value) for value in rtpmap] + [Attribute("fmtp", value) for value in fmtp]
    return Media("audio", 4000, "RTP/AVP", formats, attributes=tuple(attributes))


def test_static_payload_types_need_no_map_and_dynamic_ones_do() -> None:
    """RFC 8866 §6.6, RFC 3551 §6."""
    media = section("0", "96", "97", "18", "18", "x", "128", "35", rtpmap=("96 opus/48000/2",), fmtp=("18 annexb=no",))
    assert media_codecs(media) == (
        Codec("PCMU", 0, 8000),
        Codec("opus", 96, 48000, 2),
        Codec("G729", 18, 8000, fmtp="annexb=no"),
    )


def test_a_map_wins_over_the_static_table_and_the_first_map_counts() -> None:
    media = section("0", rtpmap=("0 PCMA/8000", "0 GSM/8000"))
    assert media_codecs(media) == (Codec("PCMA", 0, 8000),)


@pytest.mark.parametrize(
    "value", ["96", "96 x", "96 /8000", "96 x/", "96 x/0", "96 x/8000/0", "96 x/8000/1/1", "96 x/99999999", "96 é/8000",
              "-1 x/8000", "96 a b/8000"]
)  # fmt: skip
def test_an_unreadable_map_leaves_a_dynamic_format_out(value: str) -> None:
    assert media_codecs(section("96", rtpmap=(value,))) == ()


def test_names_that_cannot_run_yet_are_dropped_and_told() -> None:
    codecs, dropped = parse_codec_names("pcma, G722,PCMU,opus,PCMA,,nonsense")
    assert [codec.name for codec in codecs] == ["PCMA", "PCMU"]
    assert dropped == ("G722", "opus", "nonsense")
    assert parse_codec_names(["PCMU"]) == ((Codec("PCMU", 0, 8000),), ())
    assert parse_codec_names("") == ((), ())


def test_names_of_the_configuration_and_of_sdp() -> None:
    opus, amr = find_codec("OPUS"), find_codec("AMR-NB")
    assert opus is not None
    assert amr is not None
    assert find_codec("nonsense") is None
    assert opus.rtpmap == "111 opus/48000/2"
    assert amr.rtpmap == "97 AMR/8000"
    assert known_name(Codec("AMR", 99, 8000)) == "AMR-NB"
    assert known_name(Codec("pcmu", 0, 8000)) == "PCMU"
    assert known_name(Codec("PCMU", 0, 16000)) is None
    assert Codec("pcmu", 0, 8000).same_format(Codec("PCMU", 96, 8000))
    assert not opus.same_format(Codec("opus", 111, 48000))
