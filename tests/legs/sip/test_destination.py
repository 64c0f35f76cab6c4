"""Where calls to registered phones go (RFC 3261 §16.5, RFC 3327)."""

from __future__ import annotations

import attrs
import pytest

from tests.sip.test_location import BINDING
from vb.legs.sip.destination import bound_destination, destination_of
from vb.sip.effects import Hop
from vb.sip.fields import NameAddr
from vb.sip.uri import parse_uri

TCP = Hop("TCP", "192.0.2.7", 40000, 3)


def test_over_the_flow() -> None:
    found = bound_destination(BINDING)
    assert (found.target, found.routes, found.hops) == (BINDING.contact, (), (BINDING.flow,))


@pytest.mark.parametrize(
    ("contact", "others"),
    [
        ("sip:alice@192.0.2.7:5070;transport=tcp", (Hop("TCP", "192.0.2.7", 5070),)),
        ("sip:alice@phone.example.com;transport=tcp", ()),
    ],
)
def test_a_connection_that_may_be_gone(contact: str, others: tuple[Hop, ...]) -> None:
    found = bound_destination(attrs.evolve(BINDING, contact=parse_uri(contact), flow=TCP))
    assert found.hops == (TCP, *others)


def test_a_web_socket_is_the_only_way() -> None:
    flow = Hop("WSS", "192.0.2.7", 40000, 3)
    binding = attrs.evolve(BINDING, contact=parse_uri("sip:x@abc.invalid;transport=ws"), flow=flow)
    assert bound_destination(binding).hops == (flow,)
    path = (NameAddr("", parse_uri("sip:edge.invalid;transport=ws;lr")),)
    assert bound_destination(attrs.evolve(binding, path=path)).hops == (flow,)


def test_through_the_path() -> None:
    edge = NameAddr("", parse_uri("sip:token@192.0.2.9:5080;lr"))
    found = bound_destination(attrs.evolve(BINDING, path=(edge,)))
    assert (found.routes, found.hops) == ((edge,), (Hop("UDP", "192.0.2.9", 5080),))
    named = NameAddr("", parse_uri("sip:edge.example.com;lr"))
    assert bound_destination(attrs.evolve(BINDING, path=(named,))).hops == ()


def test_everybody_else() -> None:
    target = parse_uri("sip:bob@198.51.100.1")
    assert destination_of(target, "", None).host == "198.51.100.1"
    routed = destination_of(target, "", parse_uri("sip:192.0.2.99"))
    assert [str(route) for route in routed.routes] == ["<sip:192.0.2.99;lr>"]
    assert destination_of(target, "sip:192.0.2.98", parse_uri("sip:192.0.2.99")).host == "192.0.2.98"
