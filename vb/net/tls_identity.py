"""Whom a certificate is of: the SIP domain identities of RFC 5922 §7."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any


def is_of(certificate: Mapping[str, Any], host: str) -> bool:
    """Whether a verified certificate, as ``ssl`` gives it, is of the SIP domain or numeric address ``host``."""
    alternatives: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    address = _address(host)
    if address is not None:
        # RFC 5922 has no numeric identities; RFC 2818 §3.1 wants the address itself among the alternative names.
        return any(kind == "IP Address" and _address(value) == address for kind, value in alternatives)
    return _plain(host) in (_plain(identity) for identity in identities(certificate))


def identities(certificate: Mapping[str, Any]) -> list[str]:
    """The SIP domains that the certificate names (RFC 5922 §7.1)."""
    alternatives: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    domains = [domain for kind, value in alternatives if kind == "URI" and (domain := _sip_domain(value))]
    if domains:
        return domains
    if alternatives:
        return [value for kind, value in alternatives if kind == "DNS"]
    # Without alternative names the common name may do; the most specific, that is the last one.
    names = [value for group in certificate.get("subject", ()) for kind, value in group if kind == "commonName"]
    return names[-1:]


def _sip_domain(uri: str) -> str:
    """The host of a ``sip`` URI without user; "" for any other URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "sip" or "@" in rest:
        return ""
    host = rest.partition(";")[0].partition("?")[0]
    return host if host.endswith("]") else host.partition(":")[0]


def _plain(name: str) -> str:
    """For comparison: without case (RFC 4343), and no wildcard ever stands for a name (RFC 5922 §7.2)."""
    return name.rstrip(".").lower()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
