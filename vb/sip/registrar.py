"""A registrar: bindings of addresses-of-record to contacts (RFC 3261 §10.3). No I/O, no clock.

A REGISTER is carried out completely or not at all. Whether its sender may do that is decided by others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from math import inf

import attrs

from vb.sip.effects import Hop
from vb.sip.errors import RemoteError
from vb.sip.location import Binding, Bound, Gone, GoneReason, LocationEvent, contact_key
from vb.sip.registration import Registration, Wish
from vb.sip.uri import Uri

_MOST_BINDINGS = 200_000
_SLACK = 64

Contacts = dict[str, Binding]


@attrs.frozen(kw_only=True)
class RegistrarPolicy:
    """Seconds that are granted: ``default`` when nothing is asked for, at least ``least``, at most ``most``.

    Without ``several`` a new contact replaces the others. ``max_contacts`` of one address, and of one REGISTER.
    """

    default: int = 3600
    least: int = 60
    most: int = 7200
    several: bool = True
    max_contacts: int = 10

    def grant(self, wanted: int | None, cap: int = 0) -> int:
        """The expiration for a wish; 0 stays 0. A ``cap`` can only shorten it, and not below ``least``."""
        if wanted == 0:
            return 0
        granted = min(max(self.default if wanted is None else wanted, self.least), self.most)
        return min(granted, max(cap, self.least)) if cap else granted


class Registrar:
    """All bindings. After each call drain `take_events`, and call `handle_timers` when `next_deadline` has come."""

    def __init__(self, policy: RegistrarPolicy) -> None:
        self._policy = policy
        self._contacts: dict[str, Contacts] = {}  # by address-of-record, then by contact
        self._events: list[LocationEvent] = []
        self._expiries: list[tuple[float, str, str]] = []  # a heap; what was refreshed or removed stays for a while
        self._count = 0

    def check(self, registration: Registration, now: float) -> None:
        """Raises the RemoteError that `carry_out` would raise now."""
        self._plan(registration, Hop("UDP", "", 0), now, 0)

    def carry_out(self, registration: Registration, flow: Hop, now: float, cap: int = 0) -> None:
        """Bind and unbind what is asked for, all of it or nothing.

        Raises RemoteError: 403 too many contacts, 500 out of order, 503 no room.
        """
        self.handle_timers(now)
        old = self._contacts.get(registration.aor, {})
        new, bound = self._plan(registration, flow, now, cap)
        if self._count - len(old) + len(new) > _MOST_BINDINGS:
            raise RemoteError(503, "Too many bindings")
        removed = {contact_key(wish.contact) for wish in registration.wishes if wish.expires == 0}
        for key, binding in old.items():
            if key not in new:
                asked = registration.removes_all or key in removed
                self._events.append(Gone(binding, "unregistered" if asked else "replaced"))
        self._events += [Bound(new[key]) for key in bound]
        self._store(registration.aor, new)
        self._watch([new[key] for key in bound])

    def remove(self, aor: str, contact: Uri | None, now: float, reason: GoneReason = "forced") -> bool:
        """Remove all bindings of an address, or that of one contact. Whether there was one."""
        self.handle_timers(now)
        bound = self._contacts.get(aor, {})
        keys = list(bound) if contact is None else [key for key in bound if key == contact_key(contact)]
        self._drop(aor, keys, reason)
        return bool(keys)

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over bindings that were kept; of these no event tells."""
        for binding in bindings:
            contacts = self._contacts.get(binding.aor, {})
            self._store(binding.aor, contacts | {contact_key(binding.contact): binding})
            self._watch([binding])

    def bindings(self, aor: str, now: float) -> tuple[Binding, ...]:
        """The contacts of an address, the oldest first; none that has expired, whether or not that was told yet."""
        return tuple(binding for binding in self._contacts.get(aor, {}).values() if binding.expires > now)

    def all(self, now: float) -> Iterator[Binding]:
        """Every binding."""
        for aor in self._contacts:
            yield from self.bindings(aor, now)

    def handle_timers(self, now: float) -> None:
        """Remove what has expired."""
        while self._expiries and self._expiries[0][0] <= now:
            _, aor, key = heappop(self._expiries)
            binding = self._contacts.get(aor, {}).get(key)
            if binding is not None and binding.expires <= now:
                self._drop(aor, [key], "ttl")

    def next_deadline(self) -> float:
        """When `handle_timers` may have something to do; inf without any binding."""
        return self._expiries[0][0] if self._expiries else inf

    def take_events(self) -> list[LocationEvent]:
        events, self._events = self._events, []
        return events

    # --- inside

    def _plan(self, registration: Registration, flow: Hop, now: float, cap: int) -> tuple[Contacts, list[str]]:
        """The contacts that would be there afterwards, and which of them are new or refreshed."""
        most = self._policy.max_contacts
        if len(registration.wishes) > most:
            raise RemoteError(403, "Too many contacts")
        old = {key: b for key, b in self._contacts.get(registration.aor, {}).items() if b.expires > now}
        if registration.removes_all:
            for binding in old.values():
                _check_order(registration, binding)
            return {}, []
        new, bound = dict(old), dict[str, None]()
        for wish in registration.wishes:
            key = contact_key(wish.contact)
            if key in old:
                _check_order(registration, old[key])
            granted = self._policy.grant(wish.expires, cap)
            if granted:
                new[key] = _binding(registration, wish, flow, now, granted, old.get(key))
                bound[key] = None
            else:
                new.pop(key, None)
                bound.pop(key, None)
        if bound and not self._policy.several:
            last = next(reversed(bound))
            new, bound = {last: new[last]}, {last: None}
        if len(new) > most and bound:
            raise RemoteError(403, "Too many contacts")
        return new, list(bound)

    def _drop(self, aor: str, keys: list[str], reason: GoneReason) -> None:
        if keys:
            contacts = dict(self._contacts[aor])
            self._events += [Gone(contacts.pop(key), reason) for key in keys]
            self._store(aor, contacts)

    def _store(self, aor: str, contacts: Contacts) -> None:
        self._count += len(contacts) - len(self._contacts.get(aor, {}))
        if contacts:
            self._contacts[aor] = contacts
        else:
            self._contacts.pop(aor, None)

    def _watch(self, bindings: list[Binding]) -> None:
        for binding in bindings:
            heappush(self._expiries, (binding.expires, binding.aor, contact_key(binding.contact)))
        if len(self._expiries) > 2 * self._count + _SLACK:
            live = (binding for contacts in self._contacts.values() for binding in contacts.values())
            self._expiries = [(b.expires, b.aor, contact_key(b.contact)) for b in live]
            heapify(self._expiries)


def _check_order(registration: Registration, binding: Binding) -> None:
    """§10.3 step 7: a REGISTER that comes late changes nothing of what a later one of the same phone has said."""
    if registration.call_id == binding.call_id and registration.cseq <= binding.cseq:
        raise RemoteError(500, "CSeq out of order")


def _binding(
    registration: Registration, wish: Wish, flow: Hop, now: float, granted: int, old: Binding | None
) -> Binding:
    return Binding(
        aor=registration.aor,
        contact=wish.contact,
        flow=flow,
        call_id=registration.call_id,
        cseq=registration.cseq,
        granted=granted,
        created=now if old is None else old.created,
        refreshed=now,
        expires=now + granted,
        q=wish.q,
        path=registration.path,
        user_agent=registration.user_agent,
    )
