"""All rooms, and the commands that move legs between them."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

import attrs
import trio

from vb.call.errors import CommandError, Conflict, Invalid, NotFound
from vb.call.events import Event, EventBus, Webhook
from vb.call.leg import Leg
from vb.call.legs import Legs
from vb.call.reasons import ROOM_DELETED
from vb.room.bridges import Bridges
from vb.room.roles import Roles
from vb.room.room import Room

if TYPE_CHECKING:
    from vb.media.clock import MediaClock

log = logging.getLogger("vb.room")

SAMPLE_RATES = (8000, 16000, 48000)
ANSWER_TIMEOUT = 30.0
"""Seconds that a ringing leg which was added to a room has to become connected."""

LAST_WORDS = 5.0
"""Seconds that the end of a room's last leg waits for the room's recordings and playbacks to end."""

_WITH_AUDIO = frozenset({"early_media", "connected", "held"})


class Rooms:
    """The registry of rooms. ``run`` must be running before the first room is made: what runs in rooms is its child."""

    def __init__(self, clock: MediaClock, bus: EventBus, legs: Legs, default_rate: int = 16000) -> None:
        self._clock = clock
        self._bus = bus
        self._legs = legs
        self._default_rate = default_rate
        self.bridges = Bridges(bus, self.get)
        self.roles = Roles(bus, legs, self.get)
        self._rooms: dict[str, Room] = {}
        self._adding: dict[str, str] = {}
        self._stays: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None
        legs.on_hangup(self.forget)
        bus.subscribe(self._on_event)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The life of all rooms; cancelled at shutdown, which ends what runs in them."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    # --- rooms

    def create(self, room_id: str = "", sample_rate: int = 0, app_id: str = "", webhook: Webhook | None = None) -> Room:
        """Make a room; an empty id or a rate of 0 means ours to choose. Raises Invalid (rate), Conflict (id taken)."""
        if sample_rate not in (0, *SAMPLE_RATES):
            raise Invalid("invalid sample_rate: must be 8000, 16000, or 48000")
        if room_id in self._rooms:
            raise Conflict(f"room {room_id} already exists")
        assert self._nursery is not None, "Rooms.run is not running"
        mix = self._clock.open_mix(sample_rate or self._default_rate)
        room = Room(room_id or str(uuid.uuid4()), mix, self._nursery, app_id=app_id, webhook=webhook)
        self._rooms[room.id] = room
        self._bus.publish("room.created", room=room)
        return room

    def ensure(self, room_id: str, app_id: str) -> Room:
        """The room of that id, made with the default rate when there is none."""
        return self._rooms.get(room_id) or self.create(room_id, app_id=app_id)

    def get(self, room_id: str) -> Room:
        """Raises NotFound."""
        try:
            return self._rooms[room_id]
        except KeyError:
            raise NotFound("room not found") from None

    def all(self) -> list[Room]:
        """Rooms in the order they were made."""
        return list(self._rooms.values())

    def delete(self, room_id: str) -> dict[str, Any]:
        """Publish ``room.deleted``, then hang its legs up; they do not leave first. Raises NotFound."""
        room = self._rooms.pop(room_id, None)
        if room is None:
            raise NotFound(f"room {room_id} not found")
        self.bridges.forget(room)
        self._bus.publish("room.deleted", room=room)
        for leg in room.end():
            self._stays.pop(leg.id).cancel()
            leg.end(ROOM_DELETED)
        return {"status": "deleted"}

    # --- legs in rooms

    def add_leg(
        self,
        room_id: str,
        leg_id: str,
        *,
        mute: bool | None = None,
        deaf: bool | None = None,
        accept_dtmf: bool | None = None,
        role: str | None = None,
    ) -> dict[str, Any]:
        """Put a leg into a room, made if missing; out of its present room first; a ringing caller is answered first.

        Returns ``{"status": "added" | "adding"}`` or ``{"status": "moved", "from", "to"}``. None leaves a property as
        it is. Raises Invalid (400) whatever is wrong; a failure after "adding" is ``leg.command_failed``.
        """
        try:
            leg = self._legs.get(leg_id)
        except NotFound:
            raise Invalid(f"leg {leg_id} not found") from None
        changes = _Changes(mute, deaf, accept_dtmf, role or None)
        if leg.state == "ringing" and leg.type == "sip_inbound":
            return self._answer_and_add(room_id, leg, changes)
        self._check(room_id, leg)
        room = self.ensure(room_id, leg.app_id)
        return self._enter(room, leg, changes)

    def join_with_media(self, leg: Leg, room_id: str) -> None:
        """Put an outbound leg into a room, made at once if missing, as soon as it has early media or is answered."""
        self.ensure(room_id, leg.app_id)
        leg.start_soon(self._join_with_media, leg, room_id)

    def remove_leg(self, room_id: str, leg_id: str) -> dict[str, Any]:
        """Take a leg out of the room; it stays up. Raises Invalid (400) when it is not there or there is no room."""
        room = self._rooms.get(room_id)
        if room is None:
            raise Invalid(f"room {room_id} not found")
        leg = room.members.get(leg_id)
        if leg is None:
            raise Invalid(f"leg {leg_id} is not in room {room_id}")
        self._leave(room, leg)
        return {"status": "removed"}

    def replace(self, old: Leg, new: Leg) -> None:
        """A call took the place of another (RFC 3891): its leg goes into the room of the other, as that was."""
        if not old.room_id or new.room_id:
            return
        self.add_leg(
            old.room_id, new.id, mute=old.muted, deaf=old.deaf, accept_dtmf=old.accept_dtmf, role=old.role or None
        )

    def forget(self, leg: Leg) -> None:
        """The leg has been ended: it leaves its room, if any."""
        self._adding.pop(leg.id, None)
        room = self._rooms.get(leg.room_id)
        if room is not None and leg.id in room.members:
            self._leave(room, leg)

    # --- inside

    @staticmethod
    def _check(room_id: str, leg: Leg) -> None:
        if leg.room_id == room_id:
            raise Invalid("leg already in this room")
        if leg.state not in _WITH_AUDIO:
            raise Invalid(f"leg {leg.id} is not connected (state: {leg.state})")
        if leg.port is None:
            raise Invalid(f"leg {leg.id} has no audio")

    def _enter(self, room: Room, leg: Leg, changes: _Changes) -> dict[str, Any]:
        before = self._rooms.get(leg.room_id)
        if before is not None:
            self._leave(before, leg)
        changes.apply(leg)  # before it is in: nobody hears a frame of a leg that joins muted
        room.enter(leg)
        stay = self._stays[leg.id] = trio.CancelScope()
        leg.start_soon(self._stay, stay, room)
        self._bus.publish("leg.joined_room", leg=leg, room=room)
        if changes.role is not None:
            self.roles.tell(room, "leg_joined")
        log.info("leg joined room", extra={"leg_id": leg.id, "room_id": room.id})
        if before is not None:
            return {"from": before.id, "status": "moved", "to": room.id}
        return {"status": "added"}

    def _leave(self, room: Room, leg: Leg) -> None:
        room.leave(leg)
        self._stays.pop(leg.id).cancel()
        self._bus.publish("leg.left_room", leg=leg, room=room)
        log.info("leg left room", extra={"leg_id": leg.id, "room_id": room.id})

    @staticmethod
    async def _stay(stay: trio.CancelScope, room: Room) -> None:
        """A leg's time in a room, as a part of its life. It puts the events in order: what ends in the room because
        its last leg hangs up has ended before ``leg.disconnected``.
        """
        try:
            with stay:
                await trio.sleep_forever()
        finally:
            if not room.members:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST_WORDS):
                    await room.wait_idle()

    def _answer_and_add(self, room_id: str, leg: Leg, changes: _Changes) -> dict[str, Any]:
        if leg.id in self._adding:
            raise Invalid(f"leg {leg.id} is being added to room {self._adding[leg.id]}")
        if not leg.answering:  # somebody else may have answered it a moment ago
            try:
                leg.answer()
            except CommandError as error:
                raise Invalid(error.message) from error
        self.ensure(room_id, leg.app_id)
        self._adding[leg.id] = room_id
        try:
            leg.start_soon(self._add_answered, room_id, leg, changes)
        except NotFound:  # answering ended it: no codec in common
            self._adding.pop(leg.id, None)
            self._add_failed(leg, "leg ended before it was connected")
        return {"status": "adding"}

    async def _add_answered(self, room_id: str, leg: Leg, changes: _Changes) -> None:
        problem = "leg ended before it was connected"
        try:
            await leg.wait_answered(ANSWER_TIMEOUT)
            self._check(room_id, leg)
            self._enter(self.ensure(room_id, leg.app_id), leg, changes)
            problem = ""
        except CommandError as error:
            problem = error.message
        finally:  # a hangup cancels this task: who was told "adding" still has to hear of it
            self._adding.pop(leg.id, None)
            if problem:
                self._add_failed(leg, problem)

    def _add_failed(self, leg: Leg, problem: str) -> None:
        if leg.cause is not None:
            problem = f"leg ended: {leg.cause.reason}"
        self._bus.publish("leg.command_failed", {"command": "add_to_room", "error": problem}, leg=leg)

    async def _join_with_media(self, leg: Leg, room_id: str) -> None:
        audible = trio.Event()

        def heard(event: Event) -> None:
            if event.leg_id == leg.id and event.type in ("leg.early_media", "leg.connected"):
                audible.set()

        unsubscribe = self._bus.subscribe(heard)
        try:
            if leg.state not in _WITH_AUDIO:
                await audible.wait()
        finally:
            unsubscribe()
        if leg.room_id:  # somebody was faster, and meant it
            return
        try:
            self._check(room_id, leg)
            self._enter(self.ensure(room_id, leg.app_id), leg, _Changes())
        except CommandError as error:
            self._add_failed(leg, error.message)

    def _on_event(self, event: Event) -> None:
        if event.type == "dtmf.received":
            self._relay_digit(event.leg_id, str(event.data.get("digit", "")))

    def _relay_digit(self, leg_id: str, digit: str) -> None:
        """A digit pressed by one leg goes to every other one in its room that accepts digits.

        A leg that is held or deaf is sent nothing now, and would get them all when that ends.
        """
        try:
            room = self.get(self._legs.get(leg_id).room_id)
        except NotFound:
            return
        for leg in room.members.values():
            if leg.id == leg_id or not leg.accept_dtmf or leg.deaf or leg.held:
                continue
            try:
                leg.send_dtmf(digit)
            except CommandError as error:
                log.debug("digit not relayed", extra={"leg_id": leg.id, "error": error.message})


@attrs.frozen
class _Changes:
    """What adding a leg changes of it; None: nothing."""

    mute: bool | None = None
    deaf: bool | None = None
    accept_dtmf: bool | None = None
    role: str | None = None

    def apply(self, leg: Leg) -> None:
        """Part of joining: no ``leg.muted`` or ``leg.deaf`` is published."""
        if self.mute is not None:
            leg.muted = self.mute
        if self.deaf is not None:
            leg.deaf = self.deaf
        if self.accept_dtmf is not None:
            leg.set_accept_dtmf(self.accept_dtmf)
        if self.role is not None:
            leg.role = self.role
        if leg.port is not None:
            leg.port.muted = leg.muted
            leg.port.deaf = leg.deaf
