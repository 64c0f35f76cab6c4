"""Roles and the routing matrix over REST and VSI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.bench import open_bench
from tests.api.test_vsi import client

PATH = "/v1/rooms/q/routing"


async def test_the_matrix(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        bench.stage.rooms.create("q")

        async def change(method: str, body: Any) -> Any:
            status, answer, _ = await bench.ask(method, PATH, json.dumps(body))
            assert status == 200
            assert list(answer) == ["instance_id", "matrix"]
            return answer["matrix"]

        assert (await bench.ask("GET", PATH))[1] == {"instance_id": "node-1", "matrix": {}}
        matrix = await change("PUT", {"matrix": {"customer": ["agent"], "agent": ["customer", "coach"]}})
        assert matrix == {"agent": ["coach", "customer"], "customer": ["agent"]}
        rows = [{"listener_role": "coach", "sources": ["customer"]}, {"listener_role": "customer", "sources": []}]
        assert await change("PATCH", {"updates": rows}) == {
            "agent": ["coach", "customer"],
            "coach": ["customer"],
            "customer": [],
        }
        rows = [{"listener_role": "customer", "sources": None}, {"LISTENER_ROLE": "agent"}]
        assert await change("PATCH", {"updates": rows}) == {"coach": ["customer"]}
        assert await change("PATCH", {"updates": []}) == {"coach": ["customer"]}
        assert await change("PUT", {}) == {}


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PUT", {"matrix": {"": ["a"]}}),
        ("PUT", {"matrix": {"a": [""]}}),
        ("PUT", {"matrix": {"a": "b"}}),
        ("PUT", {"matrix": []}),
        ("PATCH", {"updates": [{"sources": ["a"]}]}),
        ("PATCH", {"updates": [{"listener_role": "a", "sources": [""]}]}),
        ("PATCH", {"updates": {}}),
    ],
)
async def test_what_is_refused(tmp_path: Path, method: str, body: Any) -> None:
    async with open_bench(tmp_path) as bench:
        bench.stage.rooms.create("q")
        assert (await bench.ask(method, PATH, json.dumps(body)))[0] == 400
        assert (await bench.ask("GET", PATH))[1]["matrix"] == {}


async def test_unknown_rooms_and_legs(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for method, body in (
            ("GET", None),
            ("PUT", "null"),
            ("PATCH", "{}"),
            ("PATCH", '{"updates":[{"sources":["a"]}]}'),
        ):
            status, answer, _ = await bench.ask(method, PATH, body)
            assert (status, answer["error"]) == (404, "room q not found")
        status, answer, _ = await bench.ask("PATCH", "/v1/legs/x/role", "null")
        assert (status, answer["error"]) == (404, "leg x not found")


async def test_a_role_and_its_end(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench, client(bench) as socket:
        leg = await bench.stage.leg()
        await socket.frames()
        status, answer, _ = await bench.ask("PATCH", f"/v1/legs/{leg.id}/role", '{"role":"has space !"}')
        assert (status, answer["role"]) == (200, "has space !")
        socket.say({"type": "set_leg_role", "request_id": "r", "payload": {"leg_id": leg.id, "role": ""}})
        first, second, result = await socket.frames()
        assert [frame["new_role"] for frame in (first, second)] == ["has space !", ""]
        assert (result["type"], result["data"]) == ("set_leg_role.result", leg.view())
        assert "role" not in result["data"]
