"""How a session keeps its interval (RFC 4028 §7.4, §10): by UPDATE where the peer takes it, else by re-INVITE."""

from __future__ import annotations

import weakref
from math import inf
from typing import TYPE_CHECKING

from vb.sip.effects import RefreshDue, SessionExpired
from vb.sip.errors import RemoteError
from vb.sip.session_timer import SessionTimer
from vb.sip.timers import UsageTimer

if TYPE_CHECKING:
    from vb.sip.core import Core, Lines
    from vb.sip.message import Request, Response
    from vb.sip.session import Session

_NOT_NOW = 2.0
"""Seconds until the next try, while a re-INVITE is in progress that may be the refresh itself."""


class Refresher:
    """The session timer of one session. Without option tag ``timer`` in the configuration it does nothing."""

    __slots__ = ("_believes", "_core", "_enabled", "_of", "takes_update", "timer")

    def __init__(self, core: Core, session: Session) -> None:
        config = core.config
        self._core = core
        self._of = weakref.ref(session)  # it has us: thousands that are over are to be freed without a collection
        self._enabled = "timer" in config.supported
        self.timer = SessionTimer(config.min_se, config.session_expires if self._enabled else 0)
        self._believes = True  # in Allow, until an UPDATE is refused all the same
        self.takes_update = False
        """Whether the peer's Allow names UPDATE (RFC 3311 §4)."""

    @property
    def _session(self) -> Session:
        session = self._of()
        assert session is not None
        return session

    def ask(self) -> Lines:
        """Lines of a re-INVITE or UPDATE of ours. A dialog that has no interval is not asked for one again."""
        return self.timer.ask() if self.timer.interval else ()

    def agreed(self, response: Response, now: float) -> None:
        """A 2xx to an INVITE, re-INVITE or UPDATE of ours."""
        if self._enabled:
            self._learn(response)
            self.timer.agreed(response, now)
            self._set()

    def answer(self, request: Request, now: float) -> Lines:
        """Lines of our 2xx to an INVITE, re-INVITE or UPDATE."""
        if not self._enabled:
            return ()
        self._learn(request)
        lines = self.timer.answer(request, now)
        self._set()
        return lines

    def failed(self, now: float) -> None:
        """A re-INVITE of ours was no refresh."""
        if self.timer.refresh_at <= now:
            self.timer.failed(now)
            self._set()

    def expired(self, timer: object, now: float) -> None:
        """One of the two timers of a refresh is due."""
        if timer is UsageTimer.SESSION_EXPIRES:
            self._core.events.append(SessionExpired(self._session))
            self._session.bye(now)
        else:
            self._refresh(now)

    def _refresh(self, now: float) -> None:
        session = self._session
        if session.is_changing or session.is_updating:
            self.timer.later(_NOT_NOW, now)
            self._set()
        elif self.takes_update:
            session.start_update(now, None, self._updated)
        else:
            self._core.events.append(RefreshDue(session))

    def _updated(self, response: Response | None, now: float) -> None:
        if self._session.is_over or (response is not None and response.status < 300):
            return
        if response is not None and response.status in (405, 501):
            self.takes_update, self._believes = False, False
            self._core.events.append(RefreshDue(self._session))
        else:
            self.timer.failed(now)
            self._set()

    def _learn(self, message: Request | Response) -> None:
        try:
            allow = message.headers.values("Allow")
        except RemoteError:  # unbalanced quotes in a response, which is not checked as a whole
            return
        if allow and self._believes:
            self.takes_update = "UPDATE" in allow

    def _set(self) -> None:
        """The timers of the session follow those of the interval."""
        for timer, at in (
            (UsageTimer.REFRESH, self.timer.refresh_at),
            (UsageTimer.SESSION_EXPIRES, self.timer.expires_at),
        ):
            if at < inf:
                self._session.start_timer(timer, at)
            else:
                self._session.timers.stop(timer)
