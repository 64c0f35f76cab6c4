"""The HTTP side against recorded exchanges, and the places where we mean to differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import trio

from tests.api.bench import Bench, ask_asgi, open_bench
from tests.api.recorded import Same, body_of, recorded
from vb.api.allow_list import AllowList, parse_networks
from vb.api.operation import TABLE, Operation

# What was recorded of a defect, and what we answer instead: malformed JSON is refused everywhere.
OURS: dict[tuple[str, str | None], int] = {
    ("/v1/rooms", "{nope"): 400,
    ("/v1/rooms", '{"id":"a"} trailing'): 400,
    ("/v1/rooms", '{"id": 7}'): 400,
}
NOT_BUILT = ("/tts", "/trunks", "/offer")


async def replay(bench: Bench, name: str, **options: Any) -> None:
    same = Same()
    for step in recorded(name):
        path, body = step["path"], body_of(step)
        headers = {key.replace("-", "_"): value for key, value in step.get("request_headers", {}).items()}
        status, answer, shown = await bench.ask(step["method"], path, body, **headers, **options)
        what = f"{step['method']} {path} {body}"
        if path.endswith(NOT_BUILT):
            assert status == 501, what
            continue
        assert status == OURS.get((path, body), step["status"]), what
        if status == 404 or status == 405:
            assert list(answer) == ["instance_id", "error"], what
            assert status == 404 or shown["Allow"], what
        elif status == step["status"] and "response" in step and step["method"] != "HEAD":
            assert same.matches(step["response"], answer), (what, step["response"], answer)


async def test_http_shapes_as_recorded(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        await replay(bench, "http_shapes")


async def test_rooms_as_recorded(tmp_path: Path) -> None:
    steps = recorded("rooms_crud")
    async with open_bench(tmp_path) as bench:
        same = Same()
        for step in steps:
            body = body_of(step)
            status, answer, _ = await bench.ask(step["method"], step["path"], body)
            assert status == OURS.get((step["path"], body), step["status"]), step
            if status == step["status"] and isinstance(step.get("response"), dict):
                assert same.matches(step["response"], answer), step


async def test_refusals_of_bad_calls_as_recorded(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for step in recorded("outbound_validation"):
            kind = (step.get("body") or {}).get("type")
            if step["status"] == 201 or kind == "websocket" or "uri" in str(step["response"]).lower():
                continue  # what the dialer checks is tested with it
            if "codec" in step["response"]["error"]:
                continue
            status, answer, _ = await bench.ask(step["method"], step["path"], body_of(step))
            assert status == 400
            assert answer["error"].startswith(step["response"]["error"]), step


async def test_answer_of_a_room_is_exact(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        _, headers, text = await ask_asgi(bench.app, "POST", "/v1/rooms", b'{"id":"r"}', "127.0.0.1", {})
        assert text == b'{"instance_id":"node-1","id":"r","sample_rate":16000,"participants":[]}\n'
        assert headers == {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": "Content-Type, Authorization",
            "Content-Type": "application/json",
            "Content-Length": "72",
        }


async def test_options_answer_nothing_but_cors(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for path in ("/v1/legs", "/nosuch", "/metrics"):
            status, text, headers = await bench.ask("OPTIONS", path)
            assert (status, text) == (204, b"")
            assert "Content-Type" not in headers
            assert "Content-Length" not in headers
            assert headers["Access-Control-Allow-Origin"] == "*"


async def test_methods_and_paths_that_are_not_there(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        status, answer, headers = await bench.ask("PUT", "/v1/legs")
        assert (status, answer) == (405, {"instance_id": "node-1", "error": "method not allowed"})
        assert headers["Allow"] == "GET, POST"
        status, _, headers = await bench.ask("PATCH", "/v1/legs/x")
        assert headers["Allow"] == "DELETE, GET"
        status, answer, _ = await bench.ask("GET", "/v1/legs/")
        assert (status, answer) == (404, {"instance_id": "node-1", "error": "not found"})


async def test_a_websocket_path_without_upgrade(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for path, wanted in (("/v1/vsi", 400), ("/v1/legs/websocket", 501), ("/v1/rooms/r/ws", 501)):
            status, answer, headers = await bench.ask("GET", path)
            assert status == wanted
            assert list(answer) == ["instance_id", "error"]
            assert headers["Connection"] == "close"


async def test_every_operation_is_routed(tmp_path: Path) -> None:
    """Built ones do not know the leg or room; the others say honestly that they are not built."""
    async with open_bench(tmp_path) as bench:
        for operation in TABLE:
            if operation.method == "CONNECT" or operation.websocket or operation.tag == "System":
                continue
            path = operation.url
            for name in operation.parameters:
                path = path.replace("{" + name + "}", "x")
            status, answer, _ = await bench.ask(operation.method, path, "{}")
            if operation.built:
                assert status != 501, operation.name
                assert status in (operation.status, *operation.errors), operation.name
            else:
                assert (status, answer["error"]) == (501, f"{operation.name} is not built yet")


async def test_deny_covers_everything(tmp_path: Path) -> None:
    """OPTIONS too: the original answered those to everybody."""
    denied = AllowList(parse_networks("10.0.0.0/8,2001:db8::/32"))
    async with open_bench(tmp_path, allow_list=denied) as bench:
        for step in recorded("allow_list_denied"):
            status, answer, headers = await bench.ask(step["method"], step["path"], X_Forwarded_For="10.1.1.1")
            assert (status, answer) == (403, {"instance_id": "node-1", "error": "forbidden"}), step
            assert headers["Content-Type"] == "application/json"
            assert headers["Access-Control-Allow-Origin"] == "*"


async def test_trusted_proxy_as_recorded(tmp_path: Path) -> None:
    trusting = AllowList(parse_networks("10.0.0.0/8,::1"), trust_proxy=True)
    async with open_bench(tmp_path, allow_list=trusting) as bench:
        await replay(bench, "allow_list_proxy")


async def test_without_a_list_only_this_machine(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for client, wanted in (("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403)):
            status, _, _ = await bench.ask("GET", "/healthz", client=client)
            assert status == wanted, client


async def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        status, answer, _ = await bench.ask("POST", "/v1/rooms", b"x" * (1024 * 1024 + 1))
        assert (status, answer["error"]) == (413, "body larger than 1048576 bytes")


async def test_the_absolute_form_of_a_path(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        assert (await bench.ask("GET", "http://other.test:80/v1/rooms?x=1"))[:2] == (200, [])
        for odd in ("http://other.test", "*", "v1/rooms"):
            assert (await bench.ask("GET", odd))[0] == 404


async def test_a_body_that_nobody_reads(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        assert (await bench.ask("POST", "/v1/legs/x/mute", "x" * 2_000_000))[0] == 413
        for method, path in (("POST", "/v1/nosuch"), ("PUT", "/v1/legs")):
            _, _, with_body = await bench.ask(method, path, "{}", Content_Length="2")
            _, _, without = await bench.ask(method, path)
            assert (with_body.get("Connection"), without.get("Connection")) == ("close", None)


async def test_calls(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        body = {"type": "sip", "to": "", "uri": "sip:bob@h", "webhook_url": "", "ring_timeout": 0, "app_id": "shop"}
        status, answer, _ = await bench.ask("POST", "/v1/legs", json.dumps({**body, "room_id": "r"}))
        assert status == 201
        assert list(answer) == ["instance_id", "id", "type", "state", "muted", "deaf", "accept_dtmf", "held", "app_id"]
        request = bench.dialer.requests[0]
        assert (request.to, request.ring_timeout, request.webhook, request.accept_dtmf) == ("sip:bob@h", 0, None, True)
        await trio.testing.wait_all_tasks_blocked()
        bench.stage.legs.get(answer["id"]).connect()  # type: ignore[attr-defined]
        await trio.testing.wait_all_tasks_blocked()
        _, room, _ = await bench.ask("GET", "/v1/rooms/r")
        assert [leg["id"] for leg in room["participants"]] == [answer["id"]]


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://h/x", "http://h:99999/", "http://h/a b"])
async def test_a_webhook_that_cannot_be_posted_to(tmp_path: Path, url: str) -> None:
    async with open_bench(tmp_path) as bench:
        for path, body in (("/v1/legs", {"type": "sip", "to": "sip:bob@h"}), ("/v1/rooms", {"id": "r"})):
            status, answer, _ = await bench.ask("POST", path, json.dumps({**body, "webhook_url": url}))
            assert (status, answer["error"].partition(":")[0]) == (400, "invalid webhook_url")
        assert bench.dialer.requests == []


@pytest.mark.parametrize("extra", [{"amd": {}}, {"rtt": True}, {"streams": [{}]}, {"type": "whatsapp"}])
async def test_what_a_call_cannot_have_yet(tmp_path: Path, extra: dict[str, Any]) -> None:
    async with open_bench(tmp_path) as bench:
        status, _, _ = await bench.ask("POST", "/v1/legs", json.dumps({"type": "sip", "to": "sip:b@h", **extra}))
        assert status == 501
        assert bench.dialer.requests == []


async def test_speech_detection_is_asked_for_by_call(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for asked, wanted in (
            ("{}", False),
            ('{"speech_detection":true}', True),
            ('{"speech_detection":false}', False),
        ):
            leg = await bench.stage.leg(connected=False)
            assert (await bench.ask("POST", f"/v1/legs/{leg.id}/answer", asked))[0] == 202
            assert leg.connect().detects_speech is wanted
        for asked in (None, True, False):
            body = {"type": "sip", "to": "sip:b@h", "speech_detection": asked}
            assert (await bench.ask("POST", "/v1/legs", json.dumps(body)))[0] == 201
            assert bench.dialer.requests[-1].speech_detection is asked
        assert (await bench.ask("POST", "/v1/legs", '{"type":"sip","to":"sip:b@h","speech_detection":1}'))[0] == 400


async def test_verbs_of_a_leg(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        for method, path, wanted, word in (
            ("POST", "mute", 200, "muted"),
            ("DELETE", "mute", 200, "unmuted"),
            ("POST", "deaf", 200, "deaf"),
            ("DELETE", "deaf", 200, "undeaf"),
            ("POST", "dtmf/accept", 200, "dtmf_accepting"),
            ("POST", "dtmf/reject", 200, "dtmf_rejecting"),
            ("POST", "answer", 202, "answering"),
        ):
            status, answer, _ = await bench.ask(method, f"/v1/legs/{leg.id}/{path}")
            assert (status, answer) == (wanted, {"instance_id": "node-1", "status": word})
        status, answer, _ = await bench.ask("POST", f"/v1/legs/{leg.id}/dtmf", '{"digits":"12#"}')
        assert (status, leg.digits) == (200, "12#")
        status, answer, _ = await bench.ask("POST", f"/v1/legs/{leg.id}/dtmf", '{"digits":""}')
        assert (status, answer["error"]) == (400, "digits required")
        status, answer, _ = await bench.ask("DELETE", f"/v1/legs/{leg.id}")
        assert (status, answer["status"]) == (202, "hanging_up")
        status, answer, _ = await bench.ask("DELETE", f"/v1/legs/{leg.id}")
        assert (status, answer["error"]) == (404, "leg not found")


async def test_legs_in_rooms(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        add = json.dumps({"leg_id": leg.id, "mute": True, "role": ""})
        assert (await bench.ask("POST", "/v1/rooms/a/legs", add))[:2] == (
            200,
            {"instance_id": "node-1", "status": "added"},
        )
        assert leg.muted
        assert (await bench.ask("POST", "/v1/rooms/b/legs", add))[1] == {
            "instance_id": "node-1",
            "status": "moved",
            "from": "a",
            "to": "b",
        }
        status, answer, _ = await bench.ask("DELETE", f"/v1/rooms/a/legs/{leg.id}")
        assert status == 400
        status, answer, _ = await bench.ask("DELETE", f"/v1/rooms/b/legs/{leg.id}")
        assert (status, answer["status"]) == (200, "removed")


async def test_playback(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        play = f"/v1/legs/{leg.id}/play"
        for body, wrong in (
            ("{}", "url or tone is required"),
            ('{"tone":""}', "url or tone is required"),
            ('{"url":"x","tone":"us_dial"}', "url and tone are mutually exclusive"),
            ('{"tone":"us_dial","volume":9}', "volume must be between -8 and 8"),
        ):
            status, answer, _ = await bench.ask("POST", play, body)
            assert (status, answer["error"]) == (400, wrong)
        status, answer, _ = await bench.ask("POST", play, '{"tone":"us_dial"}')
        assert status == 200
        assert list(answer) == ["instance_id", "playback_id", "status"]
        one = f"{play}/{answer['playback_id']}"
        assert (await bench.ask("PATCH", one, '{"volume":-3}'))[1]["status"] == "ok"
        assert (await bench.ask("PATCH", one, '{"volume":9}'))[0] == 400
        assert (await bench.ask("PATCH", f"{play}/nosuch", '{"volume":1}'))[1]["error"] == "playback not found"
        assert (await bench.ask("DELETE", one))[1]["status"] == "stopped"
        status, answer, _ = await bench.ask("DELETE", one)
        assert (status, answer["error"]) == (404, "no playback in progress")
        assert (await bench.ask("POST", "/v1/rooms", '{"id":"a"}'))[0] == 201
        status, answer, _ = await bench.ask("POST", "/v1/rooms/a/play", '{"tone":"us_dial"}')
        assert (status, answer["error"]) == (409, "room has no participants")


@pytest.mark.realtime
async def test_recording(tmp_path: Path) -> None:
    """In real time: files are written by threads."""
    async with open_bench(tmp_path) as bench:
        leg = await bench.stage.leg()
        record = f"/v1/legs/{leg.id}/record"
        for body, wanted in (
            ('{"storage":"s3"}', 400),
            ('{"storage":"tape"}', 400),
            ('{"s3_access_key":"k"}', 400),
            ('{"filename":"../up"}', 400),
            ("{nope", 400),
        ):
            assert (await bench.ask("POST", record, body))[0] == wanted, body
        status, answer, _ = await bench.ask("POST", record, '{"storage":"","filename":"mine"}')
        assert (status, answer["status"], answer["file"]) == (200, "recording", str(tmp_path / "mine.wav"))
        assert (await bench.ask("POST", record))[0] == 409
        for verb, word in (("pause", "paused"), ("pause", "already_paused"), ("resume", "resumed")):
            assert (await bench.ask("POST", f"{record}/{verb}"))[1]["status"] == word
        status, answer, _ = await bench.ask("DELETE", record)
        assert (status, answer["status"]) == (200, "stopped")
        status, answer, _ = await bench.ask("DELETE", record)
        assert (status, answer["error"]) == (404, "no recording in progress")


async def test_health(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        assert (await bench.ask("GET", "/healthz"))[1] == {"instance_id": "node-1", "status": "ok"}
        for state, wanted in (("starting", 503), ("ready", 200), ("draining", 503)):
            bench.services.readiness.state = state  # type: ignore[assignment]
            assert (await bench.ask("GET", "/readyz"))[0] == wanted


async def test_documents(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        assert (await bench.ask("GET", "/openapi.json"))[1]["openapi"] == "3.1.0"
        assert (await bench.ask("GET", "/asyncapi.json"))[1]["asyncapi"] == "3.0.0"
        status, text, headers = await bench.ask("GET", "/docs")
        assert status == 200
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert b"https://" not in text
        assert (await bench.ask("GET", "/metrics"))[2]["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_a_crash_is_500_and_one_log_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_bench(tmp_path) as bench:
        bench.services.rooms.view = None  # type: ignore[attr-defined]
        bench.services.rooms.get = None  # type: ignore[method-assign, assignment]
        status, answer, _ = await bench.ask("GET", "/v1/rooms/x")
        assert (status, answer) == (500, {"instance_id": "node-1", "error": "internal error"})
        assert [record.getMessage() for record in caplog.records] == ["operation crashed"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({name for operation in TABLE for name in operation.body_names} | {"ID", "Leg_Id", "TYPE"})
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5).map(lambda value: json.dumps(value).encode()),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
)


def test_no_body_is_ever_500(tmp_path: Path) -> None:
    """Whatever is sent to any operation: 2xx, or a refusal in the one form."""
    with_body = [operation for operation in TABLE if operation.body is not None]

    requests = st.lists(st.tuples(st.sampled_from(with_body), BODIES), min_size=1, max_size=40)

    @hypothesis.given(requests)
    @hypothesis.settings(max_examples=25)
    def check(requests: list[tuple[Operation, bytes]]) -> None:
        trio.run(ask_all, requests)

    async def ask_all(requests: list[tuple[Operation, bytes]]) -> None:
        async with open_bench(tmp_path) as bench:
            for operation, body in requests:
                leg = await bench.stage.leg()
                path = operation.url.replace("{id}", leg.id if operation.tag == "Legs" else "r")
                status, answer, _ = await bench.ask(operation.method, path.replace("{playbackID}", "p"), body)
                assert status in (operation.status, *operation.errors, 501), (operation.name, answer)
                if status >= 300:
                    assert list(answer) == ["instance_id", "error"]

    check()
