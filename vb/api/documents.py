"""The texts that the server gives away: metrics, specifications, and a page to read them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from typing import Final

import msgspec
import trio

from vb.api.asyncapi import asyncapi
from vb.api.docs_page import page
from vb.api.metrics import CONTENT_TYPE, Family, render
from vb.api.openapi import openapi

Document = Callable[[], Awaitable[tuple[str, bytes]]]

_MANY_SAMPLES: Final = 500
"""Beyond this, metrics are rendered in a thread: the clock of the media must not wait for them."""


def documents(families: Callable[[], Iterator[Family]]) -> dict[str, Document]:
    """Path -> how to make its text."""

    async def metrics() -> tuple[str, bytes]:
        now = list(families())
        if sum(len(family.samples) for family in now) > _MANY_SAMPLES:
            return CONTENT_TYPE, await trio.to_thread.run_sync(render, now)
        return CONTENT_TYPE, render(now)

    async def openapi_json() -> tuple[str, bytes]:
        return "application/json", _openapi()

    async def asyncapi_json() -> tuple[str, bytes]:
        return "application/json", _asyncapi()

    async def docs() -> tuple[str, bytes]:
        return "text/html; charset=utf-8", _page()

    return {"/metrics": metrics, "/openapi.json": openapi_json, "/asyncapi.json": asyncapi_json, "/docs": docs}


@cache
def _openapi() -> bytes:
    return msgspec.json.encode(openapi()) + b"\n"


@cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi()) + b"\n"


@cache
def _page() -> bytes:
    return page().encode()
