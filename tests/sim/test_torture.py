"""The torture messages of RFC 4475 and 5118 against a whole platform: none hurts it, and a call still gets through."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
import trio

from tests.sim.flows import LONG
from tests.sim.network import VirtualNetwork, Weather
from tests.sim.platforms import Site
from vb.legs.sip.outbound_request import OutboundRequest

DATA = Path(__file__).parent.parent / "data"
VERDICTS = {row["name"]: row for row in json.loads((DATA / "rfc4475" / "verdicts.json").read_text())}
STRANGER = ("192.0.2.99", 5060)
HERE, THERE = "192.0.2.1", "192.0.2.2"


def torture() -> list[tuple[str, bytes]]:
    paths = [*sorted((DATA / "rfc4475").glob("*.dat")), *sorted((DATA / "rfc5118").iterdir())]
    return [(path.stem, path.read_bytes()) for path in paths if path.suffix not in (".md", ".json")]


@pytest.mark.parametrize("duplicate", [0.0, 1.0])
async def test_torture_and_then_a_call(duplicate: float) -> None:
    """RFC 4475, RFC 5118: every message, also twice; a malformed request is refused or dropped, and nothing is left."""
    network = VirtualNetwork(Random(1), Weather(duplicate=duplicate))
    here, there = Site(network, HERE, ring_limit=30.0), Site(network, THERE)
    there.on_ringing = lambda leg: leg.answer()
    async with trio.open_nursery() as nursery:
        for site in (here, there):
            await site.run(nursery)
        for name, data in torture():
            start = len(network.log)
            network.send(STRANGER, (HERE, 5060), data)
            await trio.sleep(0.5)
            answers = {p.data.split(b" ", 2)[1] for p in network.log[start:] if p.data.startswith(b"SIP/2.0")}
            if VERDICTS.get(name, {}).get("wellformed") == "N":
                assert all(status >= b"400" for status in answers), name
            here.hang_up_everything()
        leg = here.service.create_outbound(OutboundRequest(to=f"sip:room@{THERE}:5060"))
        await trio.sleep(1)
        assert leg.state == "connected"
        leg.hangup()
        await trio.sleep(LONG)
        for site in (here, there):
            site.assert_nothing_left()
        nursery.cancel_scope.cancel()
    for site in (here, there):
        site.clock.close()
