"""Webhooks in virtual time, with an endpoint that does what the test says."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from vb.api.metrics import render
from vb.api.webhooks import BadTarget, Webhooks, WebhookSettings
from vb.call.events import EventBus, Webhook

GLOBAL = Webhook("http://global/", "k")


@attrs.frozen
class Post:
    at: float
    url: str
    headers: dict[str, str]
    body: bytes


class Endpoint:
    """Answers by URL: a status, an exception, or a delay in seconds followed by 200."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: dict[str, list[Any]] = {}
        self._began = trio.current_time()

    async def __call__(self, url: str, headers: list[tuple[str, str]], body: bytes) -> int:
        self.posts.append(Post(trio.current_time() - self._began, url, dict(headers), body))
        planned = self.answers.get(url) or [200]
        answer = planned.pop(0) if len(planned) > 1 else planned[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await trio.sleep(answer)
            return 200
        return int(answer)

    def to(self, url: str) -> list[tuple[float, str]]:
        """When what was posted there: (time, room id)."""
        return [(post.at, json.loads(post.body).get("room_id", "")) for post in self.posts if post.url == url]


@attrs.frozen
class FakeRoom:
    id: str
    webhook: Webhook | None = None
    app_id: str = ""


class Bench:
    def __init__(self, settings: WebhookSettings) -> None:
        self.endpoint = Endpoint()
        self.webhooks = Webhooks(settings, self.endpoint)
        self.bus = EventBus("node-1", clock=lambda: 1_000_000_000.0)
        self.bus.subscribe(self.webhooks.on_event)

    def publish(self, room_id: str, webhook: Webhook | None = None) -> None:
        self.bus.publish("room.created", room=FakeRoom(room_id, webhook))

    async def settle(self, seconds: float = 60) -> bool:
        """Whether all is delivered or given up within so many seconds."""
        await trio.sleep(seconds)
        return self.webhooks._waiting == 0


@asynccontextmanager
async def open_bench(**settings: Any) -> AsyncIterator[Bench]:
    bench = Bench(WebhookSettings(**{"default": GLOBAL, **settings}))
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.webhooks.run)
        yield bench
        nursery.cancel_scope.cancel()


async def test_the_form_of_a_delivery() -> None:
    async with open_bench() as bench:
        bench.publish("r1")
        assert await bench.settle(1)
        post = bench.endpoint.posts[0]
        event = json.loads(post.body)
        assert list(event) == ["event_id", "instance_id", "room_id", "timestamp", "type"]
        signature = hmac.new(b"k", post.body, hashlib.sha256).hexdigest()
        assert post.headers == {
            "Content-Type": "application/json",
            "X-Event-Id": event["event_id"],
            "X-Signature-256": f"sha256={signature}",
        }


async def test_no_signature_without_a_secret_and_no_delivery_without_a_url() -> None:
    async with open_bench(default=None) as bench:
        bench.publish("nobody")
        bench.publish("r1", Webhook("http://room/"))
        assert await bench.settle(1)
        assert [(post.url, "X-Signature-256" in post.headers) for post in bench.endpoint.posts] == [
            ("http://room/", False)
        ]


async def test_the_room_s_webhook_comes_before_the_global_one() -> None:
    async with open_bench() as bench:
        bench.publish("r1", Webhook("http://room/"))
        bench.publish("r2")
        assert await bench.settle(1)
        assert bench.endpoint.to("http://room/") == [(0, "r1")]
        assert bench.endpoint.to("http://global/") == [(0, "r2")]


async def test_three_attempts_with_the_same_bytes() -> None:
    """As recorded: attempts at 0, 2 and 6 seconds; the third succeeds, then the next event follows."""
    async with open_bench() as bench:
        bench.endpoint.answers["http://global/"] = [500, 500, 204]
        bench.publish("r1")
        bench.publish("r2")
        assert await bench.settle()
        assert bench.endpoint.to("http://global/") == [(0, "r1"), (2, "r1"), (6, "r1"), (6, "r2")]
        first, second, third, _ = bench.endpoint.posts
        assert (first.body, first.headers) == (second.body, second.headers) == (third.body, third.headers)
        assert bench.webhooks.outcomes == {"success": 2}


async def test_what_is_no_success() -> None:
    async with open_bench() as bench:
        for number, wrong in enumerate([301, 404, 500, 199, OSError("refused"), trio.BrokenResourceError()]):
            url = f"http://x{number}/"
            bench.endpoint.answers[url] = [wrong]
            bench.publish("r", Webhook(url))
        assert await bench.settle()
        assert bench.webhooks.outcomes == {"exhausted": 6}
        assert len(bench.endpoint.posts) == 18


