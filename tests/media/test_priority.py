from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from vb.media import priority


def test_the_process_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "setpriority", lambda *arguments: asked.append(arguments))
    priority.raise_priority()
    assert asked == [(os.PRIO_PROCESS, 0, priority.NICENESS)]


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("setpriority", [refuse])
def test_without_the_right_nothing_changes(monkeypatch: pytest.MonkeyPatch, setpriority: Callable[..., None]) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    monkeypatch.setattr(os, "setpriority", setpriority)
    assert priority.raise_priority() == before
