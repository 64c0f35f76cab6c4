"""The operation that asks an inbound caller for credentials, over REST and as a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.bench import Bench, open_bench
from tests.room.stage import StageLeg
from vb.api.operation import TABLE
from vb.call.errors import Conflict
from vb.legs.sip.challenge import terms_of

GOOD = {"realm": "lab", "username": "alice", "password": "pw", "algorithm": "SHA-256", "qop": ["auth"]}


class ChallengedLeg(StageLeg):
    """A leg that checks what it is asked, and keeps it."""

    asked: dict[str, Any] | None = None

    def challenge(self, **terms: Any) -> None:
        terms_of(**terms)
        if self.state != "ringing":
            raise Conflict(f"leg is {self.state}, not ringing")
        self.asked = terms


def caller(bench: Bench) -> ChallengedLeg:
    leg = ChallengedLeg(bench.stage.bus, "sip_inbound")
    bench.stage.legs.add(leg)
    bench.stage.nursery.start_soon(leg.live)
    return leg


async def test_a_challenge_reaches_the_leg(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        leg = caller(bench)
        answer = await bench.ask("POST", f"/v1/legs/{leg.id}/challenge", json.dumps(GOOD | {"max_expires": 60}))
        assert answer[:2] == (202, {"instance_id": "node-1", "status": "challenging"})
        assert leg.asked == GOOD | {"ha1": ""}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("{}", "realm is required"),
        ('{"realm": "lab"}', "password or ha1 is required"),
        ('{"username": "a", "password": "b"}', "realm is required"),
        ('{"realm": "lab", "password": "b", "algorithm": "MD4"}', "unknown algorithm"),
        ('{"realm": "lab", "password": "b", "qop": ["weird"]}', "unknown qop"),
        ('{"realm": "lab", "ha1": "zz"}', "ha1 must be"),
        ("{nope", "invalid JSON"),
        ('{"realm": 7}', ""),
    ],
)
async def test_what_is_wrong_with_a_challenge(tmp_path: Path, body: str, error: str) -> None:
    async with open_bench(tmp_path) as bench:
        status, answer, _ = await bench.ask("POST", f"/v1/legs/{caller(bench).id}/challenge", body)
        assert status == 400
        assert answer["error"].startswith(error)


async def test_legs_that_cannot_be_challenged(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        body = json.dumps(GOOD)
        status, answer, _ = await bench.ask("POST", "/v1/legs/nosuch/challenge", body)
        assert (status, answer["error"]) == (404, "leg not found")
        leg = caller(bench)
        leg.state = "connected"
        status, answer, _ = await bench.ask("POST", f"/v1/legs/{leg.id}/challenge", body)
        assert (status, answer["error"]) == (409, "leg is connected, not ringing")
        other = await bench.stage.leg()
        assert (await bench.ask("POST", f"/v1/legs/{other.id}/challenge", body))[0] == 400


def test_the_command() -> None:
    operation = TABLE.commands["challenge_leg"]
    assert operation is TABLE.operations["challengeLeg"]
    assert operation.built
