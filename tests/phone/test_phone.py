"""Two phones on loopback: real sockets, virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio

from vb.demo.signals import RATE, Utterance, speech
from vb.dsp.correlate import align, window_correlations
from vb.phone import command
from vb.phone.call import CallRefused, PhoneCall
from vb.phone.phone import Phone, PhoneSettings, open_phone
from vb.phone.trace import ladder
from vb.sip.errors import LocalError


@asynccontextmanager
async def open_phone_later(settings: PhoneSettings) -> AsyncIterator[Phone]:
    """A phone whose clock ticks between those of one opened before: at one instant their order would be chance."""
    await trio.sleep(0.007)
    async with open_phone(settings) as phone:
        yield phone


async def answer_next(phone: Phone) -> None:
    call = await phone.wait_call()
    call.ring()
    call.answer()
    await call.wait_answered()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_what_one_says_the_other_hears(transport: str) -> None:
    alice_settings = PhoneSettings(user="alice", transport=transport, seed=1)  # type: ignore[arg-type]
    bob_settings = PhoneSettings(user="bob", transport=transport, seed=2)  # type: ignore[arg-type]
    async with open_phone(alice_settings) as alice, open_phone_later(bob_settings) as bob:
        call = await alice.dial(str(bob.uri))
        other = await bob.wait_call()
        other.ring()
        await call.wait_ringing()
        other.answer()
        assert (await call.wait_answered()).codec.name == "PCMU"
        await other.wait_answered()
        said = speech(1, 3.0)
        call.port.add_source(Utterance(said))
        await trio.sleep(4)
        heard = other.heard.samples()
        correlations = window_correlations(said, heard, RATE, delay=align(said, heard, RATE))
        assert len(correlations) == 3
        assert correlations.min() > 0.99
        assert np.abs(call.heard.samples()).max() <= 8  # G.711 has no exact zero
        call.port.send_dtmf("5#")
        await trio.sleep(1)
        assert other.digits == ["5", "#"]
        await call.hangup()
        assert (await other.wait_ended(), call.ended_by) == ("remote_bye", "local_bye")
        assert call.statuses == [180, 200]
        assert alice.trace.retransmissions() == 0
        picture = ladder(alice.trace, "alice", "bob")
        assert [name in picture for name in ("INVITE +SDP", "200 OK (INVITE) +SDP", "ACK", "BYE")] == [True] * 4


async def test_a_refused_call_says_why() -> None:
    async with open_phone() as alice, open_phone() as bob:
        call = await alice.dial(str(bob.uri))
        (await bob.wait_call()).reject(486)
        with pytest.raises(CallRefused, match="486") as refused:
            await call.wait_answered()
        assert refused.value.status == 486
        assert not call.answered


async def test_nobody_there_is_told() -> None:
    async with open_phone() as alice:
        call = await alice.dial("sip:nobody@127.0.0.1:9")
        with pytest.raises(CallRefused):
            await call.wait_answered()


async def test_hanging_up_a_ringing_call_cancels_it() -> None:
    async with open_phone() as alice, open_phone() as bob:
        call = await alice.dial(str(bob.uri))
        other = await bob.wait_call()
        other.ring()
        await call.wait_ringing()
        await call.hangup()
        assert await other.wait_ended() == "remote_cancel"


async def test_leaving_the_phone_hangs_up_and_leaves_nothing() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with open_phone() as bob:
        async with open_phone() as alice:
            call = await alice.dial(str(bob.uri))
            await answer_next(bob)
            await call.wait_answered()
        assert alice.calls == []
        assert alice.clock.statistics().rows == 0
        assert alice.pool.in_use == 0
        await trio.sleep(1)
        assert bob.calls == []
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_vb_call_plays_records_and_tells(tmp_path: Path) -> None:
    said = speech(4, 2.0)
    told: list[str] = []
    async with open_phone(PhoneSettings(user="bob")) as bob, trio.open_nursery() as nursery:
        await trio.sleep(0.007)
        nursery.start_soon(answer_and_speak, bob, said)
        order = command.CallOrder(
            str(bob.uri), PhoneSettings(user="cli"), record=tmp_path / "heard.wav", seconds=3, show_ladder=True
        )
        assert await command.place(order, None, told.append) == 0
    heard = command.read_voice(tmp_path / "heard.wav")
    correlations = window_correlations(said, heard.samples, RATE)
    assert correlations.min() > 0.99
    assert told[0].startswith("calling sip:bob@127.0.0.1")
    assert any(line.startswith("answered: PCMU") for line in told)


async def answer_and_speak(phone: Phone, said: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    call = await phone.wait_call()
    call.answer()
    await call.wait_answered()
    call.port.add_source(Utterance(said))


@pytest.mark.parametrize("uri", ["tel:123", "sip:", "http://example.org"])
def test_a_wrong_uri_is_an_error_message(uri: str) -> None:
    told: list[str] = []
    assert command.run(command.CallOrder(uri, PhoneSettings()), told.append) == 2
    assert uri in told[-1]


async def test_hanging_up_before_the_ack_says_bye() -> None:
    async with open_phone() as alice, open_phone() as bob:
        call = await alice.dial(str(bob.uri))
        other = await bob.wait_call()
        other.answer()
        await other.hangup()  # the ACK cannot be there yet
        assert other.ended_by == "local_bye"
        assert await call.wait_ended() == "remote_bye"
        assert call.answered


async def test_a_call_without_a_free_port_is_refused() -> None:
    async with open_phone() as alice, open_phone(PhoneSettings(rtp_ports=(21980, 21980))) as bob:
        first = await alice.dial(str(bob.uri))
        await bob.wait_call()
        second = await alice.dial(str(bob.uri))
        with pytest.raises(CallRefused) as refused:
            await second.wait_answered()
        assert refused.value.status == 503
        assert not first.ended


async def test_an_offer_that_cannot_be_read_is_refused_and_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PhoneCall, "make_offer", lambda _: b"nonsense")
    async with open_phone() as alice, open_phone() as bob:
        call = await alice.dial(str(bob.uri))
        with pytest.raises(CallRefused):
            await call.wait_answered()
        with trio.move_on_after(1) as patience:
            await bob.wait_call()
        assert patience.cancelled_caught


async def test_a_call_that_cannot_be_sent_holds_no_port() -> None:
    async with open_phone() as alice:
        with pytest.raises(LocalError):
            await alice.dial("sip:bob@127.0.0.1", headers=[("X-Wrong", "a\r\nb")])
        assert (alice.pool.in_use, alice.calls) == (0, [])
