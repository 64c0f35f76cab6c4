"""Names: shortcut for numeric hosts, one lookup for many askers, a memory with an end, a deadline."""

from __future__ import annotations

import socket
from random import Random

import pytest
import trio

from tests.net.zone import Zone
from vb.net.records import Answer
from vb.net.resolver import ResolveError, Resolver


class Names:
    """A lookup that counts."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): found for name, found in names.items()}
        self.asked: list[str] = []

    async def __call__(self, name: str) -> list[str]:
        await trio.sleep(1)
        self.asked.append(name)
        if name not in self.names:
            raise socket.gaierror("unknown")
        return self.names[name]


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1%lo"])
async def test_numeric_hosts_need_no_lookup(host: str) -> None:
    names = Names()
    assert await Resolver(lookup=names).resolve(host, 5060) == [(host, 5060)]
    assert names.asked == []


async def test_an_answer_is_remembered_for_its_time() -> None:
    names = Names(a_example=["2001:db8::1", "192.0.2.1"])
    resolver = Resolver(lookup=names, ttl=30)
    assert resolver.cached("a.example", 5060) is None
    assert await resolver.resolve("A.Example", 5060) == [("2001:db8::1", 5060), ("192.0.2.1", 5060)]
    assert await resolver.resolve("a.example", 5062) == [("2001:db8::1", 5062), ("192.0.2.1", 5062)]
    assert names.asked == ["a.example"]
    await trio.sleep(31)
    assert resolver.cached("a.example", 5060) is None
    await resolver.resolve("a.example", 5060)
    assert len(names.asked) == 2


@pytest.mark.parametrize("error", [socket.gaierror("unknown"), UnicodeError("label too long"), ValueError("NUL")])
async def test_a_failure_is_one_error_and_remembered_shortly(error: Exception) -> None:
    asked = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        await trio.lowlevel.checkpoint()
        raise error

    resolver = Resolver(lookup=lookup)
    for _ in range(2):
        with pytest.raises(ResolveError):
            await resolver.resolve("b.example", 5060)
    assert len(asked) == 1
    await trio.sleep(3)
    with pytest.raises(ResolveError):
        await resolver.resolve("b.example", 5060)
    assert len(asked) == 2


async def test_many_askers_one_lookup_and_a_bound_on_names() -> None:
    names = Names(c_example=["192.0.2.9"])
    resolver = Resolver(lookup=names, max_lookups=1)
    found = []

    async def ask() -> None:
        found.append(await resolver.resolve("c.example", 1))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
        await trio.sleep(0.5)
        with pytest.raises(ResolveError, match="too many"):
            await resolver.resolve("d.example", 1)
    assert found == [[("192.0.2.9", 1)]] * 5
    assert names.asked == ["c.example"]


async def test_when_the_one_who_asked_is_cancelled_another_asks() -> None:
    names = Names(c_example=["192.0.2.9"])
    resolver = Resolver(lookup=names)

    async def give_up() -> None:
        with trio.move_on_after(0.5):
            await resolver.resolve("c.example", 1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(give_up)
        await trio.sleep(0.1)
        assert await resolver.resolve("c.example", 1) == [("192.0.2.9", 1)]
    assert names.asked == ["c.example"]


async def test_a_slow_name_fails_in_time() -> None:
    names, started = Names(c_example=["192.0.2.9"]), trio.current_time()
    with pytest.raises(ResolveError):
        await Resolver(lookup=names, timeout=0.5).resolve("c.example", 1)
    assert trio.current_time() - started == 0.5


@pytest.mark.realtime
async def test_the_system_knows_localhost_and_refuses_nonsense() -> None:
    resolver = Resolver()
    assert ("127.0.0.1", 5060) in await resolver.resolve("localhost", 5060)
    for name in ("a..b", "x" * 300, "nul\0.example"):
        with pytest.raises(ResolveError):
            await resolver.resolve(name, 5060)


async def test_the_memory_is_bounded() -> None:
    resolver = Resolver(lookup=Names())
    for number in range(1100):
        resolver._remember(("ADDRESS", f"{number}.example"), Answer(("192.0.2.1",), 30))
    assert len(resolver._known) == 1024
    assert resolver.cached("1099.example", 1) == [("192.0.2.1", 1)]


async def test_a_domain_without_a_port_is_served_by_its_srv_records() -> None:
    """RFC 3263 §4.2."""
    zone = Zone(
        "SRV _sip._udp.a.example 2 0 5066 two.example",
        "SRV _sip._udp.a.example 1 0 5064 one.example",
        "ADDRESS one.example 192.0.2.1",
        "ADDRESS two.example 192.0.2.2",
        "ADDRESS two.example 2001:db8::2",
        "ADDRESS a.example 192.0.2.3",
    )
    resolver = Resolver(dns=zone)
    assert resolver.cached("A.example", 0) is None
    expected = [("192.0.2.1", 5064), ("192.0.2.2", 5066), ("2001:db8::2", 5066)]
    assert await resolver.resolve("A.example", 0) == expected
    assert resolver.cached("a.example", 0) == expected
    assert await resolver.resolve("a.example", 0, "TLS") == [("192.0.2.3", 5061)]
    assert await resolver.resolve("a.example", 5080) == [("192.0.2.3", 5080)]
    assert await resolver.resolve("192.0.2.9", 0, "TLS") == [("192.0.2.9", 5061)]


async def test_what_is_sent_again_goes_to_the_same_server() -> None:
    names = [f"SRV _sip._udp.a.example 1 1 506{n} {n}.example" for n in range(5)]
    zone = Zone(*names, *(f"ADDRESS {n}.example 192.0.2.{n}" for n in range(5)), ttl=60)
    resolver = Resolver(dns=zone, rng=Random(3))
    first = await resolver.resolve("a.example", 0)
    for _ in range(5):
        await trio.sleep(10)
        assert await resolver.resolve("a.example", 0) == first
    await trio.sleep(15)
    asked = len(zone.asked)
    assert sorted(await resolver.resolve("a.example", 0)) == sorted(first)
    assert len(zone.asked) == 2 * asked


async def test_one_server_without_an_address_leaves_the_others() -> None:
    zone = Zone("SRV _sip._udp.a.example 1 0 1 dead", "SRV _sip._udp.a.example 2 0 2 good", "ADDRESS good 192.0.2.1")
    assert await Resolver(dns=zone).resolve("a.example", 0) == [("192.0.2.1", 2)]


async def test_an_own_table_of_names_goes_first() -> None:
    zone = Zone("ADDRESS a.example 192.0.2.1", hosts={"a.example": ["127.0.0.1"]})
    resolver = Resolver(dns=zone)
    assert resolver.cached("a.example", 0) == [("127.0.0.1", 5060)]
    assert await resolver.records("ADDRESS", "a.example") == ("127.0.0.1",)
    assert zone.asked == []
