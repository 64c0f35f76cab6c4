"""Imports may only point down. This test is the architecture diagram of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "vb"

PURE: dict[str, set[str]] = {
    "sip": set(),
    "sdp": set(),
    "rtp": set(),
    "codec": set(),
    "dsp": set(),
    "mix": {"dsp"},
}
_MEDIA = set(PURE) | {"net"}
_CALL = _MEDIA | {"media"}
_ROOM = _CALL | {"call"}
_ACTIVITY = _ROOM | {"room"}
ALLOWED: dict[str, set[str]] = PURE | {
    "net": set(PURE),
    "store": set(PURE),
    "media": _MEDIA,
    "call": _CALL,
    "legs": _ROOM | {"store"},
    "room": _ROOM,
    "activity": _ACTIVITY,
    "api": _ACTIVITY | {"activity", "legs"},
    "phone": _CALL,
    "demo": _CALL | {"phone"},
}
IO = {"trio", "socket", "asyncio", "threading", "time", "ssl", "select", "random", "subprocess"}
RANDOM_TYPE_ONLY = {"random"}  # `from random import Random`: the type of an argument, no generator of its own


def imported(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((a.name, ()) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or "", tuple(a.name for a in node.names)


def wrongs(path: Path) -> Iterator[str]:
    where = path.relative_to(ROOT)
    layer = where.parts[0] if len(where.parts) > 1 else ""
    for name, names in imported(path):
        top, *rest = name.split(".")
        if top == "asyncio":
            yield f"{where}: {name}"
        if layer in PURE and top in IO and not (top in RANDOM_TYPE_ONLY and names == ("Random",)):
            yield f"{where}: {name}"
        if layer and top == "vb" and rest and rest[0] != layer and rest[0] not in ALLOWED[layer]:
            yield f"{where}: {name}"


def test_arrows_point_down() -> None:
    assert [wrong for path in sorted(ROOT.rglob("*.py")) for wrong in wrongs(path)] == []


def test_the_adapters_do_not_know_each_other() -> None:
    legs = ROOT / "legs"
    kinds = {p.name for p in legs.iterdir() if p.is_dir()}
    for path in legs.rglob("*.py"):
        own = path.relative_to(legs).parts[0]
        for name, _ in imported(path):
            if name.startswith("vb.legs."):
                assert name.split(".")[2] == own or name.split(".")[2] not in kinds, f"{path}: {name}"
