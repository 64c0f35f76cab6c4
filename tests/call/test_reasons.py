"""Reason words and SIP status codes."""

from __future__ import annotations

import pytest

from vb.call.reasons import final_of, word_of


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("busy", 486),
        ("declined", 603),
        ("rejected", 603),
        ("api_hangup", 480),
        ("ring_timeout", 480),
        ("shutdown", 503),
        ("not_acceptable", 488),
        ("internal_error", 500),
        ("anything else", 480),
    ],
)
def test_finals_for_callers(reason: str, status: int) -> None:
    assert final_of(reason) == status


@pytest.mark.parametrize("status", range(300, 700))
def test_every_refusal_has_a_word(status: int) -> None:
    word = word_of(status)
    assert word
    if status < 400:
        assert word == "invite_failed"
    assert (word == f"sip_{status}") == (
        status >= 400 and status not in (401, 403, 404, 407, 408, 480, 486, 487, 488, 503, 603)
    )
