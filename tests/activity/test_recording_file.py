from __future__ import annotations

import errno
import os
import re
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.activity.recording_file import STALE_SECONDS, RecordingFile, RecordingFolder, file_name
from vb.call.errors import Conflict, Invalid

NOW = datetime(2026, 11, 21, 14, 5, 9)  # names are in local time


def test_names_of_our_own() -> None:
    assert re.fullmatch(r"20261121_140509_[0-9a-f]{8}\.wav", file_name("", NOW))
    assert re.fullmatch(r"20261121_140509_multichannel_[0-9a-f]{8}\.wav", file_name("", NOW, middle="multichannel"))


@given(st.text(max_size=140))
def test_a_custom_name_never_leaves_the_folder(custom: str) -> None:
    try:
        name = file_name(custom, NOW)
    except Invalid:
        return
    assert Path("/r", name).resolve().parent == Path("/r")
    assert name.endswith(".wav")
    assert not name.startswith(".")
    assert len(os.fsencode(name)) <= 255


def test_a_name_is_promised_until_it_is_released(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path, lambda: NOW)
    path = folder.reserve("x")
    with pytest.raises(Conflict):
        folder.reserve("x")
    folder.release(path)
    assert folder.reserve("x") == path
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Conflict):
        folder.reserve("dangling")


def test_a_file_that_cannot_be_closed_or_removed_is_only_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    file = RecordingFile(tmp_path / ".rec-1.tmp")
    file.write(np.zeros((160, 1), np.int16), 8000)
    monkeypatch.setattr(Path, "unlink", fail)
    monkeypatch.setattr(file, "_file", type("Stuck", (), {"close": fail})())
    file.discard()
    assert "recording lost" in caplog.text
    assert "left behind" in caplog.text


def test_whatever_the_umask_others_may_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        file = RecordingFolder(tmp_path / "new" / "folder").open()
    finally:
        os.umask(before)
    file.write(np.zeros((160, 2), np.int16), 8000)
    file.publish(tmp_path / "new" / "folder" / "x.wav")
    assert (tmp_path / "new" / "folder" / "x.wav").stat().st_mode & 0o777 == 0o644


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    def left_behind(name: str, age: float) -> Path:
        path = tmp_path / name
        path.write_bytes(b"RIFF")
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    old, recent = left_behind(".rec-old.tmp", STALE_SECONDS + 60), left_behind(".rec-new.tmp", STALE_SECONDS - 60)
    others = [left_behind(name, 9 * STALE_SECONDS) for name in ("a.wav", ".rec-x.wav", "rec-x.tmp")]
    (tmp_path / ".rec-folder.tmp").mkdir()
    (tmp_path / ".rec-link.tmp").symlink_to(tmp_path / "nowhere")
    running = RecordingFile(tmp_path / ".rec-running.tmp")  # of another process: silent for long, not dead
    os.utime(tmp_path / ".rec-running.tmp", (0, 0))
    RecordingFolder(tmp_path).open().discard()
    assert not old.exists()
    assert recent.exists()
    assert all(path.exists() for path in others)
    assert (tmp_path / ".rec-running.tmp").exists()
    running.discard()


def test_a_folder_is_tidied_once(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    folder.open().discard()
    stale = tmp_path / ".rec-old.tmp"
    stale.write_bytes(b"")
    os.utime(stale, (0, 0))
    folder.open().discard()
    assert stale.exists()


def test_what_cannot_be_removed_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    stale = tmp_path / ".rec-old.tmp"
    stale.write_bytes(b"")
    os.utime(stale, (0, 0))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fail)
        file = RecordingFolder(tmp_path).open()
    file.discard()
    assert stale.exists()
