"""Transfers over REST: shapes, and what is refused before anything is sent, in the words of the recorded flows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.bench import open_bench

UNDECIDED = "no pending transfer for leg (unknown or already decided)"
UNACCEPTED = "no pending transfer for leg (unknown or already accepted)"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("{}", 400, "missing target"),
        ('{"target": ""}', 400, "missing target"),
        ('{"target": "bob"}', 400, "invalid target URI: missing protocol scheme"),
        ('{"target": "sip:"}', 400, "target URI missing host"),
        ('{"target": "sip:bob@"}', 400, "target URI missing host"),
        ('{"target": "http://x"}', 400, "invalid target URI: a SIP URI is wanted"),
        ('{"target": "tel:+4930"}', 400, "invalid target URI: a SIP URI is wanted"),
        ('{"target": "sip:b o b@h"}', 400, "invalid target URI: unreadable"),
        ("{nope", 400, "invalid JSON"),
        ('{"target": "sip:carol@127.0.0.1:7000"}', 409, "leg must be connected to transfer"),
    ],
)
async def test_transfers_that_cannot_be(tmp_path: Path, body: str, status: int, error: str) -> None:
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        answer = (await bench.ask("POST", f"/v1/legs/{leg.id}/transfer", body))[:2]
        assert answer == (status, {"instance_id": "node-1", "error": error})


async def test_a_transfer_of_no_leg(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        status, answer, _ = await bench.ask("POST", "/v1/legs/nosuch/transfer", '{"target": "sip:b@h"}')
        assert (status, answer["error"]) == (404, "leg not found")


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("accept", None, 404, UNDECIDED),
        ("decline", None, 404, UNACCEPTED),
        ("decline", '{"code": 486}', 404, UNACCEPTED),
        ("decline", '{"code": 200}', 400, "code must be a SIP refusal (300-699)"),
        ("progress", '{"status_code": 180}', 404, "no accepted transfer for leg"),
        ("progress", '{"status_code": 99}', 400, "status_code must be a SIP status (100-699)"),
        ("progress", "{}", 400, "status_code must be a SIP status (100-699)"),
        ("complete", '{"success": true}', 404, "no accepted transfer for leg (accept it first)"),
        ("complete", '{"success": true, "status_code": 100}', 400, "status_code must be a final SIP status (200-699)"),
    ],
)
async def test_decisions_about_nothing(tmp_path: Path, path: str, body: str | None, status: int, error: str) -> None:
    async with open_bench(tmp_path) as bench:
        answer = (await bench.ask("POST", f"/v1/legs/nosuch/transfer/{path}", body))[:2]
        assert answer == (status, {"instance_id": "node-1", "error": error})
