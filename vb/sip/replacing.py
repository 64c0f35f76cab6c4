"""Which of our sessions an INVITE with Replaces is about, and how we name one to a third party (RFC 3891)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.errors import RemoteError
from vb.sip.replaces import NO_TAG, Replaces
from vb.sip.session import Session, SessionState

if TYPE_CHECKING:
    from vb.sip.core import Core


def replaces_for_peer(session: Session) -> Replaces | None:
    """What names ``session`` to its peer, for a third party to replace us there (§7); None without a dialog."""
    dialog = session.dialog
    if dialog is None:
        return None
    return Replaces(dialog.call_id, dialog.remote_tag or NO_TAG, dialog.local_tag)


def find_replaced(core: Core, replaces: Replaces) -> Session:
    """The session that an INVITE wants to replace (§3). Raises RemoteError 481, 486 or 603 where it must not."""
    remote_tags = [replaces.from_tag] + ([""] if replaces.from_tag == NO_TAG else [])
    for remote_tag in remote_tags:
        key = (replaces.call_id, replaces.to_tag, remote_tag)
        session = core.dialogs.get(key)
        if key in core.past_dialogs or (session is not None and session.is_over):
            raise RemoteError(603, "Declined")  # the dialog has been, and is over
        if session is None:
            continue
        if session.state in (SessionState.ACCEPTED, SessionState.CONFIRMED):
            if replaces.early_only:
                raise RemoteError(486, "Busy Here")
            return session
        if session.owns_call_id:
            return session
        break  # an early dialog that the peer began is not ours to give away
    raise RemoteError(481, "Call/Transaction Does Not Exist")
