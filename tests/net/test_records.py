"""The order of servers: priority, then chance by weight (RFC 2782)."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from vb.net.records import Srv, in_order


def test_the_lowest_priority_is_first_and_weights_are_shares() -> None:
    servers = [Srv(20, 100, 1, "backup"), Srv(10, 75, 1, "big"), Srv(10, 25, 1, "small"), Srv(10, 0, 1, "none")]
    rng = Random(1)
    orders = [[server.target for server in in_order(servers, rng)] for _ in range(2000)]
    assert all(order[3] == "backup" for order in orders)
    first = Counter(order[0] for order in orders)
    assert 1400 < first["big"] < 1600
    assert 400 < first["small"] < 600
    assert 0 < first["none"] < 60, "a very small chance"


def test_a_group_without_weights() -> None:
    servers = [Srv(0, 0, 1, "a"), Srv(0, 0, 1, "b")]
    assert {server.target for server in in_order(servers, Random(1))} == {"a", "b"}


@given(st.lists(st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.just(1), st.sampled_from("abc"))))
def test_nobody_is_lost(servers: list[Srv]) -> None:
    ordered = in_order(servers, Random(2))
    assert Counter(ordered) == Counter(servers)
    assert [server.priority for server in ordered] == sorted(server.priority for server in servers)
