"""What the DNS says about a name, and the order in which servers are to be tried (RFC 2782, RFC 3403)."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Literal, Protocol

import attrs

Kind = Literal["ADDRESS", "SRV", "NAPTR"]


@attrs.frozen
class Srv:
    """One server of a service. ``target`` is a name in lower case, "" where the service is declared not to exist."""

    priority: int
    weight: int
    port: int
    target: str


@attrs.frozen
class Naptr:
    """One way to reach a domain: the service (``SIP+D2U``, ``SIPS+D2T`` …) by the SRV records of ``replacement``."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


Record = str | Srv | Naptr


@attrs.frozen
class Answer:
    """Records of one kind, numeric addresses as text; none if the name has none. ``ttl`` seconds they are good for."""

    records: tuple[Record, ...]
    ttl: float


class Dns(Protocol):
    """Asks the DNS."""

    def known(self, name: str) -> list[str]:
        """The addresses that are known without asking; they go before all that the DNS says."""

    async def ask(self, kind: Kind, name: str) -> Answer:
        """Raises OSError or ValueError when there is no telling, or no such name can be."""


def in_order(servers: Iterable[Srv], rng: Random) -> list[Srv]:
    """By priority; those of one priority at random, by weight (RFC 2782)."""
    ordered: list[Srv] = []
    waiting = sorted(servers, key=lambda server: (server.priority, server.weight))
    while waiting:
        group = [server for server in waiting if server.priority == waiting[0].priority]
        chosen = _draw(group, rng)
        waiting.remove(chosen)
        ordered.append(chosen)
    return ordered


def _draw(group: list[Srv], rng: Random) -> Srv:
    """The first whose running sum of weights reaches a random number; those of weight 0 come first in the group."""
    number = rng.randint(0, sum(server.weight for server in group))
    for server in group:
        number -= server.weight
        if number <= 0:
            return server
    return group[-1]
