"""How one environment variable becomes one typed value: readers, each with the sentence that says what would do.

A reader takes the text (never empty: an empty variable counts as unset) and returns the value, or raises ValueError
whose text completes the sentence "… is wanted".
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

Reader = Callable[[str], Any]

_WORDS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


class ConfigError(Exception):
    """A setting cannot be read. The text is one line: variable, value (``***`` if secret) and what would do."""

    def __init__(self, variable: str, value: str, wanted: str, *, secret: bool = False) -> None:
        shown = "***" if secret else value
        super().__init__(f'{variable}="{printable(shown)}" cannot be used: {wanted} is wanted')
        self.variable = variable


def printable(text: str) -> str:
    """The text on one line, control characters escaped, 200 characters at most."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
    return shown if len(shown) <= 200 else shown[:200] + "…"


def text(value: str) -> str:
    return value


def only_true(value: str) -> bool:
    """Exactly ``true`` is true; every other word is false."""
    return value == "true"


def flag(default: bool) -> Reader:
    """``true 1 yes on`` and ``false 0 no off`` in any case; every other word is the default."""
    return lambda value: _WORDS.get(value.strip().lower(), default)


def whole(low: int | None = None, high: int | None = None, *, clamp: bool = False) -> Reader:
    """A whole number from ``low`` to ``high``; beyond them an error, or the nearest one with ``clamp``."""
    span = "" if clamp or (low is None and high is None) else f" {_span(low, high)}"

    def read(value: str) -> int:
        wanted = f"a whole number{span}"
        if not re.fullmatch(r"[+-]?\d{1,18}", value.strip()):
            raise ValueError(wanted)
        number = int(value)
        if clamp:
            return max(number if low is None else low, min(number if high is None else high, number))
        if (low is not None and number < low) or (high is not None and number > high):
            raise ValueError(wanted)
        return number

    return read


def _span(low: int | None, high: int | None) -> str:
    if low is None:
        return f"up to {high}"
    return f"of {low} or more" if high is None else f"from {low} to {high}"


def one_of_numbers(allowed: Sequence[int], otherwise: int) -> Reader:
    """A whole number; one that is not allowed becomes ``otherwise``."""
    read_whole = whole()

    def read(value: str) -> int:
        number: int = read_whole(value)
        return number if number in allowed else otherwise

    return read


def ratio(otherwise: float) -> Reader:
    """A number between 0 and 1, both excluded; one outside becomes ``otherwise``."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError("a number between 0 and 1") from None
        return number if 0 < number < 1 else otherwise

    return read


def choice(*allowed: str, otherwise: str | None = None, any_case: bool = False) -> Reader:
    """One of the words; another is an error, or becomes ``otherwise``."""

    def read(value: str) -> str:
        word = value.lower() if any_case else value
        if word in allowed:
            return word
        if otherwise is not None:
            return otherwise
        raise ValueError("one of " + ", ".join(allowed))

    return read


def word_list(*allowed: str) -> Reader:
    """Words out of ``allowed`` in any case, separated by commas, each once, in their order."""

    def read(value: str) -> tuple[str, ...]:
        given = tuple(dict.fromkeys(word.lower() for word in words(value)))
        if not given or not set(given) <= set(allowed):
            raise ValueError("a comma list of " + ", ".join(allowed))
        return given

    return read


def words(value: str) -> tuple[str, ...]:
    """A comma-separated list; spaces around items and empty items do not count."""
    return tuple(item for item in (item.strip() for item in value.split(",")) if item)


def duration(value: str) -> float:
    """Go's duration syntax (``1h30m``, ``500ms``, ``1.5s``, ``0``) in seconds, not negative."""
    wanted = "a duration such as 10s, 500ms or 1h30m"
    if value.strip() in ("0", "+0", "-0"):
        return 0.0
    if not _DURATION.fullmatch(value.strip()):
        raise ValueError(wanted)
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if value.strip().startswith("-") or not math.isfinite(total) or total > 2**63 / 1e9:
        raise ValueError(wanted)
    return total


def ip_address(version: int) -> Reader:
    """An address of IP ``version`` 4 or 6 (with or without brackets), in its shortest form."""

    def read(value: str) -> str:
        wanted = f"an IPv{version} address"
        try:
            address = ipaddress.ip_address(value.strip().strip("[]"))
        except ValueError:
            raise ValueError(wanted) from None
        if address.version != version:
            raise ValueError(wanted)
        return str(address)

    return read


def host_name(value: str) -> str:
    """A host name or IP address, as it stands in a SIP URI (IPv6 without brackets)."""
    text_ = value.strip().strip("[]").lower()
    try:
        return str(ipaddress.ip_address(text_))
    except ValueError:
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9.])?", text_):
            raise ValueError("a host name or an IP address") from None
    return text_


def ip_networks(value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """A comma list of IP addresses and CIDR blocks, v4 or v6."""
    try:
        return tuple(ipaddress.ip_network(item, strict=False) for item in words(value))
    except ValueError as error:
        raise ValueError(f"a comma list of IP addresses and CIDR blocks ({error})") from None


def listen_address(value: str) -> str:
    """``host:port``, ``[v6]:port`` or ``:port`` (every address) to listen on."""
    host, colon, port = value.strip().rpartition(":")
    bracketed = host[:1] == "[" and host[-1:] == "]"
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or (":" in host and not bracketed):
        raise ValueError("host:port or :port")
    return value.strip()


def port_number(value: str) -> int:
    """A port to listen on, 0 to 65535 (0: whichever is free)."""
    number: int = whole(0, 65535)(value)
    return number


def http_url(value: str) -> str:
    """An absolute http or https URL."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\x00-\x20\x7f]", value):
        raise ValueError("an absolute http or https URL")
    return value


def without_credentials(url: str) -> str:
    """The URL with its user information hidden."""
    return re.sub(r"(?<=//)[^/?#\s]*@", "***@", url)
