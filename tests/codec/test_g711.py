"""ITU-T G.711 against a committed copy of its tables, the nearest-value rule, and the ``g711`` package."""

from __future__ import annotations

import json
from pathlib import Path

import g711
import numpy as np
import pytest

from vb.codec.g711 import ALAW_DECODE, LAWS, PCMA, PCMU, ULAW_DECODE, Law, decode, encode

TABLES = json.loads((Path(__file__).parent.parent / "data" / "codecs" / "g711_tables.json").read_text())["tables"]
EVERY = np.arange(-32768, 32768).astype(np.int16)


def test_decoding_is_the_table_of_the_standard() -> None:
    assert ULAW_DECODE.tolist() == TABLES["_st_ulaw2linear16"]
    assert ALAW_DECODE.tolist() == TABLES["_st_alaw2linear16"]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_code_survives_decode_and_encode(law: Law) -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert law.encode(law.decode(codes)).tolist() == codes.tolist()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_sample_goes_to_one_of_its_two_neighbours(law: Law) -> None:
    levels = np.sort(law.decode_table.astype(np.int64))
    inside = EVERY[(levels[0] <= EVERY) & (levels[-1] > EVERY)].astype(np.int64)
    heard = law.decode(law.encode(inside.astype(np.int16))).astype(np.int64)
    above = np.searchsorted(levels, inside, side="right")
    assert np.all((heard == levels[above]) | (heard == levels[above - 1]))
    finest = np.minimum(np.abs(heard), np.abs(inside)) // 32 + 8 + 4  # half a step, and the bits that are dropped
    assert np.all(np.abs(heard - inside) <= finest)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_encoding_is_monotonic_and_odd(law: Law) -> None:
    heard = law.decode(law.encode(EVERY)).astype(np.int64)
    assert np.all(np.diff(heard) >= 0)
    assert np.array_equal(heard, -heard[::-1])  # ones' complement: x and ~x mirror each other


def test_known_octets() -> None:
    samples = np.array([0, 32767, -32768, -1], np.int16)
    assert PCMU.encode(samples).tolist() == [0xFF, 0x80, 0x00, 0x7F]
    assert PCMA.encode(samples).tolist() == [0xD5, 0xAA, 0x2A, 0x55]
    assert (PCMU.silence, PCMA.silence) == (0xFF, 0xD5)


@pytest.mark.parametrize(
    ("law", "encoder", "decoder"),
    [
        (PCMU, g711.encode_ulaw, g711.decode_ulaw),
        (PCMA, g711.encode_alaw, g711.decode_alaw),
    ],
    ids=["PCMU", "PCMA"],
)
def test_the_g711_package_agrees(law: Law, encoder, decoder) -> None:  # type: ignore[no-untyped-def]
    """Another implementation of ITU-T G.191, in float32: its codes are ours, its zeros have no sign."""
    theirs = np.rint(decoder(bytes(range(256))) * 32768)
    assert np.max(np.abs(theirs - law.decode_table)) <= 2
    codes = np.frombuffer(encoder((EVERY / np.float32(32768)).astype(np.float32)), np.uint8)
    assert np.array_equal(codes, law.encode(EVERY))


def test_a_batch_is_written_in_place() -> None:
    matrix = np.arange(256, dtype=np.uint8).reshape(4, 64)
    pcm = np.empty((4, 64), np.int16)
    assert decode(matrix, "PCMA", pcm) is pcm
    back = np.empty((4, 64), np.uint8)
    assert encode(pcm, "PCMA", back) is back
    assert np.array_equal(back, matrix)


def test_rows_of_a_wider_matrix_need_no_copy() -> None:
    packets = np.zeros((3, 172), np.uint8)
    packets[:, 12:] = 0x80
    assert np.all(PCMU.decode(packets[:, 12:]) == 32124)
    wide = np.full((3, 320), 32767, np.int16)
    assert np.all(PCMU.encode(wide[::2, 100:200]) == 0x80)


def test_an_unknown_law_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        decode(np.zeros(1, np.uint8), "G722")
