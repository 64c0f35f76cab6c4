"""From a SIP URI to servers: RFC 3263 §4."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
import trio

from tests.net.zone import Zone
from vb.net.locator import Locator
from vb.net.resolver import ResolveError, Resolver
from vb.sip.effects import Hop, Transport
from vb.sip.uri import parse_uri

BIG = (
    "NAPTR big.example 50 50 s SIPS+D2T _sips._tcp.big.example",
    "NAPTR big.example 90 50 s SIP+D2T _sip._tcp.big.example",
    "NAPTR big.example 100 50 s SIP+D2U _sip._udp.big.example",
    "NAPTR big.example 10 50 s SIP+D2S _sip._sctp.big.example",
    "NAPTR big.example 1 1 u E2U+sip .",
    "SRV _sips._tcp.big.example 1 1 5061 tls.big.example",
    "SRV _sip._tcp.big.example 1 1 5060 tcp.big.example",
    "SRV _sip._udp.big.example 1 1 5062 udp1.big.example",
    "SRV _sip._udp.big.example 2 1 5064 udp2.big.example",
    "ADDRESS tls.big.example 192.0.2.1",
    "ADDRESS tcp.big.example 192.0.2.2",
    "ADDRESS udp1.big.example 192.0.2.3",
    "ADDRESS udp1.big.example 2001:db8::3",
    "ADDRESS udp2.big.example 192.0.2.4",
    "ADDRESS big.example 192.0.2.99",
)
SMALL = (
    "SRV _sip._tcp.small.example 1 1 5070 host.small.example",
    "ADDRESS host.small.example 192.0.2.10",
    "ADDRESS small.example 192.0.2.11",
    "ADDRESS plain.example 192.0.2.12",
    "SRV _sip._udp.gone.example 0 0 0",
    "ADDRESS gone.example 192.0.2.13",
)


def locator(zone: Zone, *transports: Transport, timeout: float = 10.0) -> Locator:
    return Locator(Resolver(dns=zone, rng=Random(1)), transports or ("UDP", "TCP", "TLS"), timeout)


@pytest.mark.parametrize(
    ("uri", "transports", "expected"),
    [
        ("sip:x@192.0.2.9", (), [Hop("UDP", "192.0.2.9", 5060)]),
        ("sip:x@[2001:db8::1];transport=tls", (), [Hop("TLS", "2001:db8::1", 5061)]),
        # §4.1: NAPTR says which transport, of those that we have
        ("sip:x@BIG.example", (), [Hop("TLS", "192.0.2.1", 5061, name="big.example")]),
        ("sip:x@big.example", ("UDP", "TCP"), [Hop("TCP", "192.0.2.2", 5060)]),
        (
            "sip:x@big.example",
            ("UDP",),
            [Hop("UDP", "192.0.2.3", 5062), Hop("UDP", "2001:db8::3", 5062), Hop("UDP", "192.0.2.4", 5064)],
        ),
        ("sips:x@big.example", (), [Hop("TLS", "192.0.2.1", 5061, name="big.example")]),
        # a transport or a port that is named is not asked for
        ("sip:x@big.example;transport=tcp", (), [Hop("TCP", "192.0.2.2", 5060)]),
        ("sip:x@big.example:5080", (), [Hop("UDP", "192.0.2.99", 5080)]),
        ("sip:x@big.example:5080;transport=tls", (), [Hop("TLS", "192.0.2.99", 5080, name="big.example")]),
        ("sip:x@other.example;maddr=big.example", ("TCP",), [Hop("TCP", "192.0.2.2", 5060)]),
        # §4.1: without NAPTR the SRV records of the transports that we have
        ("sip:x@small.example", (), [Hop("TCP", "192.0.2.10", 5070)]),
        # §4.2: without SRV the domain itself
        ("sip:x@small.example;transport=udp", (), [Hop("UDP", "192.0.2.11", 5060)]),
        ("sip:x@plain.example", (), [Hop("UDP", "192.0.2.12", 5060)]),
        ("sips:x@plain.example", (), [Hop("TLS", "192.0.2.12", 5061, name="plain.example")]),
    ],
)
async def test_where_a_uri_leads(uri: str, transports: tuple[Transport, ...], expected: list[Hop]) -> None:
    assert await locator(Zone(*BIG, *SMALL), *transports).locate(parse_uri(uri)) == expected


async def test_what_the_system_knows_is_not_asked_for() -> None:
    zone = Zone(hosts={"localhost": ["127.0.0.1", "::1"]})
    found = await locator(zone).locate(parse_uri("sip:x@localhost"))
    assert found == [Hop("UDP", "127.0.0.1", 5060), Hop("UDP", "::1", 5060)]
    assert zone.asked == []


@pytest.mark.parametrize("uri", ["sip:x@nowhere.example", "sip:x@gone.example", "sip:x@nowhere.example:5060"])
async def test_no_server(uri: str) -> None:
    """RFC 2782: the target "." says that there is no such service."""
    with pytest.raises(ResolveError):
        await locator(Zone(*SMALL)).locate(parse_uri(uri))


async def test_servers_share_by_weight_call_by_call() -> None:
    zone = Zone(
        "SRV _sip._udp.c.example 1 75 5060 a.c.example",
        "SRV _sip._udp.c.example 1 25 5060 b.c.example",
        "ADDRESS a.c.example 192.0.2.1",
        "ADDRESS b.c.example 192.0.2.2",
    )
    where = locator(zone, "UDP")
    first = Counter([(await where.locate(parse_uri("sip:c.example")))[0].host for _ in range(1000)])
    assert 650 < first["192.0.2.1"] < 850
    assert len(zone.asked) == 4, "NAPTR, SRV and two addresses: once"


async def test_a_dns_that_answers_few_questions_is_enough() -> None:
    zone = Zone(*SMALL)
    zone.silent = {"NAPTR"}
    assert await locator(zone, "TCP").locate(parse_uri("sip:x@small.example")) == [Hop("TCP", "192.0.2.10", 5070)]


async def test_one_that_answers_nothing_is_given_up() -> None:
    zone, started = Zone(*BIG, delay=100), trio.current_time()
    with pytest.raises(ResolveError):
        await locator(zone, timeout=3).locate(parse_uri("sip:x@big.example"))
    assert trio.current_time() - started == 3
