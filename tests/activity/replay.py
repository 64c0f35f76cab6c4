"""Replays a recorded flow, its operator's commands and its events, against rooms, playback and recording.

A flow is a list of steps: ``phone`` (a caller arrives), ``do`` (a command with its status and answer), ``hangup`` (the
peer's), ``event`` (the next one published) and ``any_order`` (the next ones). ``<leg-1>`` and the like stand for the
same value wherever they appear; ``…`` for the rest of a text. ``t`` is when it happened, in ms: audio goes on until
then. Times in answers and events may differ by 60 ms.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import trio

from tests.activity.studio import Studio, tone
from tests.activity.test_playback import wav_bytes
from tests.room.stage import StageLeg
from vb.activity.playback import PlayRequest
from vb.activity.recording import RecordRequest
from vb.call.errors import CommandError
from vb.call.events import Event, Webhook

FLOWS = Path(__file__).parent / "flows"
TOLERANCE_MS = 60
LIMIT = 400
"""Ticks to wait for an event that is due."""


class Replay:
    def __init__(self, studio: Studio, flow: dict[str, Any]) -> None:
        self.studio = studio
        self.flow = flow
        self.names: dict[str, str] = {"<recording-dir>": str(studio.folder)}
        self.clock_ms = 0
        self.events: list[Event] = []
        for name, seconds in flow.get("files", {}).items():
            samples = tone(440, seconds)
            studio.files.bodies[f"/{name}"] = samples.tobytes() if name.endswith(".pcm") else wav_bytes(samples)
        studio.files.bodies |= {"/text.txt": b"hello", "/broken.wav": b"RIFF\x10\0\0\0WAVEfm"}
        studio.files.slow.add("/slow.wav")

    async def run(self) -> None:
        for number, step in enumerate(self.flow["steps"]):
            try:
                await self.step(step)
            except AssertionError as error:
                raise AssertionError(f"step {number}: {json.dumps(step)[:300]}: {error}") from error
        await self.studio.settle()
        assert self.studio.events == []

    async def step(self, step: dict[str, Any]) -> None:
        if "event" in step or "any_order" in step:
            await self.expect(step.get("any_order") or [step["event"]])
            self.clock_ms = min(self.clock_ms, step["t"])  # where we were slower than the original
            return
        while self.clock_ms + 20 <= step["t"]:
            await self.tick()
        if "phone" in step:
            phone = await self.studio.phone(connected=False)
            self.names[step["phone"]] = phone.leg.id
        elif "hangup" in step:
            self.leg(self.names[step["hangup"]]).end(step["reason"])
        else:
            await self.command(step)

    async def tick(self) -> None:
        await self.studio.quiet()  # a thread that decodes takes no time here
        await self.studio.tick()
        self.clock_ms += 20

    # --- events

    async def expect(self, expected: list[dict[str, Any]]) -> None:
        wanted = list(expected)
        for _ in range(len(expected)):
            event = await self.next_event(wanted[0])
            errors = []
            for candidate in wanted:
                before = dict(self.names)
                try:
                    self.match(candidate, event.fields)
                except AssertionError as error:
                    self.names = before
                    errors.append(str(error))
                else:
                    wanted.remove(candidate)
                    break
            else:
                raise AssertionError(errors)

    async def next_event(self, wanted: dict[str, Any]) -> Event:
        """What comes next; audio goes on until then, unless only a thread can be what it waits for."""
        if wanted["type"] == "leg.connected":
            self.connect(self.names[wanted["leg_id"]])
        await self.studio.settle()
        ticking = wanted.get("reason") == "completed"
        with trio.move_on_after(5):
            for _ in range(LIMIT):
                if self.studio.events:
                    return self.studio.events.pop(0)
                if ticking:
                    await self.tick()
                else:
                    await self.studio.any_event()
        raise AssertionError("it did not come")

    def connect(self, leg_id: str) -> None:
        leg = self.leg(leg_id)
        if leg.state == "ringing":
            phone = next(phone for phone in self.studio.phones if phone.leg is leg)
            leg.attach_port(phone.peer.port)
            leg.mark_connected()

    def leg(self, leg_id: str) -> StageLeg:
        leg = self.studio.legs.get(leg_id)
        assert isinstance(leg, StageLeg)
        return leg

    # --- commands

    async def command(self, step: dict[str, Any]) -> None:
        method, path = step["do"].split(" ", 1)
        parts = [self.names.get(part, part) for part in path.strip("/").split("/")]
        body = {key: self.resolved(value) for key, value in (step.get("body") or {}).items()}
        status = step["status"]
        try:
            answer = await self.call(method, parts, body)
        except CommandError as error:
            status, answer = error.status, {"error": error.message}
        assert status == step["status"], answer
        self.match(step["answer"], answer)

    def resolved(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.names.get(value, re.sub(r"<\w+-port>", "8000", value))
        return value

    async def call(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        match parts:
            case ["legs"] if method == "POST":
                return await self.call_out(body)
            case ["legs", leg_id, "play" | "record" as what, *rest]:
                if method == "POST" and not rest:
                    return await self.start("leg", self.leg(leg_id), what, body)
                return await self.change("leg", leg_id, what, method, rest, body)
            case ["legs", leg_id, *rest]:
                return self.leg_command(self.leg(leg_id), method, rest)
            case ["rooms", room_id, "play" | "record" as what, *rest]:
                if method == "POST" and not rest:
                    return await self.start("room", self.studio.rooms.get(room_id), what, body)
                return await self.change("room", room_id, what, method, rest, body)
            case ["rooms", *rest]:
                return self.room_command(method, rest, body)
        raise AssertionError(parts)

    async def start(self, kind: str, target: Any, what: str, body: dict[str, Any]) -> Any:
        if what == "play":
            play = self.studio.playbacks.play_leg if kind == "leg" else self.studio.playbacks.play_room
            return play(target, PlayRequest(**body))
        record = self.studio.recordings.start_leg if kind == "leg" else self.studio.recordings.start_room
        answer = await record(target, RecordRequest(**body))
        await self.studio.settle()
        return answer

    async def change(
        self, kind: Any, target: str, what: str, method: str, rest: list[str], body: dict[str, Any]
    ) -> Any:
        if what == "play":
            if method == "PATCH":
                return self.studio.playbacks.set_volume(kind, target, rest[0], body["volume"])
            return self.studio.playbacks.stop(kind, target, rest[0])
        if rest:
            return getattr(self.studio.recordings, f"{rest[0]}_{kind}")(target)
        return await getattr(self.studio.recordings, f"stop_{kind}")(target)

    async def call_out(self, body: dict[str, Any]) -> Any:
        phone = await self.studio.phone("sip_outbound", connected=False)
        if body.get("room_id"):
            self.studio.rooms.join_with_media(phone.leg, body["room_id"])
        return phone.leg.view()

    def leg_command(self, leg: StageLeg, method: str, rest: list[str]) -> Any:
        match method, rest:
            case "GET", []:
                return leg.view()
            case "DELETE", []:
                leg.hangup()
                return {"status": "hanging_up"}
            case _, ["mute"]:
                leg.set_muted(method == "POST")
                return {"status": "muted" if leg.muted else "unmuted"}
            case _, ["deaf"]:
                leg.set_deaf(method == "POST")
                return {"status": "deaf" if leg.deaf else "undeaf"}
            case "POST", ["answer"]:
                leg.answer()
                return {"status": "answering"}
        raise AssertionError(rest)

    def room_command(self, method: str, rest: list[str], body: dict[str, Any]) -> Any:
        rooms = self.studio.rooms
        match method, rest:
            case "GET", []:
                return [room.view() for room in rooms.all()]
            case "GET", [room_id]:
                return rooms.get(room_id).view()
            case "POST", []:
                hook = Webhook(body.pop("webhook_url"), body.pop("webhook_secret")) if "webhook_url" in body else None
                body["room_id"] = body.pop("id", "")
                return rooms.create(**body, webhook=hook).view()
            case "DELETE", [room_id]:
                return rooms.delete(room_id)
            case "POST", [room_id, "legs"]:
                return rooms.add_leg(room_id, body.pop("leg_id", ""), **body)
            case "DELETE", [room_id, "legs", leg_id]:
                return rooms.remove_leg(room_id, leg_id)
        raise AssertionError(rest)

    # --- comparing

    def match(self, expected: Any, actual: Any, key: str = "") -> None:
        """``actual`` has at least what is expected, with every placeholder the same value as before."""
        if isinstance(expected, dict):
            assert isinstance(actual, dict), actual
            for name, value in expected.items():
                name = self.names.get(name, name)
                assert name in actual, f"{name} is missing in {actual}"
                self.match(value, actual[name], name)
        elif isinstance(expected, list):
            assert len(expected) == len(actual), actual
            for one, other in zip(expected, actual, strict=True):
                self.match(one, other)
        elif isinstance(expected, str):
            self.match_text(expected, actual)
        elif key.endswith("_ms"):
            assert abs(expected - actual) <= TOLERANCE_MS, f"{key}: {actual} is far from {expected}"
        else:
            assert expected == actual, f"{key}: {actual} is not {expected}"

    def match_text(self, expected: str, actual: str) -> None:
        pattern, new = "", []
        for part in re.split(r"(<[a-z]+-(?:\d+|dir)>|…)", expected):
            if part == "…":
                pattern += "(?:.*)"
            elif part in self.names:
                pattern += re.escape(self.names[part])
            elif re.fullmatch(r"<[a-z]+-\d+>", part):
                new.append(part)
                pattern += "([^/ ]+?)"
            else:
                pattern += re.escape(part)
        found = re.fullmatch(pattern, actual, re.DOTALL)
        assert found, f"{actual!r} is not {expected!r}"
        self.names |= dict(zip(new, found.groups(), strict=True))


def load(name: str) -> dict[str, Any]:
    flow: dict[str, Any] = json.loads((FLOWS / f"{name}.json").read_text())
    return flow
