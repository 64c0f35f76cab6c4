"""API keys: who may talk to the API, and what each key is good for. Only hashes of keys are kept."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from vb.api.operation import Operation

SCOPES: Final = ("read", "control", "media", "admin")
FREE: Final = frozenset({"/healthz", "/readyz"})
SUBPROTOCOL: Final = "bearer."
"""What a browser's WebSocket, which cannot send headers, offers: this and the key."""

_MEDIA: Final = frozenset({"play", "record", "tts", "stt", "agent", "amd", "dtmf", "rtt", "mute", "deaf"})


class HeaderMap(Protocol):
    """The headers of a request."""

    def get(self, name: str, default: str) -> str: ...


@attrs.frozen
class Key:
    """SHA-256 of a key, and its scopes: each on its own, ``admin`` is all."""

    digest: bytes
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """The keys of one server; without any, nobody needs one."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, headers: HeaderMap) -> Key | None:
        """Whose key the request brings; as long for a wrong one as for a right one."""
        digest = sha256(given_key(headers).encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self._keys:
            if compare_digest(key.digest, digest):
                found = key
        return found

    def refusal(self, headers: HeaderMap, operation: Operation | None) -> tuple[int, str] | None:
        """Status and message for a request that must not be served; None when it may."""
        if not self._keys or (operation is not None and operation.url in FREE):
            return None
        key = self.find(headers)
        if key is None:
            return 401, "a valid API key is required"
        scope = scope_of(operation) if operation is not None else ""
        return (403, f"the API key lacks the scope {scope}") if scope and not key.may(scope) else None

    def may(self, headers: HeaderMap) -> Callable[[Operation], bool]:
        """What a connection may ask for by commands."""
        key = self.find(headers) if self._keys else None
        return lambda operation: not self._keys or (key is not None and key.may(scope_of(operation)))


def scope_of(operation: Operation) -> str:
    """``read`` for what only looks, ``media`` for what is heard, ``control`` for everything else."""
    if operation.method == "GET":
        return "read"
    return "media" if _MEDIA & set(operation.path.split("/")) else "control"


def given_key(headers: HeaderMap) -> str:
    """The key in a request, "" without one."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return headers.get("X-API-Key", "").strip() or offered_protocol(headers).removeprefix(SUBPROTOCOL)


def offered_protocol(headers: HeaderMap) -> str:
    """The WebSocket subprotocol that carries a key; "" without one."""
    offers = (offer.strip() for offer in headers.get("Sec-WebSocket-Protocol", "").split(","))
    return next((offer for offer in offers if offer.startswith(SUBPROTOCOL)), "")


def read_keys(text: str) -> tuple[Key, ...]:
    """``key:scope+scope``, comma-separated. Raises ValueError that says what is wanted, and names no key."""
    keys = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, *rest = item.split(":")
        if len(rest) == 2:
            raise ValueError("key:scope+scope, without an app_id (keys of one application are not built yet)")
        if not key or len(rest) != 1:
            raise ValueError("a comma list of key:scope+scope")
        keys.append(Key(sha256(key.encode()).digest(), _scopes(rest[0].split("+"))))
    return tuple(keys)


def load_keys(path: Path) -> tuple[Key, ...]:
    """A TOML file of ``[[key]]`` tables with ``sha256`` and ``scopes``. Raises ValueError, OSError."""
    wanted = "a TOML file of [[key]] tables with sha256 (64 hexadecimal digits) and scopes"
    tables: Any = tomllib.loads(path.read_text("utf-8")).get("key", [])
    keys = []
    for table in tables if isinstance(tables, list) else [None]:
        if not isinstance(table, dict) or not isinstance(table.get("scopes"), list):
            raise ValueError(wanted)  # noqa: TRY004  (what the file says, not what we are given)
        if table.get("app_id"):
            raise ValueError(f"{wanted}, without app_id (keys of one application are not built yet)")
        try:
            digest = bytes.fromhex(str(table.get("sha256", "")))
        except ValueError:
            raise ValueError(wanted) from None
        if len(digest) != 32:
            raise ValueError(wanted)
        keys.append(Key(digest, _scopes([str(scope) for scope in table["scopes"]])))
    return tuple(keys)


def _scopes(names: list[str]) -> frozenset[str]:
    scopes = frozenset(name.strip().lower() for name in names)
    if not scopes <= set(SCOPES):
        raise ValueError(f"scopes out of {', '.join(SCOPES)}")
    return scopes
