from __future__ import annotations

import wave
from pathlib import Path

from vb.demo.signals import RATE, speech
from vb.demo.waveform import draw


def test_a_recording_becomes_a_picture(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(speech(1, 1.0).tobytes())
    draw(tmp_path / "a.wav", tmp_path / "a.png", {"alice": (0.2, 0.8)})
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 5000