async def test_an_attempt_ends_after_ten_seconds() -> None:
    async with open_bench() as bench:
        bench.endpoint.answers["http://global/"] = [1e6, 200]
        bench.publish("r1")
        assert await bench.settle()
        assert bench.endpoint.to("http://global/") == [(0, "r1"), (12, "r1")]


async def test_a_url_that_cannot_work_is_tried_once() -> None:
    async with open_bench() as bench:
        bench.endpoint.answers["nonsense"] = [BadTarget("no URL")]
        bench.publish("r1", Webhook("nonsense"))
        assert await bench.settle()
        assert bench.webhooks.outcomes == {"request_error": 1}
        assert len(bench.endpoint.posts) == 1


async def test_a_slow_url_delays_no_other_and_order_is_kept() -> None:
    async with open_bench() as bench:
        bench.endpoint.answers["http://slow/"] = [9.0]
        for number in range(3):
            bench.publish(f"s{number}", Webhook("http://slow/"))
            bench.publish(f"q{number}")
        assert await bench.settle()
        assert bench.endpoint.to("http://global/") == [(0, "q0"), (0, "q1"), (0, "q2")]
        assert bench.endpoint.to("http://slow/") == [(0, "s0"), (9, "s1"), (18, "s2")]


async def test_queues_are_bounded_for_each_url_and_in_all() -> None:
    async with open_bench(queue=3, total=5) as bench:
        bench.endpoint.answers["http://global/"] = [1e6]
        bench.endpoint.answers["http://other/"] = [1e6]
        for number in range(5):
            bench.publish(str(number))
        assert (bench.webhooks.enqueued, bench.webhooks.dropped) == (3, 2)
        for number in range(5):
            bench.publish(str(number), Webhook("http://other/"))
        assert (bench.webhooks.enqueued, bench.webhooks.dropped) == (5, 5)


async def test_what_cannot_be_posted_in_time_is_kept_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "state" / "undelivered-webhooks.jsonl"
    async with open_bench(undelivered=path) as bench:
        bench.endpoint.answers["http://u:p@slow/x?token=t"] = [1e6]
        for number in range(2):
            bench.publish(f"r{number}", Webhook("http://u:p@slow/x?token=t", "secret"))
        bench.publish("quick")
        assert not await bench.webhooks.flush(3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["url"], line["event"]["room_id"]) for line in lines] == [
        ("http://slow/x", "r0"),
        ("http://slow/x", "r1"),
    ]
    assert "secret" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_events_from_before_the_start_are_delivered() -> None:
    bench = Bench(WebhookSettings(default=GLOBAL))
    bench.publish("early")
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.webhooks.run)
        assert await bench.settle(1)
        nursery.cancel_scope.cancel()
    assert bench.endpoint.to("http://global/") == [(0, "early")]


async def test_no_task_or_queue_is_left_of_a_url() -> None:
    async with open_bench() as bench:
        for number in range(50):
            bench.publish("r", Webhook(f"http://leg{number}/"))
        assert await bench.settle(1)
        assert bench.webhooks._queues == {}


async def test_its_metrics() -> None:
    async with open_bench() as bench:
        bench.publish("r1")
        await bench.settle(1)
        text = render(list(bench.webhooks.families())).decode()
        assert "voiceblender_webhook_enqueued_total 1\n" in text
        assert "voiceblender_webhook_dropped_total 0\n" in text
        assert 'voiceblender_webhook_deliveries_total{outcome="success"} 1\n' in text


async def test_the_end_attempts_every_event_even_behind_one_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "undelivered-webhooks.jsonl"
    async with open_bench(undelivered=path) as bench:
        bench.endpoint.answers["http://global/"] = [500, 500, 200, 1e6, 200]
        for number in range(4):
            bench.publish(str(number))
        await trio.sleep(1)
        assert bench.endpoint.to("http://global/") == [(0, "0")]
        assert not await bench.webhooks.flush(3)
        tried = bench.endpoint.to("http://global/")[1:]
        assert sorted(tried) == [(1, "0"), (1, "1"), (1, "2"), (1, "3")]
    kept = {json.loads(line)["event"]["room_id"] for line in path.read_text().splitlines()}
    assert len(kept) == 2  # the one that failed now, and the one that was not answered
    assert bench.webhooks.outcomes["success"] == 2
