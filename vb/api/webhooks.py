"""Webhooks: every event that somebody wants posted, in order for each URL, and no URL waits for another."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import attrs
import trio

from vb.api.metrics import Family, counter
from vb.api.undelivered import Undelivered, write_undelivered
from vb.call.events import Event, Webhook

log = logging.getLogger("vb.api")

HURRIED_POSTS: Final = 16
"""Posts to one URL at a time when the process ends."""
OUTCOMES: Final = ("success", "exhausted", "request_error", "marshal_error")


class BadTarget(Exception):
    """No request can be made of this URL: trying again would not help."""


class Poster(Protocol):
    """Posts once: the status, or any exception. Raises BadTarget when the URL can never work."""

    async def __call__(self, url: str, headers: list[tuple[str, str]], body: bytes) -> int: ...


@attrs.frozen(kw_only=True)
class WebhookSettings:
    """``default`` gets what no leg or room claims. ``undelivered``: the file for what could not be posted in time."""

    default: Webhook | None = None
    queue: int = 1000
    waits: tuple[float, ...] = (2.0, 4.0)
    timeout: float = 10.0
    total: int = 20_000
    undelivered: Path | None = None


Delivery = tuple[Event, Webhook]


@attrs.define(eq=False)
class _Waiting:
    """The events for one URL: those not yet begun, oldest first, and those being posted."""

    events: deque[Delivery] = attrs.field(factory=deque)
    posting: list[Delivery] = attrs.field(factory=list)

    @property
    def size(self) -> int:
        return len(self.events) + len(self.posting)


class Webhooks:
    """Subscribe ``on_event`` to the bus; ``run`` delivers."""

    def __init__(self, settings: WebhookSettings, post: Poster) -> None:
        self.enqueued = 0
        self.dropped = 0
        self.outcomes: Counter[str] = Counter()
        self._settings = settings
        self._post = post
        self._queues: dict[str, _Waiting] = {}
        self._waiting = 0
        self._nursery: trio.Nursery | None = None
        self._idle = trio.Event()
        self._idle.set()
        self._hurry = trio.Event()
        self._failed_late: list[Undelivered] = []

    def on_event(self, event: Event) -> None:
        """Queue the event for whoever is to get it; never waits."""
        target = event.route or self._settings.default
        if target is None:
            return
        queue = self._queues.get(target.url)
        if self._waiting >= self._settings.total or (queue and queue.size >= self._settings.queue):
            self.dropped += 1
            return
        self.enqueued += 1
        self._waiting += 1
        self._idle = trio.Event() if self._idle.is_set() else self._idle
        if queue is None:
            queue = self._queues[target.url] = _Waiting()
            if self._nursery is not None:
                self._nursery.start_soon(self._deliver_all, target.url, queue)
        queue.events.append((event, target))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled; what is left then goes into the file."""
        try:
            async with trio.open_nursery() as self._nursery:
                for url, queue in self._queues.items():
                    self._nursery.start_soon(self._deliver_all, url, queue)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._keep_undelivered()

    async def flush(self, seconds: float) -> bool:
        """Attempt everything that is queued, at most so long; whether nothing is left. For the end of the process.

        From now on nothing is tried twice and one URL gets several posts at a time: better out of order than not at
        all. What fails goes into the file too.
        """
        self._hurry.set()
        if self._nursery is not None:
            for url, queue in self._queues.items():
                for _ in range(min(len(queue.events), HURRIED_POSTS)):
                    self._nursery.start_soon(self._deliver_all, url, queue)
        with trio.move_on_after(seconds):
            await self._idle.wait()
        return self._waiting == 0

    def families(self) -> Iterator[Family]:
        yield counter(
            "voiceblender_webhook_enqueued_total",
            "Total events accepted onto the webhook delivery queue.",
            self.enqueued,
        )
        yield counter(
            "voiceblender_webhook_dropped_total",
            "Total events dropped because the webhook delivery queue was full.",
            self.dropped,
        )
        yield Family(
            "voiceblender_webhook_deliveries_total",
            "counter",
            "Total webhook deliveries by outcome.",
            tuple(("", (("outcome", word),), self.outcomes[word]) for word in OUTCOMES if self.outcomes[word]),
        )

    async def _deliver_all(self, url: str, queue: _Waiting) -> None:
        while queue.events:
            delivery = queue.events.popleft()
            queue.posting.append(delivery)
            outcome = await self._deliver(*delivery)
            queue.posting.remove(delivery)
            self.outcomes[outcome] += 1
            self._waiting -= 1
            if self._waiting == 0:
                self._idle.set()
        if not queue.size:
            self._queues.pop(url, None)

    async def _deliver(self, event: Event, target: Webhook) -> str:
        try:
            body = event.json
        except Exception:
            log.exception("event cannot be written as JSON", extra={"event_type": event.type})
            return "marshal_error"
        headers = headers_of(event, target, body)
        for wait in (*self._settings.waits, 0.0):
            try:
                problem = await self._attempt(target.url, headers, body)
            except BadTarget as error:
                log.warning("webhook URL cannot be used", extra={"event_id": event.event_id, "error": str(error)})
                return "request_error"
            if not problem:
                return "success"
            if self._hurry.is_set():
                self._failed_late.append(Undelivered(target.url, event))
                break
            with trio.move_on_after(wait):
                await self._hurry.wait()
        log.warning("webhook given up", extra={"event_id": event.event_id, "error": problem})
        return "exhausted"

    async def _attempt(self, url: str, headers: list[tuple[str, str]], body: bytes) -> str:
        """One attempt: "" for success, else why not."""
        try:
            with trio.fail_after(self._settings.timeout):
                status = await self._post(url, headers, body)
        except BadTarget:
            raise
        except trio.TooSlowError:
            return "timeout"
        except Exception as error:
            return str(error) or type(error).__name__
        return "" if 200 <= status < 300 else f"status {status}"

    def _keep_undelivered(self) -> None:
        left = self._failed_late + [
            Undelivered(url, event)
            for url, queue in self._queues.items()
            for event, _ in (*queue.posting, *queue.events)
        ]
        if not left:
            return
        log.warning("webhooks not delivered", extra={"count": len(left)})
        if self._settings.undelivered is not None:
            write_undelivered(self._settings.undelivered, left)


def headers_of(event: Event, target: Webhook, body: bytes) -> list[tuple[str, str]]:
    """The headers of one delivery, the same for every attempt."""
    headers = [("Content-Type", "application/json"), ("X-Event-Id", event.event_id)]
    if target.secret:
        digest = hmac.new(target.secret.encode(), body, hashlib.sha256).hexdigest()
        headers.append(("X-Signature-256", f"sha256={digest}"))
    return headers


Subscribe = Callable[[Callable[[Event], None]], Callable[[], None]]
