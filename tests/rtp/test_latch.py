"""RTP_LATCH: whose packets are believed, state by state, and against a hijacker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.latch import KNOWN_PLACE_S, SAME_STREAM_S, Latch, Mode, plain_host

SDP = ("192.0.2.1", 4000)
NATTED = ("198.51.100.7", 31000)
SIGNALLING = "198.51.100.7"
STRANGER = ("203.0.113.66", 5555)


def latch(mode: Mode = "lock", sdp: tuple[str, int] = SDP, signalling: str = SIGNALLING) -> Latch:
    made = Latch(mode)
    made.negotiate(sdp, signalling)
    return made


def test_before_any_packet_ours_go_where_the_sdp_says() -> None:
    assert latch().remote == SDP
    assert Latch().remote is None
    assert not latch().latched


def test_nobody_is_believed_before_the_negotiation() -> None:
    early = Latch()
    assert not early.receive(SDP, 1, 0.0)
    assert early.refused == 1


@pytest.mark.parametrize("source", [SDP, ("192.0.2.1", 4002), NATTED])
def test_the_first_source_in_keeping_is_taken(source: tuple[str, int]) -> None:
    locked = latch()
    assert locked.receive(source, 1, 0.0)
    assert locked.remote == source


def test_the_first_source_of_elsewhere_is_refused() -> None:
    locked = latch()
    assert not locked.receive(STRANGER, 1, 0.0)
    assert (locked.remote, locked.refused) == (SDP, 1)
    assert locked.receive(NATTED, 1, 0.1)


def test_a_hijacker_is_refused_while_the_peer_speaks() -> None:
    locked = latch()
    for tick in range(500):
        assert locked.receive(NATTED, 1, tick * 0.02)
        assert not locked.receive(STRANGER, 1, tick * 0.02)  # even with the peer's SSRC
        assert not locked.receive(("198.51.100.7", 31001), 2, tick * 0.02)  # even from the peer's host
        assert not locked.receive(SDP, 1, tick * 0.02)
    assert locked.remote == NATTED
    assert locked.refused == 1500


def test_the_same_stream_may_move_after_a_second() -> None:
    locked = latch()
    locked.receive(NATTED, 7, 10.0)
    assert not locked.receive(("198.51.100.9", 9), 7, 10.0 + SAME_STREAM_S - 0.01)
    assert not locked.receive(("198.51.100.9", 9), 8, 10.0 + SAME_STREAM_S)
    assert locked.receive(("198.51.100.9", 9), 7, 10.0 + SAME_STREAM_S)
    assert locked.remote == ("198.51.100.9", 9)


@pytest.mark.parametrize("source", [SDP, ("198.51.100.7", 1)])
def test_a_known_place_takes_over_after_five_seconds(source: tuple[str, int]) -> None:
    locked = latch()
    locked.receive(NATTED, 7, 10.0)
    assert not locked.receive(source, 8, 10.0 + KNOWN_PLACE_S - 0.01)
    assert not locked.receive(STRANGER, 8, 10.0 + KNOWN_PLACE_S)
    assert locked.receive(source, 8, 10.0 + KNOWN_PLACE_S)
    assert locked.remote == source


def test_a_reinvite_to_another_address_lets_go() -> None:
    locked = latch()
    locked.receive(NATTED, 7, 0.0)
    locked.negotiate(("192.0.2.99", 6000), SIGNALLING)
    assert locked.remote == ("192.0.2.99", 6000)
    assert not locked.latched
    assert locked.receive(("192.0.2.99", 6000), 9, 0.02)
    assert not locked.receive(SDP, 7, 0.04)


def test_packets_on_their_way_from_the_left_address_do_not_lock_again() -> None:
    moved = latch()
    assert moved.receive(SDP, 1, 0.0)
    moved.negotiate(("192.0.2.1", 4100), SIGNALLING)
    assert not moved.receive(SDP, 1, 0.02)
    assert moved.remote == ("192.0.2.1", 4100)
    assert moved.receive(("192.0.2.1", 4100), 2, 0.04)


def test_a_peer_that_says_it_moves_but_stays_is_heard_again_after_a_second() -> None:
    stays = latch()
    assert stays.receive(NATTED, 1, 0.0)
    stays.negotiate(("192.0.2.1", 4100), SIGNALLING)
    assert not stays.receive(NATTED, 1, SAME_STREAM_S - 0.02)
    assert stays.receive(NATTED, 1, SAME_STREAM_S)


def test_a_peer_that_moves_back_is_heard_at_once() -> None:
    back = latch()
    assert back.receive(SDP, 1, 0.0)
    back.negotiate(("192.0.2.1", 4100), SIGNALLING)
    back.negotiate(SDP, SIGNALLING)
    assert back.receive(SDP, 1, 0.02)


@pytest.mark.parametrize("again", [SDP, None, ("0.0.0.0", 4000), ("::", 4000), ("", 0)])
def test_a_reinvite_that_moves_nothing_keeps_the_lock(again: tuple[str, int] | None) -> None:
    locked = latch()
    locked.receive(NATTED, 7, 0.0)
    locked.negotiate(again, SIGNALLING)
    assert locked.remote == NATTED
    assert not locked.receive(SDP, 7, 0.02)


def test_a_reinvite_from_another_network_lets_its_media_in_at_once() -> None:
    locked = latch()
    locked.receive(NATTED, 7, 0.0)
    locked.negotiate(SDP, "198.51.100.200")
    assert locked.remote == NATTED  # until something comes
    assert locked.receive(NATTED, 7, 0.02)
    assert not locked.receive(STRANGER, 8, 0.02)
    assert locked.receive(("198.51.100.200", 40000), 8, 0.03)
    assert not locked.receive(("198.51.100.200", 40001), 9, 0.04)


def test_the_fast_path_keeps_the_lock_alive() -> None:
    locked = latch()
    locked.receive(NATTED, 7, 0.0)
    locked.heard(20.0)
    assert not locked.receive(SDP, 7, 20.5)


def test_sdp_never_sends_elsewhere() -> None:
    fixed = latch("sdp")
    assert fixed.receive(NATTED, 1, 0.0)
    assert not fixed.receive(STRANGER, 1, 0.0)
    assert fixed.remote == SDP


def test_follow_goes_wherever_packets_come_from() -> None:
    following = latch("follow")
    for source in (STRANGER, SDP, NATTED, STRANGER):
        assert following.receive(source, 1, 0.0)
        assert following.remote == source


@pytest.mark.parametrize(("written", "plain"), [
    ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:DB8:0:0::1", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"), ("Phone.Example", "phone.example"),
])  # fmt: skip
def test_one_spelling_per_host(written: str, plain: str) -> None:
    assert plain_host(written) == plain


def test_socket_addresses_of_ipv6() -> None:
    locked = latch(sdp=("2001:DB8::1", 4000), signalling="")
    assert locked.receive(("2001:db8:0::1", 4000, 0, 0), 1, 0.0)
    assert latch().receive(("::ffff:192.0.2.1", 4000, 0, 0), 1, 0.0)


places = st.sampled_from([SDP, NATTED, ("198.51.100.7", 9), STRANGER, ("203.0.113.66", 1)])


@given(st.lists(st.tuples(places, st.integers(1, 3), st.sampled_from([0.0, 0.02, 0.9, 1.0, 4.9, 5.0])), max_size=40))
def test_every_move_has_a_reason(packets: list[tuple[tuple[str, int], int, float]]) -> None:
    locked, now = latch(), 0.0
    for source, ssrc, wait in packets:
        now += wait
        before, stream, silence = locked.source, locked.ssrc, now - locked.last_heard
        known = source[0] in (SDP[0], SIGNALLING)
        accepted = locked.receive(source, ssrc, now)
        if before is None:
            allowed = known
        else:
            allowed = source == before or (ssrc == stream and silence >= 1) or (known and silence >= 5)
        assert accepted == allowed
        assert locked.source == (source if accepted else before)
        assert locked.remote == (locked.source or SDP)


@pytest.mark.parametrize(
    ("sdp", "signalling", "mode", "remote"),
    [
        ("192.168.1.20", "198.51.100.7", "lock", "198.51.100.7"),
        ("100.64.3.4", "198.51.100.7", "follow", "198.51.100.7"),
        ("fd00::1", "2001:db8::1", "lock", "2001:db8::1"),
        ("192.168.1.20", "198.51.100.7", "sdp", "192.168.1.20"),
        ("192.168.1.20", "10.1.2.3", "lock", "192.168.1.20"),
        ("192.168.1.20", "127.0.0.1", "lock", "192.168.1.20"),
        ("192.168.1.20", "", "lock", "192.168.1.20"),
        ("203.0.113.9", "198.51.100.7", "lock", "203.0.113.9"),
        ("phone.example", "198.51.100.7", "lock", "phone.example"),
    ],
)
def test_a_private_address_behind_a_public_one(sdp: str, signalling: str, mode: Mode, remote: str) -> None:
    """RFC 7362 §4: hosted NAT traversal."""
    made = Latch(mode)
    made.negotiate((sdp, 4000), signalling)
    assert made.remote == (remote, 4000)
    assert made.source is None


def test_a_nat_that_changed_the_port_is_followed() -> None:
    made = Latch()
    made.negotiate(("192.168.1.20", 4000), "198.51.100.7")
    assert not made.receive(("203.0.113.66", 4000), 1, 0.0)
    assert made.receive(("198.51.100.7", 61000), 1, 0.0)
    assert made.remote == ("198.51.100.7", 61000)
