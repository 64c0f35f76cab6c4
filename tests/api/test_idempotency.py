from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.api.bench import open_bench
from vb.api.idempotency import KEPT_SECONDS, MAX_KEY, Answers
from vb.call.errors import Conflict, Invalid, NotFound


class Work:
    """Something that makes a new thing each time it runs."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.runs = 0
        self.seconds = seconds
        self.problem: Exception | None = None

    async def __call__(self) -> bytes:
        self.runs += 1
        await trio.sleep(self.seconds)
        if self.problem is not None:
            raise self.problem
        return b"%d" % self.runs


async def test_a_repetition_gets_the_first_answer() -> None:
    answers, work = Answers(), Work()
    assert [await answers.once("/p", "k", b"{}", work) for _ in range(3)] == [b"1"] * 3
    assert await answers.once("/p", "other", b"{}", work) == b"2"
    assert await answers.once("/elsewhere", "k", b"{}", work) == b"3"


async def test_another_body_is_refused() -> None:
    answers, work = Answers(), Work()
    await answers.once("/p", "k", b"1", work)
    with pytest.raises(Conflict):
        await answers.once("/p", "k", b"2", work)
    assert work.runs == 1


async def test_repetitions_wait_for_the_first() -> None:
    answers, work, got = Answers(), Work(seconds=1), []

    async def ask() -> None:
        got.append(await answers.once("/p", "k", b"", work))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert got == [b"1"] * 5


async def test_a_refusal_is_not_kept() -> None:
    answers, work = Answers(), Work()
    work.problem = NotFound("leg not found")
    for _ in range(2):
        with pytest.raises(NotFound):
            await answers.once("/p", "k", b"1", work)
    work.problem = None
    assert await answers.once("/p", "k", b"2", work) == b"3"


async def test_who_waited_for_a_refused_request_tries_itself() -> None:
    answers, work, outcomes = Answers(), Work(seconds=1), []
    work.problem = NotFound("leg not found")

    async def ask() -> None:
        try:
            outcomes.append(await answers.once("/p", "k", b"", work))
        except NotFound:
            outcomes.append(b"refused")
            work.problem = None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
    assert outcomes == [b"refused", b"2"]


async def test_a_day_later_it_is_forgotten() -> None:
    answers, work = Answers(), Work()
    await answers.once("/p", "k", b"1", work)
    await trio.sleep(KEPT_SECONDS)
    assert await answers.once("/p", "k", b"2", work) == b"2"
    for number in range(10):
        await answers.once("/p", str(number), b"", work)
    await trio.sleep(KEPT_SECONDS)
    for _ in range(11):
        await answers.once("/p", "x", b"", work)
    assert len(answers) == 1


async def test_their_number_is_bounded() -> None:
    answers, work = Answers(limit=3), Work()
    for number in range(10):
        await answers.once("/p", str(number), b"", work)
    assert len(answers) <= 3
    assert await answers.once("/p", "9", b"", work) == b"10"


async def test_a_key_of_any_length_is_not_taken() -> None:
    with pytest.raises(Invalid):
        await Answers().once("/p", "k" * (MAX_KEY + 1), b"", Work())


async def test_rooms_over_http(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        first = await bench.ask("POST", "/v1/rooms", '{"app_id":"a"}', Idempotency_Key="1")
        again = await bench.ask("POST", "/v1/rooms", '{"APP_ID":"a","unknown":1}', Idempotency_Key="1")
        assert (again[0], again[1]) == (201, first[1])
        status, answer, _ = await bench.ask("POST", "/v1/rooms", '{"app_id":"b"}', Idempotency_Key="1")
        assert (status, list(answer)) == (409, ["instance_id", "error"])
        assert len((await bench.ask("GET", "/v1/rooms"))[1]) == 1
        await bench.ask("POST", "/v1/rooms", '{"app_id":"a"}')
        assert len((await bench.ask("GET", "/v1/rooms"))[1]) == 2


async def test_the_order_of_keys_makes_no_other_body(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for headers in ('{"X-A":"1","X-B":"2"}', '{"X-B":"2","X-A":"1"}'):
            body = f'{{"type":"sip","to":"sip:b@h","headers":{headers}}}'
            assert (await bench.ask("POST", "/v1/legs", body, Idempotency_Key="1"))[0] == 201
        assert len(bench.dialer.requests) == 1


async def test_what_creates_nothing_takes_no_key(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        for _ in range(2):
            assert (await bench.ask("POST", "/v1/rooms/r/legs", '{"leg_id":"x"}', Idempotency_Key="1"))[0] == 400
