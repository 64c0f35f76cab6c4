"""Recording files: names, and a WAV that exists under its name only when it is whole.

It grows as ``.rec-<hex>.tmp`` beside its later place, is synced to disk, and then hard-linked to its name: a reader
never sees half a recording, and nothing that is there already is overwritten. A process that is killed leaves its
temporary files, playable as far as they got; a later one removes them after a day.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vb.call.errors import Conflict, Invalid
from vb.dsp.wav_writer import HEADER_SIZE, WavWriter

log = logging.getLogger("vb.activity")

MAX_NAME = 128
MAX_OCTETS = 255
"""NAME_MAX of the usual file systems."""
STALE_SECONDS = 24 * 3600.0
"""How long what a killed process was recording is kept, for somebody to look at."""
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def file_name(custom: str, now: datetime, *, middle: str = "") -> str:
    """The name of a recording: the custom one with ``.wav``, or ``YYYYMMDD_HHMMSS_[middle_]<8 hex>.wav``.

    A custom name has letters, digits, ``-``, ``_``, ``.``; no dot at either end, none doubled; at most 128 characters.
    Raises Invalid.
    """
    if not custom:
        part = f"{middle}_" if middle else ""
        return f"{now:%Y%m%d_%H%M%S}_{part}{secrets.token_hex(4)}.wav"
    good = all(char.isalpha() or char.isdecimal() or char in "-_." for char in custom)
    if not good or len(custom) > MAX_NAME or custom[0] == "." or custom[-1] == "." or ".." in custom:
        raise Invalid("invalid recording filename")
    name = f"{custom}.wav"
    if len(os.fsencode(name)) > MAX_OCTETS:
        raise Invalid("invalid recording filename")
    return name


class RecordingFolder:
    """RECORDING_DIR and the names promised in it. ``reserve`` and ``release`` in the Trio thread only."""

    def __init__(self, path: Path, now: Callable[[], datetime] = datetime.now) -> None:
        self._path = path
        self._now = now
        self._reserved: set[Path] = set()
        self._tidy = False

    def reserve(self, custom: str = "", *, middle: str = "") -> Path:
        """Where the recording will be. Raises Invalid (bad name) or Conflict (it exists or is promised)."""
        path = self._path / file_name(custom, self._now(), middle=middle)
        try:
            taken = path in self._reserved or os.path.lexists(path)
        except (OSError, ValueError) as error:
            raise Invalid("invalid recording filename") from error
        if taken:
            raise Conflict("recording file already exists")
        self._reserved.add(path)
        return path

    def release(self, path: Path) -> None:
        """The name is taken by its file, or free again."""
        self._reserved.discard(path)

    def open(self) -> RecordingFile:
        """A new temporary file; to be called in a worker thread. Raises OSError."""
        self._path.mkdir(parents=True, exist_ok=True)
        if not self._tidy:
            self._tidy = True
            _remove_stale(self._path)
        return RecordingFile(self._path / f".rec-{secrets.token_hex(8)}.tmp")


class RecordingFile:
    """One file in the making; used by one worker thread at a time, except ``abandon``."""

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        os.fchmod(descriptor, 0o644)  # whatever the umask: others play what we record
        _lock(descriptor)
        self._file = os.fdopen(descriptor, "w+b")
        self._writer: WavWriter | None = None
        self._abandoned = False
        self._gate = threading.Lock()

    def write(self, block: NDArray[np.int16], rate: int) -> None:
        """Append int16[frames, channels]; the first block decides rate and channels. Raises OSError."""
        if self._writer is None:
            self._writer = WavWriter(self._file, rate, block.shape[1])
        self._writer.write(block)

    def read(self, begin: int, count: int) -> NDArray[np.int16]:
        """``count`` frames from frame ``begin``, fewer at the end: int16[frames, channels]. Raises OSError."""
        assert self._writer is not None
        width = 2 * self._writer.channels
        self._file.flush()
        octets = os.pread(self._file.fileno(), count * width, HEADER_SIZE + begin * width)
        return np.frombuffer(octets[: len(octets) // width * width], "<i2").reshape(-1, self._writer.channels)

    def publish(self, path: Path) -> None:
        """Give the file its name, safely on the disk. Raises OSError, also when it was abandoned."""
        assert self._writer is not None
        try:
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            with self._gate:
                if self._abandoned:
                    raise OSError(errno.ECANCELED, "nobody waits for it any more")
                _link(self._temporary, path)
            _sync_folder(path.parent)
        finally:
            self.discard()

    def abandon(self) -> None:
        """Nobody waits any more: the file will not appear later either."""
        with self._gate:
            self._abandoned = True

    def discard(self) -> None:
        """Remove the temporary file; any number of times. Never raises."""
        try:
            self._file.close()
        except OSError as error:  # the last buffered bytes did not fit
            log.warning("recording lost", extra={"error": str(error)})
        try:
            self._temporary.unlink(missing_ok=True)
        except OSError as error:
            log.warning("temporary recording left behind", extra={"path": str(self._temporary), "error": str(error)})


def _lock(descriptor: int) -> bool:
    """Whether the file is ours alone now; a lock ends with the process that holds it, however that ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody else's, or a file system without locks
        return False
    return True


def _remove_stale(folder: Path) -> None:
    """Remove old temporary files that nobody writes. Never raises."""
    for path in folder.glob(".rec-*.tmp"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # gone, not ours to read, or a link
            continue
        try:
            status = os.fstat(descriptor)
            old = stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > STALE_SECONDS
            if old and _lock(descriptor):
                path.unlink()
                log.info("recording of a killed process removed", extra={"path": str(path)})
        except OSError as error:
            log.warning("old temporary recording left behind", extra={"path": str(path), "error": str(error)})
        finally:
            os.close(descriptor)


def _link(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # No hard links here (some network and container file systems): claim the name, then replace it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
