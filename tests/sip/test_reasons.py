from __future__ import annotations

from vb.sip.reasons import REASONS, default_reason


def test_phrases() -> None:
    """RFC 3261 §21, and the class of what is not registered (§8.1.3.2)."""
    assert default_reason(180) == "Ringing"
    assert default_reason(481) == "Call/Transaction Does Not Exist"
    assert default_reason(298) == "OK"
    assert default_reason(699) == "Busy Everywhere"
    assert default_reason(999) == "Unknown"


def test_every_phrase_fits_a_status_line() -> None:
    for status, phrase in REASONS.items():
        assert 100 <= status <= 699
        assert phrase.isascii()
        assert phrase.isprintable()
