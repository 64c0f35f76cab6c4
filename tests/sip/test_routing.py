"""Next hops of requests (RFC 3261 §8.1.2, §12.2.1.1, §19.1.1) and dialogs as values (§12.1)."""

from __future__ import annotations

import pytest

from tests.sip.bench import request
from vb.sip.dialog import Dialog, contact_of
from vb.sip.effects import Hop
from vb.sip.fields import parse_name_addr
from vb.sip.headers import Headers
from vb.sip.message import Request, make_response, parse_message
from vb.sip.routing import hop_of, route_request, secured, wants_secure_contact
from vb.sip.uri import parse_uri


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a@192.0.2.1", Hop("UDP", "192.0.2.1", 5060)),
        ("sip:a@192.0.2.1:5070;transport=TCP", Hop("TCP", "192.0.2.1", 5070)),
        ("sips:a@example.com", Hop("TLS", "example.com", 0)),
        ("sips:a@example.com;transport=udp", Hop("TLS", "example.com", 0)),
        ("sips:a@example.com;transport=ws", Hop("WSS", "example.com", 443)),
        ("sips:a@example.com;transport=tcp", Hop("TLS", "example.com", 0)),
        ("sip:a@example.com;transport=tls", Hop("TLS", "example.com", 0)),
        ("sip:a@example.com;transport=ws", Hop("WS", "example.com", 80)),
        ("sip:a@example.com;transport=sctp", Hop("UDP", "example.com", 0)),
        ("sip:a@example.com;maddr=192.0.2.7", Hop("UDP", "192.0.2.7", 5060)),
        ("sip:a@[2001:db8::1]:5080", Hop("UDP", "2001:db8::1", 5080)),
    ],
)
def test_the_hop_that_a_uri_names(uri: str, hop: Hop) -> None:
    assert hop_of(parse_uri(uri)) == hop


def test_a_flow_that_we_have_is_kept() -> None:
    flow = Hop("TCP", "192.0.2.1", 5060, 7, ("192.0.2.2", 5060))
    assert hop_of(parse_uri("sip:192.0.2.1;transport=tcp"), flow) is flow
    assert hop_of(parse_uri("sip:192.0.2.1:5070;transport=tcp"), flow) == Hop(
        "TCP", "192.0.2.1", 5070, 7, ("192.0.2.2", 5060)
    )
    assert hop_of(parse_uri("sip:192.0.2.3;transport=tcp"), flow) == Hop(
        "TCP", "192.0.2.3", 5060, 0, ("192.0.2.2", 5060)
    )
    assert hop_of(parse_uri("sip:192.0.2.1"), flow) == Hop("UDP", "192.0.2.1", 5060)


@pytest.mark.parametrize(
    "uri", ["sip:x@a1b2.invalid;transport=ws", "sips:x@a1b2.invalid;transport=ws", "sip:a.invalid"]
)
def test_a_peer_behind_a_web_socket_is_reached_over_it(uri: str) -> None:
    """RFC 7118 §5: it has no address that could be reached otherwise."""
    flow = Hop("WSS", "192.0.2.1", 40000, 7, ("192.0.2.2", 443))
    assert hop_of(parse_uri(uri), flow) is flow
    assert hop_of(parse_uri("sip:192.0.2.1"), flow) == Hop("UDP", "192.0.2.1", 5060)


@pytest.mark.parametrize(
    ("uri", "lines", "secure"),
    [
        ("sips:b@h", (), True),
        ("sip:b@h", (), False),
        ("sip:b@h", ("Contact: <sips:a@h>",), True),
        ("sip:b@h", ("Contact: <sips:a@h>", "Record-Route: <sip:p;lr>"), False),
        ("sip:b@h", ("Contact: <sip:a@h>", "Record-Route: <sips:p;lr>"), True),
        ("sip:b@h", ("Contact: *",), False),
    ],
)
def test_when_our_contact_is_a_sips_uri(uri: str, lines: tuple[str, ...], secure: bool) -> None:
    """RFC 3261 §12.1.1."""
    headers = Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
    assert wants_secure_contact(Request("INVITE", parse_uri(uri), headers, b"")) is secure


@pytest.mark.parametrize(
    ("uri", "secure"),
    [
        ("sip:h:5061;transport=tls", "sips:h:5061"),
        ("sip:h:443;transport=ws", "sips:h:443;transport=ws"),
        ("sips:h", "sips:h"),
    ],
)
def test_a_uri_made_secure(uri: str, secure: str) -> None:
    assert str(secured(parse_uri(uri))) == secure


@pytest.mark.parametrize(
    ("routes", "uri", "written", "next_uri"),
    [
        ((), "sip:t", [], "sip:t"),
        (("<sip:p;lr>", "<sip:q;lr>"), "sip:t", ["<sip:p;lr>", "<sip:q;lr>"], "sip:p;lr"),
        (("<sip:p;x=1?h=v>", "<sip:q;lr>"), "sip:p;x=1", ["<sip:q;lr>", "<sip:t>"], "sip:p;x=1?h=v"),
    ],
)
def test_route_sets(routes: tuple[str, ...], uri: str, written: list[str], next_uri: str) -> None:
    found = route_request(parse_uri("sip:t"), [parse_name_addr(route) for route in routes])
    assert (str(found[0]), found[1], str(found[2])) == (uri, written, next_uri)


def invite(*lines: str, **more: str) -> Request:
    message = parse_message(request("INVITE", *lines, **more))  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def test_the_dialog_of_both_sides_is_the_same() -> None:
    received = invite("Record-Route: <sip:p1;lr>", "Record-Route: <sip:p2;lr>")
    server = Dialog.of_server(received, "ours", 9)
    response = make_response(
        received, 200, to_tag="ours", headers=[("Record-Route", "<sip:p1;lr>, <sip:p2;lr>"), ("Contact", "<sip:vb@h>")]
    )
    client = Dialog.of_client(received, response, "peer")
    assert server.id == ("call-1", "ours", "peer")
    assert client.id == ("call-1", "peer", "ours")
    assert (client.local, client.remote) == (server.remote, server.local)
    assert client.routes == tuple(reversed(server.routes))
    assert (str(server.target), str(client.target)) == ("sip:peer@192.0.2.9:5060", "sip:vb@h")
    assert (server.remote_sequence, client.remote_sequence) == (1, None)


def test_sequence_numbers() -> None:
    """§12.2.1.1, §12.2.2."""
    dialog = Dialog.of_server(invite(), "ours", 9)
    assert (dialog.next_sequence(), dialog.next_sequence()) == (10, 11)
    assert [dialog.receive_sequence(n) for n in (1, 5, 4, 5, 6)] == [True, True, False, True, True]


def test_peers_of_rfc_2543_have_no_tag_and_no_contact() -> None:
    """§12.1.1."""
    dialog = Dialog.of_server(invite(from_="<sip:old@192.0.2.9>", contact=""), "ours", 1)
    assert dialog.remote_tag == ""
    assert str(dialog.target) == "sip:old@192.0.2.9"


@pytest.mark.parametrize("contact", ["", "*", "<tel:+1>", "<sip:unbalanced"])
def test_contacts_that_name_nobody(contact: str) -> None:
    assert contact_of(invite(contact=contact)) is None
