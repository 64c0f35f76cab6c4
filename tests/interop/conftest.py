"""Interop tests run in real time and need peers; a missing one skips here and fails in CI."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "interop" in item.path.parts:
            item.add_marker(pytest.mark.realtime)
            item.add_marker(pytest.mark.interop)
