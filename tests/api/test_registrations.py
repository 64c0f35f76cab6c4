"""Registrations over REST: shapes and refusals; what they do is in ``tests/legs/sip/test_registrations.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.bench import Bench, open_bench
from tests.sip.bench import PEER, request
from vb.api.operation import TABLE
from vb.call.errors import CommandError
from vb.sip.message import Request, parse_message
from vb.sip.registration import read_registration

UNDECIDED = "registration attempt not found or already decided"


def bind(bench: Bench, contact: str) -> None:
    """A phone that somebody has accepted."""
    message = parse_message(request("REGISTER", to="<sip:alice@pbx.test>", contact=contact))
    assert isinstance(message, Request)
    registrations = bench.services.sip.registrations
    registrations._registrar.carry_out(read_registration(message), PEER, 0.0)
    registrations._tell()


async def test_the_list_and_forced_removal(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        path = "/v1/sip/registrations"
        assert await answer(bench, "GET", path) == (200, {"instance_id": "node-1", "bindings": []})
        bind(bench, "<sip:alice@192.0.2.9:5070;ob>, <sip:desk@192.0.2.9:5071>")
        (first, second) = (await answer(bench, "GET", path))[1]["bindings"]
        assert list(first) == [
            "aor",
            "contact",
            "socket",
            "transport",
            "call_id",
            "created_at",
            "last_refresh",
            "expires_at",
            "granted_expires_seconds",
        ]
        assert (first["aor"], first["contact"]) == ("sip:alice@pbx.test", "sip:alice@192.0.2.9:5070;ob")
        aor = f"{path}/sip%3Aalice%40PBX.test"
        other = await answer(bench, "DELETE", f"{aor}?contact=sip%3Aother%40x")
        assert other == (404, {"instance_id": "node-1", "error": "contact not found"})
        assert (await bench.ask("DELETE", f"{aor}?contact=sip%3Aalice%40192.0.2.9%3A5070"))[:2] == (204, b"")
        assert [b["contact"] for b in (await answer(bench, "GET", path))[1]["bindings"]] == [second["contact"]]
        assert (await bench.ask("DELETE", aor))[:2] == (204, b"")
        assert await answer(bench, "DELETE", aor) == (404, {"instance_id": "node-1", "error": "AOR not found"})


async def answer(bench: Bench, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    status, found, _ = await bench.ask(method, path, body)
    return status, found


@pytest.mark.parametrize(
    ("verb", "body", "status", "error"),
    [
        ("accept", None, 404, UNDECIDED),
        ("accept", '{"max_expires": "x"}', 400, "invalid JSON"),
        ("reject", None, 404, UNDECIDED),
        ("reject", '{"code": 480, "reason": "later"}', 404, UNDECIDED),
        ("challenge", '{"realm": "r", "username": "u", "password": "p"}', 404, UNDECIDED),
        ("challenge", "{}", 400, "realm is required"),
        ("challenge", '{"realm": "r"}', 400, "password or ha1 is required"),
        ("challenge", None, 400, "invalid JSON"),
    ],
)
async def test_decisions_about_nothing(tmp_path: Path, verb: str, body: str | None, status: int, error: str) -> None:
    async with open_bench(tmp_path) as bench:
        found = await answer(bench, "POST", f"/v1/sip/registrations/attempts/nosuch/{verb}", body)
        assert found[0] == status
        assert found[1]["error"].startswith(error)


async def test_the_commands(tmp_path: Path) -> None:
    assert {TABLE.commands[name].built for name in ("accept_registration", "list_sip_registrations")} == {True}
    async with open_bench(tmp_path) as bench:
        bind(bench, "<sip:alice@192.0.2.9>")
        remove = TABLE.commands["delete_sip_registration"]
        assert remove.payload_names == ("aor",)
        assert remove.body is not None
        assert remove.run(bench.services, "sip:alice@pbx.test", remove.body()) == {"status": "unbound"}
        with pytest.raises(CommandError):
            remove.run(bench.services, "", remove.body())
