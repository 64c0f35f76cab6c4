"""Who we say we are and whom we call: From, To, P-Asserted-Identity, Privacy, Contact, and headers given by callers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vb.call.errors import Invalid
from vb.legs.sip.settings import SipSettings
from vb.sip.effects import Hop
from vb.sip.errors import RemoteError
from vb.sip.fields import NameAddr, parse_name_addr
from vb.sip.uri import Uri, parse_uri

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch  # RFC 3261 §25.1
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]").search  # lone surrogates cannot be written either
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match

# Headers that the stack writes itself, by full and compact name: a second one would break the call or lie about it.
_OURS = (
    "via v from f to t call-id i cseq contact m max-forwards content-length l content-type c content-encoding e "
    "content-disposition route record-route require proxy-require supported k allow user-agent authorization "
    "proxy-authorization www-authenticate proxy-authenticate session-expires x min-se rseq rack replaces refer-to "
    "r event o expires date timestamp"
)
OURS = frozenset(_OURS.split())
_MAX_HEADERS = 64
_MAX_VALUE = 4096


def target_of(text: str) -> Uri:
    """The URI to call. Raises Invalid unless it is a SIP or SIPS URI with a host."""
    uri = _sip_uri(text, "invalid SIP URI")
    return uri.with_(headers=())  # RFC 3261 §19.1.5: they are no part of a Request-URI


def proxy_of(text: str) -> Uri:
    """The outbound proxy of a request, always a loose router (RFC 3261 §16.12). Raises Invalid."""
    return loose(_sip_uri(text, "invalid outbound_proxy"))


def loose(uri: Uri) -> Uri:
    """The URI as a Route entry."""
    return uri if uri.has_param("lr") else uri.with_(params=(*uri.params, ("lr", None)))


def from_of(text: str, settings: SipSettings, our_host: str, scheme: str = "sip") -> NameAddr:
    """From of an outbound call: a bare user, a URI, or ``"Display" <uri>``; "" means ourselves. Raises Invalid."""
    host = settings.domain or our_host
    if not text:
        return NameAddr(settings.host_name, Uri(scheme, user=settings.host_name, host=host))
    if _CONTROL(text):
        raise Invalid("invalid from: control characters")
    if "<" not in text and not _HAS_SCHEME(text):
        text = text.strip()
        if "@" in text:
            text = f"{scheme}:{text}"
        elif text and not re.search(r"[\s\"<>]", text):
            return NameAddr("", Uri(scheme, user=text, host=host))
        else:
            raise Invalid("invalid from: a user, a SIP URI or a name with a SIP URI is wanted")
    try:
        party = parse_name_addr(text)
    except RemoteError as error:
        raise Invalid(f"invalid from: {error.reason}") from None
    if party.uri.scheme not in ("sip", "sips", "tel"):
        raise Invalid("invalid from: invalid uri scheme")
    return NameAddr(party.display, party.uri)


def to_of(target: Uri) -> NameAddr:
    """To of an outbound call: the target without its port and parameters."""
    return NameAddr("", target.with_(port=None, params=(), headers=(), password=None))


def identity_headers(from_text: str, from_: NameAddr, privacy: str) -> list[tuple[str, str]]:
    """P-Asserted-Identity (RFC 3325) where the caller was named, and Privacy (RFC 3323). Raises Invalid."""
    lines = []
    if from_text:
        lines.append(("P-Asserted-Identity", str(from_)))
    if privacy:
        values = [value.strip() for value in privacy.split(";")]
        if not all(_TOKEN(value) for value in values):
            raise Invalid("invalid privacy: tokens such as id, header, user, none are wanted")
        lines.append(("Privacy", ";".join(values)))
    return lines


def custom_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers that a request adds to an INVITE, as lines. Raises Invalid for one that would break the message."""
    if len(headers) > _MAX_HEADERS:
        raise Invalid(f"too many headers: {_MAX_HEADERS} at most")
    for name, value in headers.items():
        if not _TOKEN(name):
            raise Invalid(f"invalid header name {name!r}")
        if name.lower() in OURS:
            raise Invalid(f"header {name} cannot be set")
        if _CONTROL(value) or len(value) > _MAX_VALUE:
            raise Invalid(f"invalid value of header {name}")
    return [(name, value.strip()) for name, value in headers.items()]


def merged(ours: Iterable[tuple[str, str]], given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Our lines, except those that the request gives itself, then the given ones."""
    given = list(given)
    names = {name.lower() for name, _ in given}
    return [line for line in ours if line[0].lower() not in names] + given


def contact_of(settings: SipSettings, hop: Hop, port: int = 0) -> Uri:
    """Our Contact for a peer that is reached by ``hop``: SIP_DOMAIN, else the address that peers are told.

    ``port`` is the one we listen on, 0 for the configured one.
    """
    host, port = sent_by_of(settings, hop, port)
    # RFC 3261 §12.1.1: requests of the peer are to come the same way. RFC 7118 §5.2: "ws" over TLS too.
    transport = "ws" if hop.transport == "WSS" else hop.transport.lower()
    params = () if hop.transport == "UDP" else (("transport", transport),)
    return Uri("sip", host=host, port=port, params=params)


def sent_by_of(settings: SipSettings, hop: Hop, port: int = 0) -> tuple[str, int]:
    """Host and port of our Via towards ``hop``."""
    port = port or settings.port
    if settings.domain:
        return settings.domain, port
    address = settings.ipv6 if ":" in hop.host else settings.ipv4
    if address is None:
        address = settings.ipv4 or settings.ipv6
    assert address is not None, "no address is configured"
    return address.advertised, port


def user_of(party: NameAddr) -> str:
    """The user part of a party, as events show inbound callers; "" if it has none."""
    if party.uri.opaque:
        return party.uri.opaque.partition(";")[0]
    return party.uri.user or ""


def _sip_uri(text: str, what: str) -> Uri:
    if not text.strip():
        raise Invalid(f"{what}: empty URI")
    try:
        uri = parse_uri(text.strip())
    except RemoteError:
        raise Invalid(f"{what}: {_complaint(text)}") from None
    if uri.scheme not in ("sip", "sips") or not uri.host:
        raise Invalid(f"{what}: invalid uri scheme")
    return uri


def _complaint(text: str) -> str:
    return "unreadable" if re.match(r"\s*sips?:", text, re.IGNORECASE) else "invalid uri scheme"
