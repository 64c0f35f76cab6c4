"""Bindings as values (RFC 3261 §10.3)."""

from __future__ import annotations

import attrs
import pytest

from vb.sip.effects import Hop
from vb.sip.location import Binding, canonical_aor, contact_key
from vb.sip.uri import parse_uri

BINDING = Binding(
    aor="sip:alice@example.com",
    contact=parse_uri("sip:alice@192.0.2.7:5062;transport=udp"),
    flow=Hop("UDP", "192.0.2.7", 5062),
    call_id="c",
    cseq=1,
    granted=60,
    created=100.0,
    refreshed=100.0,
    expires=160.0,
)


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("SIP:Alice@EXAMPLE.com;user=phone", "sip:Alice@example.com"),
        ("sip:alice:pw@example.com:5060?subject=x", "sip:alice@example.com:5060"),
        ("sips:%61lice@[2001:DB8::1]", "sips:alice@[2001:db8::1]"),
        ("sip:example.com", "sip:example.com"),
    ],
)
def test_addresses_of_record(text: str, aor: str) -> None:
    assert canonical_aor(parse_uri(text)) == aor


def test_parameters_make_no_other_contact() -> None:
    key = contact_key(parse_uri("sip:alice@192.0.2.7:5062"))
    assert contact_key(parse_uri("sip:%61lice@192.0.2.7:5062;ob;transport=TCP")) == key
    assert contact_key(parse_uri("sip:alice@192.0.2.7")) != key


@pytest.mark.parametrize(
    ("now", "seconds"), [(100.0, 59), (100.5, 59), (101.0, 58), (158.5, 1), (159.5, 0), (170.0, 0)]
)
def test_what_remains_is_less_than_what_is_left(now: float, seconds: int) -> None:
    assert BINDING.remaining(now) == seconds


def test_as_a_contact() -> None:
    assert BINDING.shown(100.0) == "<sip:alice@192.0.2.7:5062;transport=udp>;expires=59"
    assert attrs.evolve(BINDING, q=500).shown(100.0).endswith(">;q=0.5;expires=59")
    assert attrs.evolve(BINDING, q=1000).shown(100.0).endswith(">;q=1;expires=59")
