"""A name server on loopback, for the client that really asks one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import trio

ZONE = {
    ("example.com.", "NAPTR"): ['10 20 "S" "sip+d2u" "" _sip._udp.example.com.'],
    ("_sip._udp.example.com.", "SRV"): ["10 60 5060 One.Example.com.", "20 0 5062 ."],
    ("one.example.com.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("one.example.com.", "AAAA"): ["2001:db8::1"],
    ("four.example.com.", "A"): ["192.0.2.4"],
    ("six.example.com.", "AAAA"): ["2001:db8::6"],
    ("alias.example.com.", "CNAME"): ["four.example.com."],
    ("many.example.com.", "A"): [f"198.51.100.{n}" for n in range(1, 101)],
}
TTL = 77


class NameServer:
    """Answers from `ZONE`; ``silent`` types are not answered, ``failing`` ones with SERVFAIL."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.queries: list[tuple[str, str]] = []

    def answer(self, data: bytes) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, rdtype = str(question.name).lower(), question.rdtype.name
        self.queries.append((name, rdtype))
        if rdtype in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if rdtype in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif not any(known == name for known, _ in ZONE):
            response.set_rcode(dns.rcode.NXDOMAIN)
        while alias := ZONE.get((name, "CNAME")):
            response.answer.append(dns.rrset.from_text(name, TTL, "IN", "CNAME", *alias))
            name = alias[0]
        if records := ZONE.get((name, rdtype)):
            response.answer.append(dns.rrset.from_text(name, TTL, "IN", rdtype, *records))
        return response.to_wire(max_size=65535)


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[tuple[NameServer, dns.asyncresolver.Resolver]]:
    """The server, and a resolver that asks nobody else."""
    server = NameServer()
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = sock.getsockname()[1]

        async def serve() -> None:
            while True:
                data, peer = await sock.recvfrom(4096)
                response = server.answer(data)
                if response is not None:
                    await sock.sendto(response, peer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield server, resolver
            nursery.cancel_scope.cancel()
