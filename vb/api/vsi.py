"""The voice streaming interface: events out, commands in, over one WebSocket."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import trio

from vb.api.operation import TABLE, Operation
from vb.api.pattern import Pattern
from vb.api.schema import BadJson, convert, field_of, is_object, parse_json, renamed
from vb.api.services import Services
from vb.api.vsi_lanes import Lanes
from vb.api.vsi_outbox import Outbox
from vb.call.errors import CommandError
from vb.call.events import Event

log = logging.getLogger("vb.api")
_ENCODER: Final = msgspec.json.Encoder()

PING_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 60.0
WRITE_SECONDS: Final = 5.0
BURST_SECONDS: Final = 0.25
"""How long a write may take before the client counts as slow: until then a burst may exceed its buffer."""
PENDING_COMMANDS: Final = 256
REMEMBERED_EVENTS: Final = 1000
"""Events that a client that comes back can still have."""


class Socket(Protocol):
    """An accepted WebSocket. ``receive`` ends by cancellation when the client goes."""

    async def send(self, text: str) -> None: ...
    async def receive(self) -> str | bytes | None: ...
    async def close(self, code: int) -> None: ...
    def abort(self) -> None: ...
    def last_heard(self) -> float: ...


class Hub:
    """All VSI clients: hands every event to those that want it."""

    def __init__(self, services: Services, buffer: int) -> None:
        self.dropped = 0
        self._services = services
        self._buffer = buffer
        self._sessions: dict[Session, None] = {}
        self._nursery: trio.Nursery | None = None
        self._stopping = False
        self._remembered: deque[Event] = deque(maxlen=REMEMBERED_EVENTS)
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._sessions)

    async def run(self, *, task_status: trio.TaskStatus[trio.Nursery] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Commands run here, so that one that has begun outlives its connection."""
        unsubscribe = self._services.bus.subscribe(self._on_event)
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started(self._nursery)
                await trio.sleep_forever()
        finally:
            unsubscribe()
            self._nursery = None

    async def serve(
        self,
        socket: Socket,
        pattern: Pattern | None = None,
        since: str = "",
        may: Callable[[Operation], bool] = lambda _: True,
    ) -> None:
        """The whole life of one connection; ``since`` is the last event that the client has seen.

        ``may`` says which commands its key is good for.
        """
        assert self._nursery is not None, "Hub.run is not running"
        outbox = Outbox(self._buffer, self._count_dropped, BURST_SECONDS)
        session = Session(self._services, socket, outbox, Lanes(self._nursery, PENDING_COMMANDS), pattern, may)
        outbox.put_answer('{"type":"connected"}')
        if since:
            self._resume(session, since)
        self._sessions[session] = None
        if self._stopping:
            session.stop(1001)
        try:
            await session.run()
        finally:
            del self._sessions[session]

    def stop(self) -> None:
        """Let every client have what waits for it, then close with 1001 (RFC 6455 §7.4.1: going away)."""
        self._stopping = True
        for session in self._sessions:
            session.stop(1001)

    def _count_dropped(self, count: int) -> None:
        self.dropped += count

    def _resume(self, session: Session, since: str) -> None:
        """Hand out what came after that event; when it is not remembered, everything that is."""
        events = list(self._remembered)
        place = next((index for index, event in enumerate(events) if event.event_id == since), None)
        missed = 0 if place is not None else self._forgotten
        session.outbox.put_answer(f'{{"type":"resumed","missed":{missed}}}')
        for event in events if place is None else events[place + 1 :]:
            if session.wants(event.app_id):
                session.outbox.put_answer(event.json.decode())

    def _on_event(self, event: Event) -> None:
        self._forgotten += len(self._remembered) == REMEMBERED_EVENTS
        self._remembered.append(event)
        text = ""
        for session in self._sessions:
            if session.wants(event.app_id):
                text = text or event.json.decode()
                session.outbox.put_event(text)


