"""Where somebody can be reached: bindings of an address-of-record to contacts, as values (RFC 3261 §10)."""

from __future__ import annotations

from math import ceil
from typing import Literal

import attrs

from vb.sip.effects import Hop
from vb.sip.fields import NameAddr
from vb.sip.uri import Uri

GoneReason = Literal["ttl", "unregistered", "forced", "replaced"]


@attrs.frozen(kw_only=True)
class Binding:
    """One contact of an address-of-record.

    ``flow`` is where the REGISTER came from, and over what; ``path`` the proxies in between (RFC 3327), ``q`` the
    preference in thousandths. ``granted`` is in seconds; ``created``, ``refreshed`` and ``expires`` are points in time.
    """

    aor: str
    contact: Uri
    flow: Hop
    call_id: str
    cseq: int
    granted: int
    created: float
    refreshed: float
    expires: float
    q: int | None = None
    path: tuple[NameAddr, ...] = ()
    user_agent: str = ""

    def remaining(self, now: float) -> int:
        """Whole seconds that the contact may still be relied on: less than what is left, so that who is told this
        never believes in it for longer than we do."""
        return max(0, ceil(self.expires - now) - 1)

    def shown(self, now: float) -> str:
        """The binding as a Contact value of a 200 (§10.3 step 8)."""
        q = "" if self.q is None else f";q={self.q / 1000:g}"
        return f"<{self.contact}>{q};expires={self.remaining(now)}"


@attrs.frozen
class Bound:
    """A contact was added or refreshed."""

    binding: Binding


@attrs.frozen
class Gone:
    """A contact was removed."""

    binding: Binding
    reason: GoneReason


LocationEvent = Bound | Gone


def canonical_aor(uri: Uri) -> str:
    """What bindings are filed under (§10.3 step 5): no password, parameters, headers; the user keeps its case."""
    return str(uri.with_(password=None, params=(), headers=()))


def contact_key(uri: Uri) -> str:
    """Which contacts are the same one: their parameters do not count, so that a phone may change them."""
    return str(uri.with_(params=(), headers=()))
