"""Log lines: JSON, one each, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from vb import log as logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    output = io.StringIO()
    logs.set_up("info", secrets=["s3cr3t-value"], instance_id="node-1", stream=output)
    yield output
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_object_per_line_with_what_was_given(stream: io.StringIO) -> None:
    logging.getLogger("vb.legs").info("leg %s", "rings", extra={"leg_id": "L", "empty": "", "none": None})
    logging.getLogger("vb.legs").debug("not at this level")
    (line,) = lines(stream)
    assert line.pop("time")
    assert line == {
        "level": "info",
        "event": "leg rings",
        "leg_id": "L",
        "logger": "vb.legs",
        "instance_id": "node-1",
    }
    assert stream.getvalue().startswith('{"time":')


def test_an_exception_stays_on_its_line(stream: io.StringIO) -> None:
    try:
        {}["bug"]
    except KeyError:
        logging.getLogger("vb").exception("crashed")
    (line,) = lines(stream)
    assert "KeyError" in str(line["exception"])


def test_values_that_json_does_not_know(stream: io.StringIO) -> None:
    logging.getLogger("vb").info("odd", extra={"what": {1, 2}, "error": OSError("gone")})
    assert lines(stream)[0]["error"] == "gone"


@pytest.mark.parametrize(
    "extra",
    [
        {"password": "hunter22"},
        {"webhook_secret": "hunter22"},
        {"headers": {"Authorization": "Digest hunter22"}},
        {"settings": {"api_key": "hunter22"}},
        {"url": "https://user:hunter22@example.test/x"},
        {"url": "https://user:first@hunter22@example.test/x"},
        {"url": "wss://x/rtc?access_token=hunter22&b=1"},
        {"sip": 'INVITE sip:x SIP/2.0\r\nAuthorization: Digest username="a",\r\n response="hunter22"\r\nTo: x\r\n'},
        {"sip": "X-Webhook-Secret: hunter22\r\n"},
        {"sdp": "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:hunter22abcd\r\n"},
        {"digits": "hunter22"},
        {"list": ["https://a:hunter22@b/"]},
    ],
)
def test_secrets_are_hidden(stream: io.StringIO, extra: dict[str, object]) -> None:
    logging.getLogger("vb").info("seen", extra=extra)
    assert "hunter22" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_a_url_without_credentials_stays_whole(stream: io.StringIO) -> None:
    urls = ["http://host/a?mail=me@example.org", "http://host?mail=me@example.org", "http://host#me@example.org"]
    logging.getLogger("vb").info("seen", extra={"urls": urls})
    assert lines(stream)[0]["urls"] == urls


def test_configured_secrets_are_hidden_wherever_they_turn_up(stream: io.StringIO) -> None:
    logging.getLogger("vb").info("posting with s3cr3t-value", extra={"x": "a s3cr3t-value b"})
    assert "s3cr3t-value" not in stream.getvalue()


def test_other_libraries_are_quiet(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET …")
    logging.getLogger("httpx").warning("odd")
    assert [line["event"] for line in lines(stream)] == ["odd"]
