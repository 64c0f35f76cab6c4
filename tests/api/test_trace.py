"""GET /v1/legs/{id}/trace."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.api.bench import Bench, open_bench
from vb.sip.effects import Hop

US = ("192.0.2.9", 5060)
PEER = Hop("UDP", "192.0.2.1", 5060)
INVITE = (
    b"INVITE sip:bob:hunter2@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5080;branch=z\r\nCall-ID: one\r\n"
    b"CSeq: 1 INVITE\r\nAuthorization: Digest hunter2\r\n\r\n"
)
BUSY = b"SIP/2.0 486 Busy \x1b[2J<b>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\n\r\n"
INFO = b"INFO sip:x SIP/2.0\r\nCall-ID: one\r\nContent-Type: application/dtmf\r\n\r\nhunter2"


def a_call(bench: Bench) -> None:
    traces = bench.services.traces
    traces.claim("L 1", "one")
    traces.record("out", INVITE, PEER, 0.0)
    traces.record("in", INFO, Hop("TCP", "::1", 5062, local=US), 0.5)
    traces.record("in", BUSY, Hop("UDP", "192.0.2.1", 5060, local=US), 1.5)
    traces.end("L 1", "busy")


async def test_as_data(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        a_call(bench)
        status, answer, _ = await bench.ask("GET", "/v1/legs/L%201/trace")
        assert (status, list(answer)) == (200, ["instance_id", "leg_id", "call_id", "messages", "dropped"])
        assert (answer["leg_id"], answer["call_id"], answer["dropped"]) == ("L 1", "one", 0)
        first, info, busy = answer["messages"]
        assert list(first) == ["at", "dir", "transport", "local", "remote", "start_line", "text"]
        assert (first["dir"], first["transport"], first["local"], first["remote"]) == (
            "out",
            "UDP",
            "192.0.2.9:5060",
            "192.0.2.1:5060",
        )
        assert first["start_line"] == "INVITE sip:bob:***@h SIP/2.0"
        assert first["at"].endswith("Z")
        assert (info["remote"], info["text"].endswith("\r\n\r\n***")) == ("[::1]:5062", True)
        assert busy["text"] == BUSY.decode()


async def test_our_address_from_our_own_via_when_nobody_answered(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        bench.services.traces.claim("L", "one")
        bench.services.traces.record("out", INVITE, PEER, 0.0)
        bench.services.traces.record("error", INVITE, PEER, 0.0)
        _, answer, _ = await bench.ask("GET", "/v1/legs/L/trace?format=json")
        (message,) = answer["messages"]
        assert (message["local"], message["failed"]) == ("192.0.2.9:5080", True)


async def test_as_text(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        a_call(bench)
        status, text, headers = await bench.ask("GET", "/v1/legs/L%201/trace?format=text")
        assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        shown = text.decode()
        assert "486 Busy" in shown
        assert "ended: busy" in shown
        assert "\n> " in shown
        assert "\n< " in shown
        assert "\x1b" not in shown


async def test_as_a_picture(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        a_call(bench)
        status, picture, headers = await bench.ask("GET", "/v1/legs/L%201/trace?format=svg")
        assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
        assert "script" not in headers["Content-Security-Policy"]
        assert ElementTree.fromstring(picture.decode()).tag.endswith("svg")


@pytest.mark.parametrize("form", ["json", "text", "svg"])
async def test_no_secret_is_in_any_form(tmp_path: Path, form: str) -> None:
    async with open_bench(tmp_path) as bench:
        a_call(bench)
        _, answer, _ = await bench.ask("GET", f"/v1/legs/L%201/trace?format={form}")
        assert "hunter2" not in (answer.decode() if isinstance(answer, bytes) else str(answer))


@pytest.mark.realtime
@pytest.mark.parametrize("form", ["json", "text", "svg"])
async def test_a_long_one_is_drawn_beside_the_media_clock(tmp_path: Path, form: str) -> None:
    async with open_bench(tmp_path) as bench:
        a_call(bench)
        for number in range(300):
            bench.services.traces.record("in", BUSY + b"x" * 500, PEER, float(number))
        status, answer, _ = await bench.ask("GET", f"/v1/legs/L%201/trace?format={form}")
        assert status == 200
        if form == "json":
            assert (len(answer["messages"]), answer["dropped"]) == (200, 103)


async def test_what_there_is_not(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        assert (await bench.ask("GET", "/v1/legs/none/trace"))[:1] == (404,)
        status, answer, _ = await bench.ask("GET", "/v1/legs/none/trace?format=pdf")
        assert (status, answer["error"]) == (400, 'unknown format "pdf"')
        _, leg, _ = await bench.ask("POST", "/v1/legs", '{"type":"sip","uri":"sip:b@192.0.2.1"}')
        for form in ("json", "text", "svg"):  # a leg that has said nothing
            status, answer, _ = await bench.ask("GET", f"/v1/legs/{leg['id']}/trace?format={form}")
            assert status == 200
