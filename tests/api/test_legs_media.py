"""GET /v1/legs/{id}/media."""

from __future__ import annotations

from pathlib import Path

from tests.api.bench import open_bench
from tests.media.stage import staged
from vb.media.settings import RtcpParams
from vb.rtp.rtcp import ReceiverReport, ReportBlock, build_rtcp


async def test_a_talking_leg(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        with staged("epoll") as media:
            peer = media.peer(configure=False)
            host, number = peer.sock.getsockname()
            peer.port.configure(media.stream(peer, rtcp=RtcpParams(host, number, mux=True)))
            media.settle(peer)
            for _ in range(100):
                peer.say(8192)
                media.tick()
            ssrc = int(media.clock.rows.ssrc[peer.port.row])
            peer.send(build_rtcp([ReceiverReport(9, (ReportBlock(ssrc, lost=2, jitter=80),))]))
            media.tick()
            leg.port = peer.port
            status, answer, _ = await bench.ask("GET", f"/v1/legs/{leg.id}/media")
            leg.port = None
    assert status == 200
    assert list(answer) == [
        "instance_id",
        "leg_id",
        "codec",
        "local",
        "remote",
        "srtp",
        "received",
        "sent",
        "remote_report",
        "mos",
        "gaps",
        "series",
    ]
    assert (answer["leg_id"], answer["codec"], answer["srtp"]) == (leg.id, "PCMU", "")
    assert (answer["local"], answer["remote"]) == (f"127.0.0.1:{peer.port.local[1]}", f"{host}:{number}")
    assert answer["received"] == {
        "packets": 104,
        "lost": 0,
        "late": 0,
        "duplicates": 0,
        "jitter_ms": 0.0,
        "buffer_ms": 0,
        "concealed": 0,
    }
    assert answer["sent"]["packets"] > 100
    report = answer["remote_report"]
    assert (report["lost"], report["jitter_ms"], report["rtt_ms"]) == (2, 10.0, None)
    assert answer["mos"] > 4
    assert len(answer["series"]) == 2
    assert list(answer["series"][-1]) == ["at", "level_in", "level_out", "jitter_ms", "buffer_ms", "lost", "gaps"]
    assert 0.2 < answer["series"][-1]["level_in"] < 0.3


async def test_a_leg_without_audio(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        leg.port = None
        status, answer, _ = await bench.ask("GET", f"/v1/legs/{leg.id}/media")
        assert status == 200
        assert (answer["codec"], answer["remote"], answer["remote_report"], answer["mos"]) == ("", "", None, None)
        assert answer["series"] == []


async def test_no_such_leg(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        status, answer, _ = await bench.ask("GET", "/v1/legs/nobody/media")
        assert (status, answer["error"]) == (404, "leg not found")
