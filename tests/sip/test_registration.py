"""What a REGISTER asks for (RFC 3261 §10.2, §10.3; RFC 3327)."""

from __future__ import annotations

import pytest

from tests.sip.bench import request
from vb.sip.errors import RemoteError
from vb.sip.message import Request, parse_message
from vb.sip.registration import read_registration


def register(*lines: str) -> Request:
    message = parse_message(request("REGISTER", *lines, contact=""))
    assert isinstance(message, Request)
    return message


def test_a_query() -> None:
    assert read_registration(register()).asks_only
    assert read_registration(register("Expires: 0")).asks_only


def test_the_expiration_of_the_contact_comes_first() -> None:
    lines = ["Contact: <sip:a@h>;expires=70;q=0.25", "Contact: sip:b@h, <sip:c@h>;expires=0", "Expires: 1000"]
    wishes = read_registration(register(*lines)).wishes
    found = [(str(w.contact), w.expires, w.q) for w in wishes]
    assert found == [("sip:a@h", 70, 250), ("sip:b@h", 1000, None), ("sip:c@h", 0, None)]
    assert read_registration(register("Contact: <sip:a@h>")).wishes[0].expires is None


def test_a_contact_is_kept_without_headers() -> None:
    (wish,) = read_registration(register("Contact: <sip:a@h;ob?Subject=x>")).wishes
    assert str(wish.contact) == "sip:a@h;ob"


@pytest.mark.parametrize("lines", [(), ("Expires: 60",)])
def test_a_star_wants_expires_0(lines: tuple[str, ...]) -> None:
    with pytest.raises(RemoteError) as raised:
        read_registration(register("Contact: *", *lines))
    assert raised.value.status == 400  # §10.3 step 6


def test_a_star() -> None:
    registration = read_registration(register("Contact: *", "Expires: 0"))
    assert registration.removes_all
    assert not registration.asks_only


@pytest.mark.parametrize(
    "line",
    [
        "Contact: garbage",
        "Contact: *, <sip:a@h>",
        "Contact: <sip:a@h>;expires=soon",
        "Contact: <sip:a@h>;q=inf",
        f"Contact: <sip:{'a' * 1100}@h>",
        "Expires: abc",
        "Path: <tel:1>",
        f"Path: {','.join(['<sip:p;lr>'] * 17)}",
    ],
)
def test_what_cannot_be_read(line: str) -> None:
    with pytest.raises(RemoteError) as raised:
        read_registration(register(*(["Contact: <sip:a@h>"] if "Contact" not in line else []), line))
    assert raised.value.status == 400


def test_path() -> None:
    registration = read_registration(register("Path: <sip:edge@p1;lr>", "Path: <sip:p2;lr>"))
    assert [str(hop) for hop in registration.path] == ["<sip:edge@p1;lr>", "<sip:p2;lr>"]


def test_domains() -> None:
    message = register("Contact: <sip:a@h>")
    ours = {message.uri.host, message.to.uri.host}
    assert read_registration(message, ours).wishes
    with pytest.raises(RemoteError) as raised:
        read_registration(message, {"elsewhere"})
    assert raised.value.status == 404
