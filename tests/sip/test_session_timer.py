"""Session timers by themselves: headers, roles, deadlines (RFC 4028)."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.bench import request
from vb.sip.errors import RemoteError
from vb.sip.message import Request, Response, make_response, parse_message
from vb.sip.session_timer import SMALLEST, SessionExpires, SessionTimer, min_se_of, session_expires_of, too_small


def asked(*lines: str) -> Request:
    message = parse_message(request("INVITE", *lines))
    assert isinstance(message, Request)
    return message


def answered(status: int, *lines: tuple[str, str]) -> Response:
    return make_response(asked(), status, to_tag="b", headers=lines)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Session-Expires: 1800", SessionExpires(1800)),
        ("x: 90;refresher=uas", SessionExpires(90, "uas")),  # the compact form (§4)
        ("Session-Expires: 4000 ; Refresher=UAC ;x=y", SessionExpires(4000, "uac")),
    ],
)
def test_session_expires(line: str, value: SessionExpires) -> None:
    """RFC 4028 §4."""
    assert session_expires_of(asked(line)) == value
    assert session_expires_of(asked(f"Session-Expires: {value}")) == value


@pytest.mark.parametrize(
    "lines",
    [("Session-Expires: soon",), ("Session-Expires: 90;refresher=both",), ("Session-Expires: -1",), ("x: 90", "x: 90")],
)
def test_session_expires_that_cannot_be_read(lines: tuple[str, ...]) -> None:
    """RFC 4028 §4."""
    with pytest.raises(RemoteError) as caught:
        session_expires_of(asked(*lines))
    assert caught.value.status == 400


def test_min_se() -> None:
    """RFC 4028 §5."""
    assert min_se_of(asked()) is None
    assert min_se_of(asked("Min-SE: 300;lr")) == 300
    for lines in (("Min-SE: x",), ("Min-SE: 90", "Min-SE: 91")):
        with pytest.raises(RemoteError):
            min_se_of(asked(*lines))


@pytest.mark.parametrize(
    ("lines", "least", "refused"),
    [
        ((), 90, None),
        (("Session-Expires: 90",), 90, None),
        (("Session-Expires: 89",), 90, 90),
        (("Session-Expires: 30", "Min-SE: 30"), 90, 90),
        (("Session-Expires: 100", "Min-SE: 300"), 90, 300),  # §9: never raised by the answer
        (("Session-Expires: 100",), 1800, 1800),
        (("Session-Expires: 10",), 5, 90),  # §5: nobody's least is less than 90
        (("Session-Expires: 100000", "Min-SE: 4294967295"), 90, None),
    ],
)
def test_intervals_that_are_too_small(lines: tuple[str, ...], least: int, refused: int | None) -> None:
    """RFC 4028 §9, §6: 422 with Min-SE."""
    assert too_small(asked(*lines), least) == refused


@pytest.mark.parametrize(
    ("lines", "refresher"),
    [
        # §9 table 2
        (("Session-Expires: 1800",), "uas"),
        (("Session-Expires: 1800;refresher=uac",), "uas"),  # who cannot do it shall not
        (("Session-Expires: 1800", "Supported: timer"), "uac"),
        (("Session-Expires: 1800", "Require: timer"), "uac"),
        (("Session-Expires: 1800;refresher=uac", "Supported: timer"), "uac"),
        (("Session-Expires: 1800;refresher=uas", "Supported: timer"), "uas"),
    ],
)
def test_who_refreshes_a_call_that_came_in(lines: tuple[str, ...], refresher: str) -> None:
    """RFC 4028 §9."""
    timer = SessionTimer(90)
    expected = [("Session-Expires", f"1800;refresher={refresher}")]
    assert timer.answer(asked(*lines), 10.0) == expected + ([("Require", "timer")] if refresher == "uac" else [])
    assert timer.we_refresh is (refresher == "uas")
    assert timer.refresh_at == (910.0 if timer.we_refresh else inf)
    assert timer.expires_at == 10.0 + 1800 + 32


def test_no_word_no_timer() -> None:
    timer = SessionTimer(90)
    assert timer.answer(asked("Supported: timer"), 0.0) == []
    assert (timer.refresh_at, timer.expires_at) == (inf, inf)


def test_a_request_without_a_word_refreshes_what_was_agreed() -> None:
    timer = SessionTimer(90)
    timer.answer(asked("Session-Expires: 1800", "Supported: timer"), 0.0)
    assert ("Session-Expires", "1800;refresher=uac") in timer.answer(asked("Supported: timer"), 100.0)
    assert timer.expires_at == 100.0 + 1800 + 32
    assert timer.answer(asked(), 200.0) == [("Session-Expires", "1800;refresher=uas")]  # it cannot: now it is our turn
    assert timer.refresh_at == 1100.0


def test_what_we_ask_for() -> None:
    """RFC 4028 §7.1."""
    assert SessionTimer(90).ask() == []
    assert SessionTimer(90, 1800).ask() == [("Session-Expires", "1800")]
    assert SessionTimer(300, 100).ask() == [("Session-Expires", "300"), ("Min-SE", "300")]


@pytest.mark.parametrize(
    ("line", "ours", "again"),
    [("600;refresher=uac", True, "uac"), ("600;refresher=uas", False, "uas"), ("600", True, "uac")],
)
def test_what_the_peer_makes_of_it(line: str, ours: bool, again: str) -> None:
    """RFC 4028 §7.2."""
    timer = SessionTimer(90, 1800)
    timer.agreed(answered(200, ("Session-Expires", line)), 0.0)
    assert (timer.interval, timer.we_refresh) == (600, ours)
    assert timer.refresh_at == (300.0 if ours else inf)
    assert timer.ask() == [("Session-Expires", f"600;refresher={again}")]  # §7.4: the roles stay


def test_a_peer_without_timers() -> None:
    """RFC 4028 §7.2."""
    timer = SessionTimer(90, 1800)
    timer.agreed(answered(200), 0.0)
    assert (timer.interval, timer.refresh_at, timer.expires_at) == (0, inf, inf)
    timer.agreed(answered(200, ("Session-Expires", "junk")), 0.0)
    assert timer.interval == 0


def test_who_refreshes_goes_on() -> None:
    """The caller knows no timers; the interval was a proxy's."""
    timer = SessionTimer(90)
    timer.answer(asked("Session-Expires: 1800"), 0.0)
    timer.agreed(answered(200), 900.0)
    assert timer.refresh_at == 1800.0
    timer.answer(asked("Session-Expires: 1800", "Supported: timer"), 1000.0)  # now it is the peer's turn
    timer.agreed(answered(200), 1100.0)
    assert timer.interval == 0


