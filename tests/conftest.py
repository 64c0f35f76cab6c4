"""Async tests run on Trio: with an auto-jumping MockClock, or on the real clock when marked ``realtime``."""

from __future__ import annotations

import inspect
import os
from typing import Any

import hypothesis
import pytest
import trio
import trio.testing

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    real = pyfuncitem.get_closest_marker("realtime") is not None
    clock = None if real else trio.testing.MockClock(autojump_threshold=0)

    async def main() -> None:
        with trio.fail_after(150 if real else 1e7):
            await pyfuncitem.obj(**arguments)

    trio.run(main, clock=clock)
    return True
