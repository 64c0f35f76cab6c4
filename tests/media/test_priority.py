from __future__ import annotations

import os
from typing import Any

import pytest

from vb.media.priority import NICENESS, REALTIME_PRIORITY, raise_priority


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_the_process_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "setpriority", lambda *arguments: asked.append(arguments))
    raise_priority()
    assert asked == [(os.PRIO_PROCESS, 0, NICENESS)]


def test_real_time_is_asked_for_and_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *arguments: asked.append(arguments))
    assert raise_priority(realtime=True) == "realtime"
    ((process, policy, parameters),) = asked
    assert (process, policy) == (0, os.SCHED_RR | os.SCHED_RESET_ON_FORK)
    assert parameters.sched_priority == REALTIME_PRIORITY


def test_without_the_right_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    monkeypatch.setattr(os, "setpriority", refuse)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert raise_priority(realtime=True) == f"nice {before}"
