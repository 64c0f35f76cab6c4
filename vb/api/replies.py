"""Answers as bytes: objects begin with ``instance_id``, arrays are as they are, and every text ends with a newline."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from quart import Response

_ENCODER: Final = msgspec.json.Encoder()

JSON: Final = "application/json"
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
}


def encode(instance_id: str, value: Any) -> bytes:
    """A JSON answer: a dict gets ``instance_id`` as its first key."""
    if isinstance(value, dict):
        value = {"instance_id": instance_id, **value}
    return _ENCODER.encode(value) + b"\n"


def response(status: int, body: bytes = b"", content_type: str = JSON, **headers: str) -> Response:
    """A response with the CORS headers; ``headers`` name others with ``_`` for ``-``."""
    made = Response(body, status=status, content_type=content_type)
    if not body:
        made.headers.remove("Content-Type")
    if status == 204:
        made.headers.remove("Content-Length")  # RFC 9110 §8.6
    made.headers.update(CORS)
    for name, value in headers.items():
        made.headers[name.replace("_", "-")] = value
    return made


def error(instance_id: str, status: int, message: str, **headers: str) -> Response:
    """The one form of every refusal."""
    return response(status, encode(instance_id, {"error": message}), **headers)
