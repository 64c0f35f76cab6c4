"""Phones that register with us: parked until decided, challenged, bound, expired (RFC 3261 §10.3)."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from email.utils import formatdate
from math import inf
from typing import Any

import attrs
import trio

from vb.call.deadlines import Deadlines
from vb.call.errors import Invalid, NotFound
from vb.call.events import rfc3339
from vb.legs.sip.challenge import OpenChallenges, terms_of
from vb.legs.sip.kept_bindings import KeptBindings
from vb.legs.sip.settings import Platform
from vb.sip.effects import Hop, RequestReceived
from vb.sip.errors import LocalError, RemoteError
from vb.sip.location import Binding, Gone, canonical_aor
from vb.sip.registrar import Registrar
from vb.sip.registration import Registration, read_registration
from vb.sip.traced import address
from vb.sip.uri import Uri, parse_uri
from vb.store.bindings import BindingStore

log = logging.getLogger("vb.legs")

METHOD = "REGISTER"

_UNDECIDED = "registration attempt not found or already decided"
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]").search
_LONGEST_REASON = 200
_OVERLOADED = RemoteError(503, "Service Unavailable")


@attrs.frozen(eq=False)
class _Attempt:
    """A REGISTER that waits for a decision."""

    event: RequestReceived
    registration: Registration


class Registrations:
    """Every REGISTER and what came of it. ``start_soon`` runs a task, ``clock`` gives seconds since 1970.

    Bindings outlive the process in ``store``; when somebody is answered, the change is written within moments.
    """

    def __init__(
        self,
        platform: Platform,
        start_soon: Callable[..., None],
        store: BindingStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._platform = platform
        self._settings = platform.settings.registrar
        self._start_soon = start_soon
        self._clock = clock
        self._registrar = Registrar(self._settings.policy)
        self._challenges = OpenChallenges(platform.settings.challenge_lifetime, platform.rng)
        self._attempts: dict[str, _Attempt] = {}
        self._deadlines = Deadlines()
        self._swept = -inf
        self._started: float | None = None
        self._draining = False
        self._kept = KeptBindings(self._registrar, store) if store is not None else None

    async def load(self) -> None:
        """Take over the bindings that were kept."""
        if self._kept is not None:
            await self._kept.load(self._epoch)
            self._tell()

    async def run(self) -> None:
        """Tell of what expires, at most every ``sweep_interval``, and keep the rest; until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._kept is not None:
                nursery.start_soon(self._kept.run)
            await self._deadlines.run(lambda _: self._sweep())

    def drain(self) -> None:
        """From now on nobody is registered; who waits for a decision is sent away."""
        self._draining = True
        attempts, self._attempts = self._attempts, {}
        for attempt in attempts.values():
            self._refuse(attempt.event, _OVERLOADED)

    # --- verbs of the operator

    def views(self) -> list[dict[str, Any]]:
        """All bindings, as the API shows them."""
        return [self._view(binding) for binding in self._registrar.all(trio.current_time())]

    def accept(self, attempt_id: str, max_expires: int = 0) -> None:
        """Bind what a parked REGISTER asks for, for at most ``max_expires`` seconds (0: as long as it wants)."""
        attempt = self._find(attempt_id)
        cap = _cap(max_expires)
        del self._attempts[attempt_id]
        self._bind(attempt.event, attempt.registration, cap)

    def reject(self, attempt_id: str, code: int = 0, reason: str = "") -> None:
        """Refuse a parked REGISTER, 403 unless told otherwise."""
        attempt = self._find(attempt_id)
        code = code or 403
        if not 300 <= code <= 699:
            raise Invalid("code must be a SIP refusal (300-699)")
        if len(reason) > _LONGEST_REASON or _CONTROL(reason):
            raise Invalid(f"reason must have at most {_LONGEST_REASON} characters and no control characters")
        del self._attempts[attempt_id]
        self._respond(attempt.event, code, reason or None)

    def challenge(self, attempt_id: str, *, max_expires: int = 0, **wanted: Any) -> None:
        """Ask for digest credentials (401); ``wanted`` as in `terms_of`. Who answers right is bound, as by `accept`."""
        if not wanted["realm"] or not (wanted["password"] or wanted["ha1"]):
            terms_of(**wanted)
        attempt = self._find(attempt_id)
        registration = attempt.registration
        terms = attrs.evolve(terms_of(**wanted), aor=registration.aor, max_expires=_cap(max_expires))
        del self._attempts[attempt_id]
        demand = self._challenges.demand(registration.call_id, terms, trio.current_time())
        self._respond(attempt.event, 401, None, [("WWW-Authenticate", demand.line())])

    def remove(self, aor: str, contact: str = "") -> None:
        """Unbind an address-of-record, or one contact of it."""
        if not aor:
            raise Invalid("aor is required")
        key = canonical_aor(_uri(aor, "aor"))
        now = trio.current_time()
        known = bool(self._registrar.bindings(key, now))
        found = self._registrar.remove(key, _uri(contact, "contact") if contact else None, now)
        self._tell()
        if not found:
            raise NotFound("contact not found" if known else "AOR not found")

    # --- for calls and connections

    def reach(self, target: Uri) -> Binding | None:
        """Where to call somebody who has registered: the contact with the highest q, of equal ones the latest."""
        bindings = self._registrar.bindings(canonical_aor(target), trio.current_time())
        callable_ = [binding for binding in bindings if binding.contact.scheme in ("sip", "sips")]
        return max(callable_, key=lambda b: (1000 if b.q is None else b.q, b.refreshed), default=None)

    def needs(self, hop: Hop) -> bool:
        """Whether a phone has registered over this connection: it may be the only way to call it."""
        if not hop.connection:
            return False
        return any(b.flow.connection == hop.connection for b in self._registrar.all(trio.current_time()))

    # --- events of the user agent

    def receive(self, event: RequestReceived) -> None:
        """One REGISTER."""
        request, now = event.request, trio.current_time()
        if event.session is not None:
            self._respond(event, 403, "Not within a call")
            return
        try:
            registration = read_registration(request, self._settings.domains)
            self._registrar.check(registration, now)
        except RemoteError as error:
            self._refuse(event, error)
            return
        if registration.asks_only:
            self._answer(event, registration)
            return
        verdict = self._challenges.check(request, now)
        if self._draining or (verdict is None and len(self._attempts) >= self._settings.max_parked):
            self._refuse(event, _OVERLOADED)
        elif verdict is None:
            self._park(event, registration)
        elif verdict.valid and verdict.terms is not None and verdict.terms.aor == registration.aor:
            self._bind(event, registration, verdict.terms.max_expires)
        else:
            log.info("credentials refused", extra={"call_id": request.call_id})
            self._respond(event, 403)

    # --- inside

    def _park(self, event: RequestReceived, registration: Registration) -> None:
        attempt_id, source = str(uuid.uuid4()), event.source
        self._attempts[attempt_id] = _Attempt(event, registration)
        self._platform.bus.publish(
            "sip.registration_attempt",
            {
                "attempt_id": attempt_id,
                "aor": registration.aor,
                "contact": event.request.headers.values("Contact")[0],
                "source_address": address(source.host, source.port),
                "transport": source.transport.lower(),
                "user_agent": registration.user_agent,
                "call_id": registration.call_id,
                "has_authorization": True if "Authorization" in event.request.headers else None,
            },
        )
        if self._settings.consult_timeout <= 0:
            self._decide(attempt_id)
        else:
            self._start_soon(self._decide_late, attempt_id)

    async def _decide_late(self, attempt_id: str) -> None:
        await trio.sleep(self._settings.consult_timeout)
        self._decide(attempt_id)

    def _decide(self, attempt_id: str) -> None:
        """Nobody has said anything."""
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is None:
            return
        if self._settings.accept_by_default:
            self._bind(attempt.event, attempt.registration, 0)
        else:
            self._respond(attempt.event, 403)

    def _bind(self, event: RequestReceived, registration: Registration, cap: int) -> None:
        try:
            self._registrar.carry_out(registration, event.source, trio.current_time(), cap)
        except RemoteError as error:  # another REGISTER was decided meanwhile
            self._refuse(event, error)
        else:
            self._answer(event, registration)
        self._tell()

    def _answer(self, event: RequestReceived, registration: Registration) -> None:
        """200 with every contact there is now (§10.3 step 8), and the Path as it came (RFC 3327 §5.3)."""
        now = trio.current_time()
        bindings = [b for b in self._registrar.bindings(registration.aor, now) if b.remaining(now)]
        lines = [("Contact", binding.shown(now)) for binding in bindings]
        lines += [("Path", str(hop)) for hop in registration.path]
        self._respond(event, 200, None, [*lines, ("Date", formatdate(self._clock(), usegmt=True))])

    def _refuse(self, event: RequestReceived, error: RemoteError) -> None:
        lines = [("Retry-After", str(self._platform.settings.retry_after))] if error.status == 503 else []
        self._respond(event, error.status, error.reason, lines)

    def _respond(
        self, event: RequestReceived, status: int, reason: str | None = None, lines: list[tuple[str, str]] | None = None
    ) -> None:
        agent = self._platform.agent
        try:
            self._platform.endpoint.command(lambda now: agent.respond(event, now, status, reason, lines or []))
        except LocalError:
            log.debug("the REGISTER is over", extra={"call_id": event.request.call_id})

    def _find(self, attempt_id: str) -> _Attempt:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            raise NotFound(_UNDECIDED)
        return attempt

    def _sweep(self) -> None:
        self._swept = trio.current_time()
        self._registrar.handle_timers(self._swept)
        self._tell()

    def _tell(self) -> None:
        """Publish what has become of bindings, and see to it that the next one to expire is noticed."""
        for event in self._registrar.take_events():
            if self._kept is not None:
                self._kept.note(event.binding.aor)
            view = self._view(event.binding)
            if isinstance(event, Gone):
                data = {name: view[name] for name in ("aor", "contact", "socket")} | {"reason": event.reason}
                self._platform.bus.publish("sip.registration_expired", data)
            else:
                data = {name: value for name, value in view.items() if name not in ("created_at", "last_refresh")}
                self._platform.bus.publish("sip.registration_active", data)
        due = self._registrar.next_deadline()
        if due < inf:
            self._deadlines.set("sweep", max(due, self._swept + self._settings.sweep_interval))

    def _view(self, binding: Binding) -> dict[str, Any]:
        flow = binding.flow
        return {
            "aor": binding.aor,
            "contact": str(binding.contact),
            "socket": address(flow.host, flow.port),
            "transport": flow.transport.lower(),
            "user_agent": binding.user_agent,
            "call_id": binding.call_id,
            "created_at": self._date(binding.created),
            "last_refresh": self._date(binding.refreshed),
            "expires_at": self._date(binding.expires),
            "granted_expires_seconds": binding.granted,
        }

    def _date(self, at: float) -> str:
        """A point in time of ours as a date."""
        return rfc3339(self._epoch + at)

    @property
    def _epoch(self) -> float:
        """When Trio's clock was 0; fixed at the first look, so that one point is always the same date."""
        if self._started is None:
            self._started = self._clock() - trio.current_time()
        return self._started


def _cap(max_expires: int) -> int:
    if max_expires < 0:
        raise Invalid("max_expires must not be negative")
    return max_expires


def _uri(text: str, what: str) -> Uri:
    try:
        return parse_uri(text)
    except RemoteError:
        raise Invalid(f"invalid {what}: a URI is wanted") from None
