"""A failure on a machine that kept time counts at once; one while it stood still is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import steady


def attempts(fail: int) -> tuple[list[Path], object]:
    seen: list[Path] = []

    async def attempt(place: Path) -> None:
        seen.append(place)
        assert len(seen) > fail

    return seen, attempt


async def test_a_failure_on_a_steady_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "STALL", 1e9)
    seen, attempt = attempts(1)
    with pytest.raises(AssertionError):
        await steady.on_a_steady_machine(attempt, tmp_path)  # type: ignore[arg-type]
    assert len(seen) == 1


async def test_a_failure_while_it_stood_still_is_repeated_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "STALL", -1.0)
    seen, attempt = attempts(2)
    await steady.on_a_steady_machine(attempt, tmp_path)  # type: ignore[arg-type]
    assert len(seen) == 3
    (tmp_path / "again").mkdir()
    seen, attempt = attempts(99)
    with pytest.raises(AssertionError):
        await steady.on_a_steady_machine(attempt, tmp_path / "again")  # type: ignore[arg-type]
    assert len(seen) == steady.ATTEMPTS
