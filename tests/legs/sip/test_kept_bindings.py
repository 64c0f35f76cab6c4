"""Registrations that outlive the process."""

from __future__ import annotations

import logging
from pathlib import Path

import attrs
import pytest
import trio

from tests.sip.test_location import BINDING
from tests.sip.test_registrar import AOR, FLOW, asks, users
from vb.legs.sip.kept_bindings import KeptBindings
from vb.sip.registrar import Registrar, RegistrarPolicy
from vb.store.bindings import BindingStore

pytestmark = pytest.mark.realtime  # threads


async def test_they_are_there_again(tmp_path: Path) -> None:
    path, now = tmp_path / "registrations.sqlite", trio.current_time()
    registrar = Registrar(RegistrarPolicy())
    kept = KeptBindings(registrar, BindingStore(path))
    await kept.load(1000.0 - now)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.run)
        registrar.carry_out(asks(1, ("a", 100), ("b", 200)), FLOW, now)
        kept.note(AOR)
        for _ in range(500):
            await trio.sleep(0.01)
            if users_in(path):
                break
        registrar.carry_out(asks(2, ("a", 0), ("c", 60)), FLOW, now)
        kept.note(AOR)
        nursery.cancel_scope.cancel()  # the last change is written all the same
    later = Registrar(RegistrarPolicy())
    other = KeptBindings(later, BindingStore(path))
    await other.load(1070.0 - trio.current_time())  # 70 s later: c has expired
    assert users(later, trio.current_time()) == ["b"]
    (binding,) = later.bindings(AOR, trio.current_time())
    assert binding.expires - trio.current_time() == pytest.approx(130, abs=1)
    assert (binding.cseq, binding.flow.connection) == (1, 0)
    assert later.take_events() == []
    assert later.next_deadline() == binding.expires


def users_in(path: Path) -> list[str | None]:
    store = BindingStore(path)
    found = [binding.contact.user for binding in store.load(0.0)]
    store.close()
    return found


async def test_a_disk_that_refuses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registrar = Registrar(RegistrarPolicy())
    kept = KeptBindings(registrar, BindingStore(tmp_path))
    with caplog.at_level(logging.ERROR):
        await kept.load(0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.run)
            registrar.restore([attrs.evolve(BINDING, expires=trio.current_time() + 60)])
            kept.note(BINDING.aor)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "registrations could not be read",
        "registrations could not be written",
    ]