class Session:
    """One client."""

    def __init__(
        self,
        services: Services,
        socket: Socket,
        outbox: Outbox,
        lanes: Lanes,
        pattern: Pattern | None,
        may: Callable[[Operation], bool],
    ) -> None:
        self.outbox = outbox
        self._services = services
        self._socket = socket
        self._lanes = lanes
        self._pattern = pattern
        self._may = may
        self._heard = trio.current_time()
        self._code = 1000

    def wants(self, app_id: str) -> bool:
        """Whether the client asked for events of this application."""
        return self._pattern is None or self._pattern.search(app_id)

    def stop(self, code: int) -> None:
        """Close with ``code`` once everything queued was sent."""
        self._code = code
        self.outbox.close()

    async def run(self) -> None:
        """Until the client goes, says stop, is silent or does not read."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            nursery.start_soon(self._ping)
            nursery.start_soon(self._watch)
            await self._write()
            nursery.cancel_scope.cancel()

    async def _write(self) -> None:
        with trio.CancelScope() as patience:
            while (text := await self.outbox.get()) is not None:
                patience.deadline = trio.current_time() + WRITE_SECONDS
                await self._socket.send(text)
                patience.deadline = math.inf
        if patience.cancelled_caught:
            log.warning("VSI client does not read: closed", extra={"waiting": len(self.outbox)})
            self._socket.abort()
            return
        with trio.move_on_after(WRITE_SECONDS):
            await self._socket.close(self._code)

    async def _ping(self) -> None:
        for number in range(1, 2**31):
            await trio.sleep(PING_SECONDS)
            self.outbox.put_answer(f'{{"type":"ping","seq":{number},"event_id":{number}}}')

    async def _watch(self) -> None:
        while True:
            heard = max(self._heard, self._socket.last_heard())
            left = heard + IDLE_SECONDS - trio.current_time()
            if left <= 0:
                self.stop(1000)
                return
            await trio.sleep(left)

    async def _read(self) -> None:
        while True:
            await self.outbox.wait_room()
            text = await self._socket.receive()
            self._heard = trio.current_time()
            if isinstance(text, str) and not self._handle(text):
                self.stop(1000)
                return

    def _handle(self, text: str) -> bool:
        """One frame of the client; False when it asks to stop."""
        try:
            frame = parse_json(text)
            kind, request_id, payload = _envelope(frame)
        except BadJson:
            self._refuse("", 400, "invalid JSON")
            return True
        if kind == "stop":
            return False
        if kind == "pong":
            return True
        operation = TABLE.commands.get(kind)
        if operation is None:
            self._refuse(request_id, 400, f"unknown command: {kind}")
            return True
        if not self._may(operation):
            self._refuse(request_id, 403, f"the API key lacks the scope for {kind}")
            return True
        if self._lanes.full:
            self._refuse(request_id, 429, "too many commands are waiting")
            return True
        try:
            arguments, lanes = read_payload(operation, payload)
        except BadJson as error:
            self._refuse(request_id, 400, f"invalid payload: {error}")
            return True
        self._lanes.submit(operation, lanes, (self._services, *arguments), self._answerer(operation, request_id))
        return True

    def _answerer(self, operation: Operation, request_id: str) -> Callable[[Any], None]:
        def answer(result: Any) -> None:
            if isinstance(result, CommandError):
                self._refuse(request_id, result.status, result.message)
            elif isinstance(result, Exception):
                log.error("command crashed", exc_info=result, extra={"command": operation.vsi})
                self._refuse(request_id, 500, "internal error")
            else:
                self._send(f"{operation.vsi}.result", request_id, result)

        return answer

    def _refuse(self, request_id: str, code: int, message: str) -> None:
        self._send("error", request_id, {"code": code, "message": message})

    def _send(self, type_: str, request_id: str, data: Any) -> None:
        frame = {"type": type_, "request_id": request_id, "data": data} if request_id else {"type": type_, "data": data}
        self.outbox.put_answer(_ENCODER.encode(frame).decode())


def _envelope(frame: Any) -> tuple[str, str, Any]:
    """Type, request_id and payload of a frame. Raises BadJson when it is no object or its names are no strings."""
    if frame is None:
        return "", "", None
    if not is_object(frame):
        raise BadJson("invalid JSON")
    kind, request_id = field_of(frame, "type"), field_of(frame, "request_id")
    if not isinstance(kind, str | None) or not isinstance(request_id, str | None):
        raise BadJson("invalid JSON")
    return kind or "", request_id or "", field_of(frame, "payload")


def read_payload(operation: Operation, payload: Any) -> tuple[list[Any], tuple[str, ...]]:
    """The arguments of the operation, and the legs and rooms it is about. Raises BadJson for wrong types."""
    if payload is not None and not is_object(payload):
        raise BadJson("expected an object")
    members = payload if payload is not None else []
    arguments: list[Any] = []
    for name in operation.payload_names:
        value = field_of(members, name)
        if not isinstance(value, str | None):
            raise BadJson(f"{name}: expected str")
        arguments.append(value or "")
    if operation.body is not None:
        fields = renamed(members, operation.payload_fields) if operation.vsi_fields else payload
        arguments.append(convert(fields, operation.body))
    lanes = operation.lanes or operation.payload_names[:1]
    keys = {value for lane in lanes if isinstance(value := field_of(members, lane), str) and value}
    return arguments, tuple(keys)
