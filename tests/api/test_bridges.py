"""Bridges over REST and VSI: both say the same, each in its own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.api.bench import open_bench
from tests.api.test_vsi import client

PATH = "/v1/rooms/a/bridges"


async def test_over_rest(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for room_id in "ab":
            bench.stage.rooms.create(room_id)
        status, made, _ = await bench.ask("POST", PATH, '{"id":"mine","room_id":"b","direction":"send"}')
        view = {"id": "mine", "room_id": "b", "direction": "send", "sample_rate": 16000}
        assert (status, made) == (201, {"instance_id": "node-1", **view})
        assert (await bench.ask("GET", PATH))[1] == [view]
        seen = {"instance_id": "node-1", "id": "mine", "room_id": "a", "direction": "receive", "sample_rate": 16000}
        assert (await bench.ask("GET", "/v1/rooms/b/bridges/mine"))[1] == seen
        assert (await bench.ask("PATCH", f"{PATH}/mine", '{"direction":"none"}'))[1]["direction"] == "none"
        for body, wanted in (("{}", 400), ('{"direction":""}', 400), ('{"direction":5}', 400)):
            assert (await bench.ask("PATCH", f"{PATH}/mine", body))[0] == wanted
        for body, wanted in (("{}", 400), ('{"room_id":"a"}', 400), ('{"room_id":"x"}', 404), ('{"room_id":"b"}', 409)):
            assert (await bench.ask("POST", PATH, body))[0] == wanted
        deleted = {"instance_id": "node-1", "status": "deleted"}
        assert (await bench.ask("DELETE", f"{PATH}/mine"))[:2] == (200, deleted)
        for method in ("DELETE", "GET"):
            assert (await bench.ask(method, f"{PATH}/mine"))[0] == 404


async def test_over_vsi(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench, client(bench) as socket:
        for room_id in "ab":
            bench.stage.rooms.create(room_id)
        await socket.frames()

        async def command(name: str, **payload: Any) -> Any:
            socket.say({"type": name, "request_id": "r", "payload": payload})
            (answer,) = [frame for frame in await socket.frames() if "request_id" in frame]
            return answer["data"]

        view = {"id": "mine", "room_id": "b", "direction": "send", "sample_rate": 16000}
        assert await command("bridge_create", room_id="a", PEER_ROOM_ID="b", bridge_id="mine", direction="send") == view
        assert await command("bridge_list", room_id="a") == [view]
        assert (await command("bridge_get", room_id="b", bridge_id="mine"))["direction"] == "receive"
        changed = await command("bridge_update", room_id="b", bridge_id="mine", direction="bidirectional")
        assert changed == {"id": "mine", "room_id": "a", "direction": "bidirectional", "sample_rate": 16000}
        assert (await command("bridge_create", room_id="a", id="other"))["code"] == 400
        assert (await command("bridge_create", room_id="a", peer_room_id=7))["code"] == 400
        assert (await command("bridge_create", room_id="a", peer_room_id="b"))["code"] == 409
        assert await command("bridge_delete", room_id="a", bridge_id="mine") == {"status": "deleted"}
        assert (await command("bridge_delete", room_id="a", bridge_id="mine"))["code"] == 404
