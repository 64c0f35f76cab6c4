"""A VSI connection on Quart's WebSocket."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

from h11 import LocalProtocolError
from quart import Response, Websocket, websocket

from vb.api.keys import HeaderMap, Keys, offered_protocol
from vb.api.pattern import Pattern
from vb.api.pattern_parser import PatternError
from vb.api.replies import error
from vb.api.vsi import Hub

log = logging.getLogger("vb.api")

_NO_KEYS = Keys()


class QuartSocket:
    """The accepted WebSocket of the current request."""

    def __init__(self, accepted: Websocket) -> None:
        self._websocket = accepted
        self._connection: Any = accepted.scope.get("state", {}).get("connection")

    async def send(self, text: str) -> None:
        await self._websocket.send(text)

    async def receive(self) -> str | bytes | None:
        data: str | bytes | None = await self._websocket.receive()
        return data

    async def close(self, code: int) -> None:
        await self._websocket.close(code)

    def abort(self) -> None:
        """Cut the connection without waiting."""
        if self._connection is not None:
            self._connection.abort()

    def last_heard(self) -> float:
        """When any byte came from the client, protocol pongs included."""
        return self._connection.heard_at if self._connection is not None else -math.inf


def vsi_view(hub: Hub, instance_id: str, keys: Keys = _NO_KEYS) -> Callable[[], Awaitable[Response | None]]:
    """The view of /v1/vsi. A pattern that cannot be used is refused before the upgrade."""

    async def view() -> Response | None:
        text = websocket.args.get("app_id")
        try:
            pattern = Pattern(text) if text else None
        except PatternError as wrong:
            return error(instance_id, 400, f"invalid app_id regex: {wrong}", Connection="close")
        headers: HeaderMap = websocket.headers
        accepted: Websocket = websocket._get_current_object()  # type: ignore[attr-defined]
        try:
            # RFC 6455 §4.2.2: a browser that offered subprotocols wants one of them
            await accepted.accept(subprotocol=offered_protocol(headers) or None)
        except LocalProtocolError:  # the client sent something before it was answered
            return None
        try:
            await hub.serve(QuartSocket(accepted), pattern, websocket.args.get("since", ""), keys.may(headers))
        except Exception:
            log.exception("VSI connection crashed")
            await accepted.close(1011)  # RFC 6455 §7.4.1; without this the client would see 1000
        return None

    return view
