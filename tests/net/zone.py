"""A DNS in memory: what it is told it says, after a while and for a while."""

from __future__ import annotations

import trio

from vb.net.records import Answer, Kind, Naptr, Record, Srv


class Zone:
    """Records as lines of text: ``"SRV _sip._udp.example.com 10 60 5060 one.example.com"``, ``"A one 192.0.2.1"``."""

    def __init__(self, *lines: str, hosts: dict[str, list[str]] | None = None, ttl: float = 60, delay: float = 0.01):
        self.asked: list[tuple[Kind, str]] = []
        self.silent: set[Kind] = set()
        self.ttl = ttl
        self._delay = delay
        self._hosts = hosts or {}
        self._records: dict[tuple[str, str], list[Record]] = {}
        for line in lines:
            kind, name, *rest = line.split()
            self._records.setdefault((kind, name), []).append(_record(kind, rest))

    def known(self, name: str) -> list[str]:
        return self._hosts.get(name, [])

    async def ask(self, kind: Kind, name: str) -> Answer:
        self.asked.append((kind, name))
        await trio.sleep(self._delay)
        if kind in self.silent:
            await trio.sleep(2)
            raise OSError("no answer")
        return Answer(tuple(self._records.get((kind, name), ())), self.ttl)


def _record(kind: str, fields: list[str]) -> Record:
    if kind == "SRV":
        priority, weight, port, *target = fields
        return Srv(int(priority), int(weight), int(port), target[0] if target else "")
    if kind == "NAPTR":
        order, preference, flags, service, replacement = fields
        return Naptr(int(order), int(preference), flags, service, replacement)
    return fields[0]
