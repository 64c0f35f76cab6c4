"""Whom a certificate is of: RFC 5922 §7."""

from __future__ import annotations

from typing import Any

import pytest

from vb.net.tls_identity import identities, is_of

BOTH = {"subjectAltName": (("DNS", "dns.example.com"), ("URI", "sip:example.com"))}
NAMES = {"subjectAltName": (("DNS", "one.example.com"), ("DNS", "*.example.net"), ("IP Address", "192.0.2.1"))}
COMMON = {"subject": ((("organizationName", "Example"),), (("commonName", "example.com"),))}


@pytest.mark.parametrize(
    ("certificate", "host", "verdict"),
    [
        (BOTH, "example.com", True),
        (BOTH, "EXAMPLE.com.", True),
        (BOTH, "dns.example.com", False),  # §7.1: only if there is no SIP URI
        (NAMES, "one.example.com", True),
        (NAMES, "two.example.com", False),
        (NAMES, "a.example.net", False),  # §7.2: no wildcards
        (NAMES, "192.0.2.1", True),
        (NAMES, "192.0.2.2", False),
        ({"subjectAltName": (("IP Address", "2001:DB8:0:0:0:0:0:1"),)}, "2001:db8::1", True),
        ({"subjectAltName": (("DNS", "192.0.2.1"),)}, "192.0.2.1", False),
        (COMMON, "example.com", True),
        (COMMON | NAMES, "example.com", False),
        ({}, "example.com", False),
    ],
)
def test_of_whom(certificate: dict[str, Any], host: str, verdict: bool) -> None:
    assert is_of(certificate, host) is verdict


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("sip:example.com", ["example.com"]),
        ("SIP:example.com:5061;transport=tls", ["example.com"]),
        ("sip:bob@example.com", []),
        ("sips:example.com", []),
        ("https://example.com", []),
    ],
)
def test_the_uris_that_name_a_domain(uri: str, found: list[str]) -> None:
    assert identities({"subjectAltName": (("URI", uri),)}) == found
