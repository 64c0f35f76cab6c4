"""The contacts of registered phones in a file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import attrs
import pytest

from tests.sip.test_location import BINDING
from vb.sip.effects import Hop
from vb.sip.fields import parse_name_addrs
from vb.sip.uri import parse_uri
from vb.store.bindings import BindingStore, StoreError

OTHER = attrs.evolve(
    BINDING,
    contact=parse_uri("sip:desk@[2001:db8::7];transport=tcp"),
    flow=Hop("TCP", "2001:db8::7", 40000, 3, ("2001:db8::1", 5060)),
    path=parse_name_addrs(["<sip:edge;lr>", '"a, b" <sip:p2;lr>;x=1']),
    q=500,
    user_agent="grüße/1",
    created=101.5,
)


def test_what_is_kept(tmp_path: Path) -> None:
    store = BindingStore(tmp_path / "state" / "bindings.sqlite")
    assert store.load(0.0) == []
    assert list(tmp_path.iterdir()) == []
    store.save({BINDING.aor: [BINDING, OTHER]})
    store.close()
    again = BindingStore(store.path)
    assert again.load(100.0) == [BINDING, attrs.evolve(OTHER, flow=Hop("TCP", "2001:db8::7", 40000))]
    assert again.load(160.0) == []
    again.save({BINDING.aor: [OTHER], "sip:nobody@example.com": []})
    assert [binding.contact for binding in again.load(0.0)] == [OTHER.contact]
    again.save({BINDING.aor: []})
    assert again.load(0.0) == []
    again.close()
    again.close()
    assert store.path.stat().st_mode & 0o077 == 0


def test_a_web_socket_ends_with_the_process(tmp_path: Path) -> None:
    store = BindingStore(tmp_path / "b")
    store.save({BINDING.aor: [attrs.evolve(BINDING, flow=Hop("WSS", "192.0.2.7", 40000, 3))]})
    assert store.load(0.0) == []
    store.close()


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError):
        BindingStore(broken).load(0.0)
    with pytest.raises(StoreError):
        BindingStore(broken).save({})
    with pytest.raises(StoreError):
        BindingStore(tmp_path).load(0.0)
    with pytest.raises(StoreError):
        BindingStore(broken / "below").save({})
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 7")
    newer.close()
    with pytest.raises(StoreError, match="another version"):
        BindingStore(tmp_path / "newer").load(0.0)


def test_a_row_that_nobody_can_read(tmp_path: Path) -> None:
    store = BindingStore(tmp_path / "b")
    store.save({BINDING.aor: [BINDING]})
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE bindings SET contact = 'nonsense'")
    connection.close()
    with pytest.raises(StoreError, match="unreadable"):
        store.load(0.0)
    store.close()
