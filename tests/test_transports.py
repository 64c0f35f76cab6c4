"""Two servers in this process call each other over the transports that need more than a socket."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.net.certificates import Authority
from tests.test_app import serving, settings
from vb.app import StartError
from vb.legs.sip.outbound_request import OutboundRequest

pytestmark = pytest.mark.realtime


@pytest.mark.parametrize("form", ["sips:bob@127.0.0.1:{}", "sip:bob@127.0.0.1:{};transport=tls"])
@pytest.mark.parametrize("who_hangs_up", ["caller", "callee"])
async def test_a_call_over_tls(tmp_path: Path, form: str, who_hangs_up: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("127.0.0.1")
    ours = settings(tmp_path, SIP_PORT="0", SIP_TLS_PORT="0", SIP_TLS_CERT=certificate, SIP_TLS_KEY=key)
    theirs = settings(tmp_path, SIP_PORT="0", SIP_TLS_CA_FILE=authority.path)
    async with serving(ours) as callee, serving(theirs) as caller:
        port = callee.app.sip_ports["TLS"]
        out = caller.app.sip.create_outbound(OutboundRequest(to=form.format(port)))
        await callee.wait_for("leg.ringing")
        (leg,) = callee.app.legs.all()
        leg.answer()
        await callee.wait_for("leg.connected")
        await caller.wait_for("leg.connected")
        (out if who_hangs_up == "caller" else leg).hangup()
        for server in (caller, callee):
            await server.wait_for("leg.disconnected")
        await trio.sleep(0.05)
        for server in (caller, callee):
            assert server.app.endpoint.statistics().sends_failed == 0
            assert server.app.endpoint.statistics().open_connections == 1
            assert server.app.endpoint.statistics().datagrams_out == 0


async def test_a_certificate_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    config = settings(tmp_path, SIP_TLS_PORT="0", SIP_TLS_CERT="/no/such.pem", SIP_TLS_KEY="/no/such.key")
    with pytest.raises(StartError, match=r'^SIP_TLS_CERT="/no/such.pem" cannot be used'):
        async with serving(config):
            raise AssertionError("it started")
