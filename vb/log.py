"""Logs: one JSON object per line on standard error, secrets hidden, so that the lines of one call read as its story.

Everything logs by ``logging.getLogger("vb.<package>")`` with ``extra={"leg_id": …}``; this module only renders.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict

from vb.sip.redaction import HIDDEN, hide_credentials

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

_SECRET_KEY: Final = re.compile(r"password|secret|token|api_?key|authorization|credential|ha1|digits?$", re.IGNORECASE)
_PATTERNS: Final = (
    # user information (up to the last @ before the path: passwords have some) and keys in URLs
    (re.compile(r"(?<=://)[^/?#\s\"]*@"), f"{HIDDEN}@"),
    (re.compile(r"(?i)([?&](?:access_token|token|api_?key|key|secret|password)=)[^&\s\"]+"), rf"\1{HIDDEN}"),
)

# What every pattern needs; most values have none of it, and then many searches are one.
_SUSPECT: Final = re.compile(r"(?i)://|authori|authenti|api-key|secret|cookie|inline:|[?&@]|k=|ice-pwd")


class Redactor:
    """Hides secrets: values of telling keys, credentials inside texts, and the very values that were configured."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # A secret of a few characters would blank out half of every line.
        known = sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            event[key] = HIDDEN if value and _tells_a_secret(key) else self._value(value)
        return event

    def text(self, text: str) -> str:
        """The text with everything secret in it replaced."""
        if _SUSPECT.search(text):
            for pattern, replacement in _PATTERNS:
                text = pattern.sub(replacement, text)
            text = hide_credentials(text)
        return self._known.sub(HIDDEN, text) if self._known is not None else text

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                key: HIDDEN if item and _tells_a_secret(str(key)) else self._value(item) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        return value


@lru_cache(maxsize=1024)
def _tells_a_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def set_up(level: str, *, secrets: Iterable[str] = (), instance_id: str = "", stream: TextIO | None = None) -> None:
    """Send every log record to ``stream`` (standard error) as JSON. ``level``: debug, info, warn or error."""
    redact = Redactor(secrets)

    def name_instance(logger: Any, method: str, event: EventDict) -> EventDict:
        if instance_id:
            event.setdefault("instance_id", instance_id)
        return event

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            name_instance,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _no_empty,
            redact,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
    )
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    for noisy in ("httpx", "httpcore", "hypercorn.access", "trio-websocket"):
        logging.getLogger(noisy).setLevel(max(LEVELS[level], logging.WARNING))


def _no_empty(logger: Any, method: str, event: EventDict) -> EventDict:
    """Fields without a value say nothing."""
    return {key: value for key, value in event.items() if value not in (None, "")}


def _to_json(event: MutableMapping[str, Any], **options: Any) -> str:
    first = {key: event.pop(key) for key in ("time", "level", "event", "leg_id") if key in event}
    return msgspec.json.encode({**first, **event}, enc_hook=str).decode()
