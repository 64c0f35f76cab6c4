"""What the exchange says of RTCP is what the port does (RFC 3605, RFC 5761)."""

from __future__ import annotations

import pytest

from tests.legs.sip.world import sdp, settle, world


@pytest.mark.parametrize(
    ("extra", "port", "mux"),
    [("", 40001, False), ("a=rtcp-mux", 40000, True), ("a=rtcp:50000", 50000, False)],
)
async def test_where_reports_go(extra: str, port: int, mux: bool) -> None:
    async with world() as w:
        session = w.peer.call(sdp(extra=extra))
        await settle()
        (leg,) = w.legs.all()
        leg.answer()
        await settle()
        assert leg.port is not None
        assert leg.port.inbound.params is not None
        rtcp = leg.port.inbound.params.rtcp
        assert rtcp is not None
        assert (rtcp.port, rtcp.mux) == (port, mux)
        control = leg.port.inbound.control
        assert control is not None
        assert (control.sock is None) == mux
        w.peer.do(session.bye)
        await settle()
        assert control.closed
        assert control.sock is None
