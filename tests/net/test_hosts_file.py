"""The system's own table of names."""

from __future__ import annotations

import os
from pathlib import Path

from vb.net.hosts_file import HostsFile

TEXT = """
127.0.0.1 localhost localhost.localdomain   # ours
::1       LOCALHOST
192.0.2.7 pbx.example. pbx
192.0.2.7 pbx
nonsense  pbx
"""


def test_names_have_the_addresses_of_all_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(TEXT)
    hosts = HostsFile(str(path))
    assert hosts.addresses("localhost") == ["127.0.0.1", "::1"]
    assert hosts.addresses("PBX.example.") == ["192.0.2.7"]
    assert hosts.addresses("pbx") == ["192.0.2.7"]
    assert hosts.addresses("other") == []


def test_a_change_is_seen_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    hosts = HostsFile(str(path))
    assert hosts.addresses("pbx") == []
    path.write_text("192.0.2.1 pbx\n")
    assert hosts.addresses("pbx") == ["192.0.2.1"]
    path.write_text("192.0.2.9 pbx\n")
    os.utime(path, (1, 1))
    assert hosts.addresses("pbx") == ["192.0.2.9"]
    path.unlink()
    assert hosts.addresses("pbx") == []