def test_no_peer_makes_us_hurry() -> None:
    timer = SessionTimer(90, 1800)
    timer.agreed(answered(200, ("Session-Expires", "1;refresher=uac")), 0.0)
    assert timer.refresh_at == SMALLEST / 2


def test_422_is_asked_again_with_more() -> None:
    """§7.3: the Min-SE of the 422 becomes ours."""
    timer = SessionTimer(90, 1800)
    assert timer.refused(answered(422, ("Min-SE", "3600")))
    assert timer.ask() == [("Session-Expires", "3600"), ("Min-SE", "3600")]
    assert timer.refused(answered(422, ("Min-SE", "100")))
    assert timer.ask() == [("Session-Expires", "3600"), ("Min-SE", "3600")]
    assert timer.refused(answered(422, ("Min-SE", "4000")))
    assert not timer.refused(answered(422, ("Min-SE", "5000"))), "not for ever"


@pytest.mark.parametrize("lines", [(), (("Min-SE", "junk"),)])
def test_422_that_says_nothing(lines: tuple[tuple[str, str], ...]) -> None:
    assert not SessionTimer(90, 1800).refused(answered(422, *lines))


def test_422_to_a_call_without_timer() -> None:
    assert not SessionTimer(90).refused(answered(422, ("Min-SE", "100")))


def test_a_failed_refresh_leaves_a_quarter() -> None:
    """§10: the session ends unless somebody refreshes it."""
    timer = SessionTimer(90)
    timer.answer(asked("Session-Expires: 90;refresher=uas"), 0.0)
    assert timer.refresh_at == 45.0
    timer.failed(45.0)
    assert (timer.refresh_at, timer.expires_at) == (inf, 67.5)
    timer.answer(asked("Session-Expires: 90;refresher=uas"), 60.0)  # the peer was there after all
    assert (timer.refresh_at, timer.expires_at) == (105.0, 60.0 + 90 + 32)
    timer.later(2.0, 105.0)
    assert timer.refresh_at == 107.0
    timer.stop()
    timer.failed(200.0)
    assert timer.expires_at == inf


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 5000), st.sampled_from(["ask", "silent", "agreed", "dropped", "failed"]), st.booleans()),
        max_size=12,
    ),
    seconds=st.integers(SMALLEST, 10_000),
)
def test_deadlines_are_always_ahead_and_in_order(steps: list[tuple[float, str, bool]], seconds: int) -> None:
    timer, now = SessionTimer(90, 1800), 0.0
    for wait, what, flag in steps:
        now += wait
        supports = ("Supported: timer",) if flag else ()
        if what == "ask":
            timer.answer(asked(f"Session-Expires: {seconds}", *supports), now)
        elif what == "silent":
            timer.answer(asked(*supports), now)
        elif what == "agreed":
            role = "uac" if flag else "uas"
            timer.agreed(answered(200, ("Session-Expires", f"{seconds};refresher={role}")), now)
        elif what == "dropped":
            timer.agreed(answered(200), now)
        else:
            timer.failed(now)
            continue
        if timer.interval:
            assert timer.expires_at == now + timer.interval + 32
            assert timer.refresh_at == (now + timer.interval / 2 if timer.we_refresh else inf)
        else:
            assert timer.refresh_at == timer.expires_at == inf


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"))), st.sampled_from(["Session-Expires", "Min-SE"]))
def test_no_value_gets_further_than_the_parser(value: str, name: str) -> None:
    message = asked()
    message.headers.set(name, value)
    try:
        session_expires_of(message)
        min_se_of(message)
    except RemoteError as error:
        assert error.status == 400  # noqa: PT017
    timer = SessionTimer(90, 1800)
    timer.agreed(answered(200, (name, value)), 0.0)
    assert timer.refresh_at >= SMALLEST / 2
    timer.refused(answered(422, (name, value)))
