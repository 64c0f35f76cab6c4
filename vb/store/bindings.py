"""The contacts of registered phones in a file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from vb.sip.effects import Hop
from vb.sip.errors import RemoteError
from vb.sip.fields import parse_name_addrs
from vb.sip.location import Binding
from vb.sip.uri import parse_uri

_VERSION = 1
_COLUMNS = (
    "aor",
    "contact",
    "transport",
    "host",
    "port",
    "path",
    "q",
    "call_id",
    "cseq",
    "user_agent",
    "granted",
    "created",
    "refreshed",
    "expires",
)
_CREATE = f"CREATE TABLE IF NOT EXISTS bindings ({', '.join(_COLUMNS)}, PRIMARY KEY (aor, contact)) WITHOUT ROWID"
_INSERT = f"INSERT OR REPLACE INTO bindings VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608  (constants)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM bindings WHERE expires > ? ORDER BY created, aor, contact"  # noqa: S608


class StoreError(Exception):
    """The file cannot be opened, read or written; the text says why."""


@attrs.define(eq=False)
class BindingStore:
    """Bindings by address-of-record, in the SQLite file ``path``. Its times are in seconds since 1970.

    Every method blocks, and raises StoreError; from any thread.
    """

    path: Path
    _lock: threading.Lock = attrs.field(init=False, factory=threading.Lock)
    _connection: sqlite3.Connection | None = attrs.field(init=False, default=None)

    def load(self, now: float) -> list[Binding]:
        """What has not expired. Connections do not outlive a process: a flow has none, and a WebSocket is no flow."""
        try:
            if not self.path.exists():
                return []  # nothing is made before there is something to keep
            with self._lock:
                rows = self._open().execute(_SELECT, (now,)).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(str(error)) from error
        found = []
        for row in rows:
            try:
                binding = _binding(dict(zip(_COLUMNS, row, strict=True)))
            except (RemoteError, msgspec.MsgspecError, ValueError, TypeError) as error:
                raise StoreError(f"unreadable binding of {row[0]}") from error
            if binding.flow.transport not in ("WS", "WSS"):
                found.append(binding)
        return found

    def save(self, contacts: Mapping[str, Sequence[Binding]]) -> None:
        """Replace all that is kept of these addresses, in one transaction."""
        try:
            with self._lock, self._open() as connection:
                connection.executemany("DELETE FROM bindings WHERE aor = ?", [(aor,) for aor in contacts])
                connection.executemany(_INSERT, [_row(each) for bindings in contacts.values() for each in bindings])
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StoreError(str(error)) from error

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # For its owner only: it says who is where.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(self.path, check_same_thread=False)
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                _check_version(version)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(_CREATE)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.commit()
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _check_version(version: int) -> None:
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError("the file is of another version of the program")


def _row(binding: Binding) -> tuple[Any, ...]:
    flow = binding.flow
    path = msgspec.json.encode([str(hop) for hop in binding.path]).decode()
    return (
        binding.aor,
        str(binding.contact),
        flow.transport,
        flow.host,
        flow.port,
        path,
        binding.q,
        binding.call_id,
        binding.cseq,
        binding.user_agent,
        binding.granted,
        binding.created,
        binding.refreshed,
        binding.expires,
    )


def _binding(row: dict[str, Any]) -> Binding:
    flow = Hop(row.pop("transport"), row.pop("host"), row.pop("port"))
    contact = parse_uri(row.pop("contact"))
    path = parse_name_addrs(msgspec.json.decode(row.pop("path"), type=list[str]))
    return Binding(contact=contact, flow=flow, path=path, **row)
