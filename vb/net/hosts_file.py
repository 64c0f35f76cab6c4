"""The system's own table of names, which goes before the DNS."""

from __future__ import annotations

from pathlib import Path

from vb.net.addresses import numeric_family


class HostsFile:
    """``/etc/hosts``, read again when it changes; a missing or unreadable file is empty."""

    def __init__(self, path: str = "/etc/hosts") -> None:
        self._path = Path(path)
        self._stamp: tuple[int, int] | None = None
        self._names: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """The numeric addresses of a name, in the order of the file."""
        self._refresh()
        return list(self._names.get(name.lower().rstrip("."), ()))

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            text = self._path.read_text("utf-8", "replace")
        except OSError:
            self._stamp, self._names = None, {}
            return
        self._stamp, self._names = stamp, _parse(text)


def _parse(text: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *aliases = line.partition("#")[0].split() or [""]
        if numeric_family(address) is None:
            continue
        for alias in aliases:
            found = names.setdefault(alias.lower().rstrip("."), [])
            if address not in found:
                found.append(address)
    return names
