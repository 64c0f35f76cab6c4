"""The recorded flows of rooms, playback and recording, replayed: answers, events and their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.activity.replay import FLOWS, Replay, load
from tests.activity.studio import open_studio


@pytest.mark.realtime
@pytest.mark.parametrize("name", sorted(path.stem for path in FLOWS.glob("*.json")))
async def test_flow(name: str, tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await Replay(studio, load(name)).run()
