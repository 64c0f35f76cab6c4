from __future__ import annotations

from vb.sip.errors import LocalError, RemoteError, SipError, bad_request


def test_a_remote_error_says_what_to_answer() -> None:
    error = RemoteError(505, "Only SIP/2.0 is spoken here")
    assert (error.status, error.reason) == (505, "Only SIP/2.0 is spoken here")
    assert str(error) == "505 Only SIP/2.0 is spoken here"
    assert isinstance(error, SipError)
    assert not isinstance(error, LocalError)
    assert bad_request("Unreadable Via").status == 400
