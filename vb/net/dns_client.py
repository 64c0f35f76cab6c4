"""The DNS as the system is configured to ask it (``/etc/hosts``, ``/etc/resolv.conf``), on Trio."""

from __future__ import annotations

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.resolver
import trio

from vb.net.hosts_file import HostsFile
from vb.net.records import Answer, Kind, Naptr, Record, Srv

NO_RECORD_TTL = 30.0
SERVICE_LIFETIME = 2.0  # for questions that many domains have no answer to, and some name servers not even a no
ADDRESS_LIFETIME = 5.0
MAX_RECORDS = 32


class DnsClient:
    """Asks name servers by dnspython.

    Raises, when made: OSError if the system names no name server (``/etc/resolv.conf`` missing or empty).
    """

    def __init__(self, hosts: HostsFile | None = None, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._hosts = hosts or HostsFile()
        try:
            self._resolver = resolver or dns.asyncresolver.Resolver()
        except dns.exception.DNSException as error:
            raise OSError(f"no name server: {error}") from error
        self._backend = dns.asyncbackend.get_backend("trio")

    def known(self, name: str) -> list[str]:
        return self._hosts.addresses(name)

    async def ask(self, kind: Kind, name: str) -> Answer:
        """Records of one kind; for addresses A and AAAA, those of IPv4 first.

        Raises:
            OSError: no name server answers, or none properly.
        """
        if kind != "ADDRESS":
            return await self._ask(kind, name, SERVICE_LIFETIME)
        found: dict[str, Answer | OSError] = {}

        async def ask(rdtype: str) -> None:
            try:
                found[rdtype] = await self._ask(rdtype, name, ADDRESS_LIFETIME)
            except OSError as error:
                found[rdtype] = error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "A")
            nursery.start_soon(ask, "AAAA")
        answers = [answer for rdtype in ("A", "AAAA") if isinstance(answer := found[rdtype], Answer)]
        records = tuple(record for answer in answers for record in answer.records)
        if not records and isinstance(problem := found["A"], OSError):
            raise problem
        return Answer(records, min(answer.ttl for answer in answers))

    async def _ask(self, rdtype: str, name: str, lifetime: float) -> Answer:
        try:
            answer = await self._resolver.resolve(
                name,
                rdtype,
                raise_on_no_answer=False,
                lifetime=lifetime,
                search=rdtype in ("A", "AAAA"),
                backend=self._backend,
            )
        except dns.resolver.NXDOMAIN:
            return Answer((), NO_RECORD_TTL)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise OSError(f"{rdtype} of {name!r}: {error}") from error
        if answer.rrset is None:
            return Answer((), NO_RECORD_TTL)
        records = tuple(_record(rdtype, data) for data in list(answer.rrset)[:MAX_RECORDS])
        return Answer(records, float(answer.chaining_result.minimum_ttl))


def _record(rdtype: str, data: object) -> Record:
    match rdtype:
        case "SRV":
            return Srv(data.priority, data.weight, data.port, _name(data.target))  # type: ignore[attr-defined]
        case "NAPTR":
            return Naptr(
                data.order,  # type: ignore[attr-defined]
                data.preference,  # type: ignore[attr-defined]
                data.flags.decode("ascii", "replace").lower(),  # type: ignore[attr-defined]
                data.service.decode("ascii", "replace").upper(),  # type: ignore[attr-defined]
                _name(data.replacement),  # type: ignore[attr-defined]
            )
        case _:
            return str(data.address)  # type: ignore[attr-defined]


def _name(name: object) -> str:
    return str(name).rstrip(".").lower()
