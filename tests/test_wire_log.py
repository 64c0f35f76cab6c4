"""Every SIP message, in the log and with its leg, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from vb import log as logs
from vb.call.traces import CallTraces
from vb.sip.effects import Hop
from vb.wire_log import shown, tracer, wire_log

PEER = Hop("UDP", "192.0.2.1", 5060)
INVITE = (
    b"INVITE sip:alice:hunter2@192.0.2.9 SIP/2.0\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\n"
    b'Proxy-Authorization: Digest username="a",\r\n response="hunter2"\r\nX: the-secret\r\n\r\n'
)
INFO = b"INFO sip:x SIP/2.0\r\nCall-ID: one\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=hunter2\r\n"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    output = io.StringIO()
    logs.set_up("info", stream=output)
    yield output
    root.handlers[:] = before
    root.setLevel(level)


def test_one_line_each_with_its_mark(stream: io.StringIO) -> None:
    trace = wire_log(shown(["the-secret"]))
    trace("in", INVITE, PEER, 0.0)
    trace("out", b"SIP/2.0 100 Trying\r\nCall-ID: one\r\n\r\n", Hop("TCP", "2001:db8::1", 5060), 0.1)
    trace("error", b"SIP/2.0 100 Trying\r\n\r\n", PEER, 0.2)
    trace("in", b"\r\n\r\n", PEER, 0.3)
    first, *rest = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert first["event"] == "< INVITE sip:alice:***@192.0.2.9 SIP/2.0"
    assert first["peer"] == "UDP 192.0.2.1:5060"
    assert "Proxy-Authorization: Digest ***\n" in first["message_text"].replace("\r", "")
    assert [line["event"] for line in rest] == ["> SIP/2.0 100 Trying", "! SIP/2.0 100 Trying"]
    assert rest[0]["peer"] == "TCP [2001:db8::1]:5060"


def test_no_secret_is_in_the_log_or_the_trace(stream: io.StringIO) -> None:
    show = shown(["the-secret"])
    traces = CallTraces(redact=show, now=lambda: 0.0)
    trace = tracer(traces, wire_log(show))
    for message in (INVITE, INFO):
        trace("in", message, PEER, 0.0)
    traces.claim("leg", "one")
    texts = [message.text for message in traces.get("leg").messages()]
    assert len(texts) == len(stream.getvalue().splitlines()) == 2
    for secret in ("hunter2", "the-secret"):
        assert secret not in stream.getvalue()
        assert secret not in "".join(texts)


def test_without_a_log_the_trace_alone_is_asked() -> None:
    traces = CallTraces()
    assert tracer(traces, None) == traces.record
