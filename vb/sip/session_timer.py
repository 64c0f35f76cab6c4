"""Session timers (RFC 4028): what messages say about them, and when a dialog is to be refreshed or given up."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

import attrs

from vb.sip.errors import RemoteError, bad_request
from vb.sip.grammar import find_param, parse_number, parse_params

if TYPE_CHECKING:
    from vb.sip.message import Message, Request, Response

Role = Literal["uac", "uas"]

SMALLEST = 90
"""No Session-Expires or Min-SE is less (RFC 4028 §4, §5)."""
_LARGEST = 2**32 - 1
_GRACE = 32.0
"""Seconds after the interval that a peer which owes the refresh still has."""
_MAX_REFUSALS = 3


@attrs.frozen
class SessionExpires:
    """A Session-Expires: the interval in seconds, and who of the transaction's two sides refreshes (§4)."""

    seconds: int
    refresher: Role | None = None

    def __str__(self) -> str:
        return str(self.seconds) if self.refresher is None else f"{self.seconds};refresher={self.refresher}"


def session_expires_of(message: Message) -> SessionExpires | None:
    """Session-Expires of a message, None without one. Raises RemoteError 400."""
    values = message.headers.get_all("Session-Expires")
    if not values:
        return None
    if len(values) > 1:
        raise bad_request("More than one Session-Expires")
    number, semicolon, params = values[0].partition(";")
    refresher = find_param(parse_params(semicolon + params), "refresher")
    role: Role | None = None
    if refresher is not None:
        word = (refresher[1] or "").lower()
        if word not in ("uac", "uas"):
            raise bad_request("Unreadable refresher")
        role = "uac" if word == "uac" else "uas"
    return SessionExpires(parse_number(number.strip(), _LARGEST, "Session-Expires"), role)


def min_se_of(message: Message) -> int | None:
    """Min-SE of a message in seconds, None without one. Raises RemoteError 400."""
    values = message.headers.get_all("Min-SE")
    if not values:
        return None
    if len(values) > 1:
        raise bad_request("More than one Min-SE")
    return parse_number(values[0].partition(";")[0].strip(), _LARGEST, "Min-SE")


def too_small(request: Request, least: int) -> int | None:
    """The Min-SE of the 422 that ``request`` deserves (§6, §9); None when its interval can be had.

    The request's own Min-SE counts too: an interval below that is refused and not raised, which §9 forbids.
    Raises RemoteError 400 for headers that cannot be read.
    """
    wanted, their_least = session_expires_of(request), min_se_of(request)
    floor = max(least, SMALLEST, min(their_least or 0, 86_400))
    return floor if wanted is not None and wanted.seconds < floor else None


class SessionTimer:
    """One side's view of the session interval of one dialog.

    ``interval`` is 0 while none is agreed; ``least`` is the smallest that we take, and grows with what peers say in
    422. ``refresh_at`` is when our refresh is due, ``expires_at`` when the call ends without one; both may be inf.
    """

    __slots__ = ("_refusals", "_wanted", "expires_at", "interval", "least", "refresh_at", "we_refresh")

    def __init__(self, least: int, wanted: int = 0) -> None:
        self.least = max(least, SMALLEST)
        self.interval = 0
        self.we_refresh = False
        self.refresh_at = inf
        self.expires_at = inf
        self._wanted = max(wanted, self.least) if wanted else 0
        self._refusals = 0

    # The side that sends a request.

    def ask(self) -> list[tuple[str, str]]:
        """Header lines of an INVITE, re-INVITE or UPDATE (§7.1, §7.4); none when there is no interval to speak of.

        The first INVITE leaves the choice of the refresher to the peer; later requests name the one there is.
        """
        if self.interval:
            value = SessionExpires(self.interval, "uac" if self.we_refresh else "uas")
        elif self._wanted:
            value = SessionExpires(self._wanted)
        else:
            return []
        lines = [("Session-Expires", str(value))]
        if self.least > SMALLEST:
            lines.append(("Min-SE", str(self.least)))
        return lines

    def refused(self, response: Response) -> bool:
        """A 422 to a request of ours: whether it can be tried again, with the interval that it asks for (§7.3)."""
        try:
            least = min_se_of(response)
        except RemoteError:
            return False
        self._refusals += 1
        if least is None or not (self.interval or self._wanted) or self._refusals > _MAX_REFUSALS:
            return False
        self.least = max(self.least, least)
        self._wanted = max(self._wanted, least) if self._wanted else 0
        self.interval = max(self.interval, least) if self.interval else 0
        return True

    def agreed(self, response: Response, now: float) -> None:
        """A 2xx to an INVITE, re-INVITE or UPDATE of ours; without a Session-Expires no interval is left (§7.2).

        But who refreshes may go on where nobody asks for it: a peer that knows no timers got its interval from a proxy.
        """
        try:
            said = session_expires_of(response)
        except RemoteError:
            said = None  # nothing that can be kept to
        if said is None and self.we_refresh:
            self._start(self.interval, True, now)
        elif said is None:
            self.stop()
        else:
            # §7.2: no refresher is against the rules; then we do it, which serves either reading. An interval below
            # the least that either side may say is one too: refreshing that often is nothing a peer can ask for.
            self._start(max(said.seconds, SMALLEST), said.refresher != "uas", now)

    # The side that gets one.

    def answer(self, request: Request, now: float) -> list[tuple[str, str]]:
        """Header lines of the 2xx that goes out now to an INVITE, re-INVITE or UPDATE (§9); the interval starts anew.

        ``request`` has been asked whether it is `too_small`. One that says nothing in a dialog with an interval keeps
        that: the answer says it again, and every such request counts as a refresh.
        """
        supports = "timer" in request.supported or "timer" in request.require
        said = session_expires_of(request)
        if said is not None:
            # §9 table 2; without a word about it the one who asked refreshes, if it can.
            refresher: Role = said.refresher or "uac" if supports else "uas"
            seconds = said.seconds
        elif self.interval:
            refresher = "uac" if supports and not self.we_refresh else "uas"
            seconds = self.interval
        else:
            return []
        self._start(seconds, refresher == "uas", now)
        lines = [("Session-Expires", str(SessionExpires(seconds, refresher)))]
        if refresher == "uac":
            lines.append(("Require", "timer"))  # §9
        return lines

    # Time.

    def _start(self, seconds: int, we_refresh: bool, now: float) -> None:
        self.interval, self.we_refresh, self._refusals = seconds, we_refresh, 0
        self.expires_at = now + seconds + _GRACE
        self.refresh_at = now + seconds / 2 if we_refresh else inf  # §10

    def stop(self) -> None:
        """No interval any more."""
        self.interval, self.we_refresh = 0, False
        self.refresh_at = self.expires_at = inf

    def failed(self, now: float) -> None:
        """Our refresh was refused, or got no answer: the session ends soon unless somebody refreshes it (§10)."""
        if self.interval:
            self.refresh_at = inf
            self.expires_at = min(self.expires_at, now + self.interval / 4)

    def later(self, seconds: float, now: float) -> None:
        """The refresh that is due cannot be sent now."""
        self.refresh_at = now + seconds
