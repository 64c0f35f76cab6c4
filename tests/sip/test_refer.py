"""What REFER and its NOTIFYs carry (RFC 3515, RFC 3892, RFC 4488), and Replaces (RFC 3891 §6.1)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.bench import request
from vb.sip.errors import RemoteError
from vb.sip.message import Request, parse_message
from vb.sip.refer import (
    ReferTo,
    SubscriptionState,
    check_refer,
    event_of,
    notification_of,
    read_sipfrag,
    refer_to_of,
    refer_to_value,
    referred_by_of,
    sipfrag,
    subscription_state_of,
    wants_subscription,
)
from vb.sip.replaces import Replaces, parse_replaces, replaces_of
from vb.sip.uri import parse_uri

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=20)


def read(method: str, *lines: str, body: str = "", content_type: str = "message/sipfrag;version=2.0") -> Request:
    message = parse_message(request(method, *lines, body=body, content_type=content_type))
    assert isinstance(message, Request)
    return message


def refused(call: object, *args: object) -> int:
    with pytest.raises(RemoteError) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.status


def test_refer_to_with_replaces_is_escaped_and_comes_back() -> None:
    """RFC 3891 §7: the whole value is one URI header."""
    replaces = Replaces("98732@h.example.com", "r33th4x0r", "ff87ff")
    value = refer_to_value(parse_uri("sip:bob@b.example.com:5070"), replaces)
    escaped = "Replaces=98732%40h.example.com%3Bto-tag%3Dr33th4x0r%3Bfrom-tag%3Dff87ff"
    assert value == f"<sip:bob@b.example.com:5070?{escaped}>"
    assert refer_to_of(read("REFER", f"Refer-To: {value}")) == ReferTo(
        parse_uri("sip:bob@b.example.com:5070"), "INVITE", replaces
    )


@given(TOKENS, TOKENS, TOKENS, st.booleans())
def test_any_replaces_survives_a_refer_to(call_id: str, to_tag: str, from_tag: str, early: bool) -> None:
    replaces = Replaces(f"{call_id}@{call_id}", to_tag, from_tag, early)
    value = refer_to_value(parse_uri("sip:b@h?Subject=a%20b"), replaces)
    assert refer_to_of(read("REFER", f"Refer-To: {value}")).replaces == replaces
    assert parse_replaces(str(replaces)) == replaces


def test_refer_to_in_its_forms() -> None:
    """RFC 3515 §2.1."""
    assert refer_to_of(read("REFER", "r: Bob <sip:bob@h;method=BYE>")).method == "BYE"
    assert str(refer_to_of(read("REFER", "Refer-To: sip:bob@h")).target) == "sip:bob@h"
    assert str(refer_to_of(read("REFER", "Refer-To: <http://www.ietf.org>")).target) == "http://www.ietf.org"


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Refer-To: <sip:a@h>", "Refer-To: <sip:b@h>"),
        ("Refer-To: <sip:a@h>, <sip:b@h>",),
        ("Refer-To: <sip:a@h>", "r: <sip:b@h>"),
        ("Refer-To: nonsense",),
        ("Refer-To: <sip:a@h?Replaces=x>",),
        ("Refer-To: <sip:a@h?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&replaces=y%3Bto-tag%3D1%3Bfrom-tag%3D2>",),
        ("Refer-To: <sip:a@h>", "Referred-By: <sip:a@h>", "b: <sip:b@h>"),
        ("Refer-To: <sip:a@h>", "Referred-By: nonsense"),
    ],
)
def test_a_refer_without_exactly_one_target_is_400(lines: tuple[str, ...]) -> None:
    """RFC 3515 §2.4.2; RFC 3892 §2.1 for Referred-By."""
    assert refused(check_refer, read("REFER", *lines)) == 400


def test_referred_by_is_kept_as_it_came() -> None:
    value = '"A" <sip:a@h>;cid="1.x@h"'
    assert referred_by_of(read("REFER", f"Referred-By: {value}")) == value
    assert referred_by_of(read("REFER")) == ""


@pytest.mark.parametrize(
    ("lines", "wanted"), [([], True), (["true"], True), (["false"], False), ([" FALSE ;x=1"], False), (["no"], True)]
)
def test_only_false_does_without_a_subscription(lines: list[str], wanted: bool) -> None:
    """RFC 4488 §4."""
    assert wants_subscription(lines) is wanted


def test_sipfrag_both_ways() -> None:
    """RFC 3515 §2.4.5."""
    assert sipfrag(100) == b"SIP/2.0 100 Trying\r\n"
    assert sipfrag(486, "Busy\r\nVia: evil") == b"SIP/2.0 486 Busy Via: evil\r\n"
    assert read_sipfrag(b"SIP/2.0 183 Session Progress\r\nContact: <sip:a@h>\r\n") == (183, "Session Progress")
    assert read_sipfrag(b"SIP/2.0 200") == (200, "")
    assert read_sipfrag(b"sip/2.0 603 \xff\r\n") == (603, "�")
    for body in (
        b"",
        b"INVITE sip:a@h SIP/2.0\r\n",
        b"SIP/2.0 99 Low\r\n",
        b"SIP/2.0 700 High\r\n",
        b"SIP/2.0 2000\r\n",
    ):
        assert refused(read_sipfrag, body) == 400


@given(st.binary(max_size=200))
def test_no_body_of_a_notify_is_more_than_a_400(body: bytes) -> None:
    with suppress(RemoteError):
        status, reason = read_sipfrag(body)
        assert 100 <= status <= 699
        assert not set(reason) & {"\r", "\n"}


def test_event_and_its_id() -> None:
    """RFC 3515 §2.4.6."""
    assert event_of(read("NOTIFY", "Event: refer")) == ("refer", None)
    assert event_of(read("NOTIFY", "o: Refer ; id=93809824")) == ("refer", 93809824)
    assert refused(event_of, read("NOTIFY")) == 489
    assert refused(event_of, read("NOTIFY", "Event: refer;id=x")) == 400


def test_subscription_states() -> None:
    """RFC 3515 §2.4.7; RFC 6665 §4.1.3."""

    def state(line: str) -> SubscriptionState:
        return subscription_state_of(read("NOTIFY", line))

    assert state("Subscription-State: active;expires=60") == SubscriptionState("active", 60)
    assert state("Subscription-State: Terminated ; reason=noresource") == SubscriptionState(
        "terminated", None, "noresource"
    )
    assert state("Subscription-State: pending").terminated is False
    assert refused(state, "X: y") == 400
    assert refused(state, "Subscription-State: active;expires=soon") == 400


def test_which_notifys_are_about_a_refer() -> None:
    good = ("Event: refer", "Subscription-State: active")
    told = notification_of(read("NOTIFY", *good, body="SIP/2.0 180 Ringing"))
    assert (told.status, told.reason, told.number) == (180, "Ringing", None)
    assert notification_of(read("NOTIFY", *good)).status is None
    assert refused(notification_of, read("NOTIFY", *good, body="x", content_type="text/plain")) == 415
    assert refused(notification_of, read("NOTIFY", "Event: presence", good[1])) == 489
    assert refused(notification_of, read("NOTIFY", *good, body="x")) == 400


@pytest.mark.parametrize(
    "value",
    [
        "",
        "abc",
        "abc;to-tag=1",
        "abc;to-tag=1;to-tag=2;from-tag=3",
        "abc;to-tag=;from-tag=3",
        "a b;to-tag=1;from-tag=2",
        "abc;to-tag=1;from-tag=2 rest",
        ";to-tag=1;from-tag=2",
    ],
)
def test_what_no_replaces_is(value: str) -> None:
    """RFC 3891 §6.1."""
    assert refused(parse_replaces, value) == 400


def test_replaces_stands_once_and_in_an_invite_only() -> None:
    """RFC 3891 §3."""
    line = "Replaces: abc@h;from-tag=2;to-tag=1;early-only;x=y"
    assert replaces_of(read("INVITE", line)) == Replaces("abc@h", "1", "2", True)
    assert replaces_of(read("INVITE")) is None
    assert refused(replaces_of, read("INVITE", line, line)) == 400
    assert refused(replaces_of, read("INVITE", line, "Join: abc@h;from-tag=2;to-tag=1")) == 400
    assert refused(replaces_of, read("UPDATE", line)) == 400
