"""A conference in some hundred lines: everybody who calls joins one room, hears a tone, and is recorded.

A call-control program as an application developer would write it: it speaks REST and the WebSocket event stream (VSI)
and knows nothing else of the server. Run the server (`vb serve`), then

    python examples/conference.py --api http://127.0.0.1:8080 --room lobby --phones 3

Each caller is answered by being put into the room. When all are there, a dial tone is played for a second and the
recording starts: ``{"event": "ready"}`` is printed. A line on standard input (or --talk-seconds) ends the conference:
the recording stops, and the callers are hung up one by one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

TONE = "us_dial"
TONE_SECONDS = 1.2


def say(event: str, **details: Any) -> None:
    print(json.dumps({"event": event, **details}), flush=True)


class Conference:
    def __init__(self, api: httpx.AsyncClient, room: str, phones: int) -> None:
        self.api = api
        self.room = room
        self.phones = phones
        self.joined: list[str] = []
        self.ended: dict[str, str] = {}
        self.everybody_in = trio.Event()
        self.everybody_out = trio.Event()

    async def call_api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        response = await self.api.request(method, f"/v1{path}", json=body)
        response.raise_for_status()
        return response.json()

    async def end(self, path: str) -> Any:
        """DELETE what may be over already: callers hang up when they like, and take with them what ran for them."""
        response = await self.api.delete(f"/v1{path}")
        return {} if response.status_code == httpx.codes.NOT_FOUND else response.raise_for_status().json()

    async def admit(self, leg: str) -> None:
        """Answer a caller by putting it into the room, unless it gives up at this very moment."""
        try:
            await self.call_api("POST", f"/rooms/{self.room}/legs", {"leg_id": leg})
        except httpx.HTTPStatusError as error:
            say("not admitted", leg=leg, answer=error.response.json())

    async def follow(self, frames: AsyncIterator[dict[str, Any]]) -> None:
        """Act on the event stream."""
        async for frame in frames:
            match frame:
                case {"type": "leg.ringing", "leg_type": "sip_inbound", "leg_id": leg}:
                    await self.admit(leg)
                case {"type": "leg.joined_room", "leg_id": leg, "room_id": self.room}:
                    self.joined.append(leg)
                    if len(self.joined) == self.phones:
                        self.everybody_in.set()
                case {"type": "leg.disconnected", "leg_id": leg, "cdr": cdr}:
                    self.ended[leg] = cdr["reason"]
                    if self.everybody_in.is_set() and self.ended.keys() >= set(self.joined):
                        self.everybody_out.set()

    async def play_tone(self) -> None:
        playback = await self.call_api("POST", f"/rooms/{self.room}/play", {"tone": TONE})
        await trio.sleep(TONE_SECONDS)
        await self.end(f"/rooms/{self.room}/play/{playback['playback_id']}")

    async def run(self, wait_for_end: Any) -> None:
        await self.call_api("POST", "/rooms", {"id": self.room, "sample_rate": 16000})
        say("open", room=self.room)
        await self.everybody_in.wait()
        await self.play_tone()
        recording = await self.call_api("POST", f"/rooms/{self.room}/record")
        say("ready", legs=self.joined, recording=recording["file"])
        await wait_for_end()
        stopped = await self.end(f"/rooms/{self.room}/record")
        for leg in self.joined:
            await self.end(f"/legs/{leg}")
            await trio.sleep(0.2)
        with trio.fail_after(10):
            await self.everybody_out.wait()
        await self.end(f"/rooms/{self.room}")
        file = stopped.get("file", recording["file"])
        say("closed", recording=file, reasons={leg: self.ended[leg] for leg in self.joined})


async def read_frames(socket: WebSocketConnection) -> AsyncIterator[dict[str, Any]]:
    while True:
        frame = json.loads(await socket.get_message())
        if frame["type"] == "ping":
            await socket.send_message(json.dumps({"type": "pong"}))
        yield frame


async def main(arguments: argparse.Namespace) -> None:
    async def wait_for_end() -> None:
        if arguments.talk_seconds is not None:
            await trio.sleep(arguments.talk_seconds)
        else:
            await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)

    stream = arguments.api.replace("http", "ws", 1) + "/v1/vsi"
    async with httpx.AsyncClient(base_url=arguments.api, timeout=10) as api, open_websocket_url(stream) as socket:
        conference = Conference(api, arguments.room, arguments.phones)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(conference.follow, read_frames(socket))
            await conference.run(wait_for_end)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", default="http://127.0.0.1:8080", help="base URL of the server")
    parser.add_argument("--room", default="lobby", help="id of the room to make")
    parser.add_argument("--phones", type=int, default=3, help="how many callers to wait for")
    parser.add_argument("--talk-seconds", type=float, help="end by itself after so long")
    trio.run(main, parser.parse_args())
