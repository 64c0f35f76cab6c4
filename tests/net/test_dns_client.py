"""Asking a name server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.net.name_server import TTL, name_server
from vb.net import dns_client
from vb.net.dns_client import MAX_RECORDS, NO_RECORD_TTL, DnsClient
from vb.net.hosts_file import HostsFile
from vb.net.records import Answer, Kind, Naptr, Srv

pytestmark = pytest.mark.realtime


@pytest.mark.parametrize(
    ("kind", "name", "answer"),
    [
        ("NAPTR", "example.com", Answer((Naptr(10, 20, "s", "SIP+D2U", "_sip._udp.example.com"),), TTL)),
        (
            "SRV",
            "_sip._udp.example.com",
            Answer((Srv(10, 60, 5060, "one.example.com"), Srv(20, 0, 5062, "")), TTL),
        ),
        ("ADDRESS", "one.example.com", Answer(("192.0.2.1", "192.0.2.2", "2001:db8::1"), TTL)),
        ("ADDRESS", "four.example.com", Answer(("192.0.2.4",), NO_RECORD_TTL)),
        ("ADDRESS", "six.example.com", Answer(("2001:db8::6",), NO_RECORD_TTL)),
        ("ADDRESS", "alias.example.com", Answer(("192.0.2.4",), NO_RECORD_TTL)),
        ("ADDRESS", "nowhere.example.com", Answer((), NO_RECORD_TTL)),
        ("SRV", "four.example.com", Answer((), NO_RECORD_TTL)),
    ],
)
async def test_questions(kind: Kind, name: str, answer: Answer) -> None:
    async with name_server() as (_, resolver):
        found = await DnsClient(resolver=resolver).ask(kind, name)
        assert sorted(found.records, key=str) == list(answer.records)  # a server may give them in any order
        assert found.ttl == answer.ttl


async def test_one_family_that_fails_does_not_spoil_the_other() -> None:
    async with name_server() as (server, resolver):
        server.failing = {"AAAA"}
        client = DnsClient(resolver=resolver)
        assert set((await client.ask("ADDRESS", "one.example.com")).records) == {"192.0.2.1", "192.0.2.2"}
        server.failing = {"A", "AAAA"}
        with pytest.raises(OSError, match=r"A of 'one.example.com'"):
            await client.ask("ADDRESS", "one.example.com")


async def test_a_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "SERVICE_LIFETIME", 0.2)
    async with name_server() as (server, resolver):
        server.silent = {"SRV"}
        with pytest.raises(OSError, match="SRV"):
            await DnsClient(resolver=resolver).ask("SRV", "_sip._udp.example.com")


@pytest.mark.parametrize("name", ["a..b", "x" * 300, "x" * 70 + ".example", "nul\0.example", "\udcff.example", ""])
async def test_no_name_at_all(name: str) -> None:
    async with name_server() as (_, resolver):
        try:
            answer = await DnsClient(resolver=resolver).ask("ADDRESS", name)
        except (OSError, ValueError):
            return
        assert answer.records == ()


async def test_records_are_bounded() -> None:
    async with name_server() as (_, resolver):
        answer = await DnsClient(resolver=resolver).ask("ADDRESS", "many.example.com")
        assert len(answer.records) == MAX_RECORDS


async def test_the_table_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("192.0.2.8 pbx\n")
    async with name_server() as (_, resolver):
        client = DnsClient(HostsFile(str(path)), resolver)
        assert client.known("pbx") == ["192.0.2.8"]
        assert client.known("other") == []
