"""Registrations that outlive the process: read at the start, written behind in a thread as they change."""

from __future__ import annotations

import logging

import attrs
import trio

from vb.sip.location import Binding
from vb.sip.registrar import Registrar
from vb.store.bindings import BindingStore, StoreError

log = logging.getLogger("vb.legs")

_PATIENCE = 2.0
"""Seconds for the last write."""


class KeptBindings:
    """The bindings of ``registrar``, whose times are those of Trio's clock, in a store, whose times are dates."""

    def __init__(self, registrar: Registrar, store: BindingStore) -> None:
        self._registrar = registrar
        self._store = store
        self._changed: dict[str, None] = {}
        self._wake = trio.Event()
        self._epoch = 0.0

    async def load(self, epoch: float) -> None:
        """Take over what is kept. ``epoch`` is the date, in seconds since 1970, when Trio's clock was 0.

        A file that cannot be used is logged: phones will register again.
        """
        self._epoch = epoch
        try:
            kept = await trio.to_thread.run_sync(self._store.load, epoch + trio.current_time())
        except StoreError as error:
            log.error("registrations could not be read: %s", error)  # noqa: TRY400  (the words say all)
            return
        self._registrar.restore([_moved(binding, -epoch) for binding in kept])
        log.info("registrations read", extra={"bindings": len(kept)})

    def note(self, aor: str) -> None:
        """The bindings of that address have changed."""
        self._changed[aor] = None
        self._wake.set()

    async def run(self) -> None:
        """Write what changes, all there is at a time; until cancelled, and then once more."""
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                await self._save()
        finally:
            with trio.move_on_after(_PATIENCE, shield=True):
                await self._save()
                await trio.to_thread.run_sync(self._store.close, abandon_on_cancel=True)

    async def _save(self) -> None:
        changed, self._changed = self._changed, {}
        if not changed:
            return
        now = trio.current_time()
        contacts = {aor: [_moved(b, self._epoch) for b in self._registrar.bindings(aor, now)] for aor in changed}
        try:
            await trio.to_thread.run_sync(self._store.save, contacts, abandon_on_cancel=True)
        except StoreError as error:
            log.error("registrations could not be written: %s", error)  # noqa: TRY400  (the words say all)
        except trio.Cancelled:  # perhaps they were written, perhaps not: the last write has them all
            self._changed = changed | self._changed
            raise


def _moved(binding: Binding, seconds: float) -> Binding:
    return attrs.evolve(
        binding,
        created=binding.created + seconds,
        refreshed=binding.refreshed + seconds,
        expires=binding.expires + seconds,
    )
