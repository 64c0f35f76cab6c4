"""What could not be posted before the process had to end: one JSON line each, without any secret."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import attrs
import msgspec

from vb.call.events import Event

log = logging.getLogger("vb.api")


@attrs.frozen
class Undelivered:
    url: str
    event: Event


def write_undelivered(path: Path, left: Sequence[Undelivered]) -> None:
    """Append to the file, readable by its owner only. A disk that refuses is logged: nobody is left to be told."""
    lines = bytearray()
    for item in left:
        lines += b'{"url":' + msgspec.json.encode(without_password(item.url)) + b',"event":' + item.event.json + b"}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(lines)
    except OSError as error:
        log.error("undelivered webhooks could not be kept: %s", error.strerror)  # noqa: TRY400  (the words say all)


def without_password(url: str) -> str:
    """The URL without user, password and query, any of which may be a secret."""
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return ""
