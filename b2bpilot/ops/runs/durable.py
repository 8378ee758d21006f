"""A file that grows by whole lines, each on disk when `append` returns; one fsync serves all threads that wait (group commit)."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from b2bpilot.advice import our_command
from b2bpilot.errors import PilotError, Refused
from b2bpilot.paths import private_folder
from b2bpilot.pipeline.waiting import wait_until

LOCK_SECONDS = 0.5
"""Whoever only asks whether the file is in use holds its lock for an instant."""
POLL_SECONDS = 0.01
CHUNK_BYTES = 65_536


class JournalFailed(PilotError):
    """A journal or an archive cannot be written or read. What it should have recorded was not done."""

    code = "journal_failed"


class DurableFile:
    """Belongs to one process at a time, by a lock that the kernel drops when the process ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._end = self._on_disk = os.fstat(descriptor).st_size
        self._syncing = False
        self._failure: OSError | None = None
        self._changed = threading.Condition()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new file (0600), and its folder (0700) if it is not there: one that is there may be others' to use, too.
        Raises FileExistsError, or JournalFailed."""
        try:
            private_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _sync_folder(path.parent)
        except FileExistsError:
            raise
        except OSError as exc:
            raise _failed(path, exc) from exc
        return cls(path, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Go on with a file; a line that was torn by a crash is cut off: nobody was told that it was written.

        Raises Refused while another process has it, or JournalFailed.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            if not _lock(descriptor):
                os.close(descriptor)
                raise Refused(
                    f"{path.name} is in use by another process", hint="wait for that process to end"
                )
            _cut_torn_line(descriptor)
        except OSError as exc:
            raise _failed(path, exc) from exc
        return cls(path, descriptor)

    def append(self, lines: Iterable[bytes], *, durable: bool = True) -> None:
        """Write lines (without their ends) and return when they are on disk; not durable ones when the kernel has them,
        which a kill of this process does not undo, only a power cut. Threads may call it side by side.

        Raises JournalFailed, now and from then on, when the disk refuses.
        """
        data = b"".join(line + b"\n" for line in lines)
        with self._changed:
            self._refuse_after_failure()
            self._write(data)
            mine = self._end
            while durable and self._on_disk < mine:
                self._refuse_after_failure()
                if self._syncing:
                    self._changed.wait()
                else:
                    self._sync()

    def close(self) -> None:
        """A thread that an interruption left behind can write nothing more: not into a file that has the number by then."""
        with self._changed:
            while self._syncing:
                self._changed.wait()
            if self._failure is None:
                self._failure = OSError(errno.EBADF, "it was closed when the run ended")
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        """Interrupted, what it wrote is cut off: nobody was told that it was written, and a rest of it would spoil
        the lines that the next one writes there."""
        try:
            _write_at(self._descriptor, data, self._end)
            self._end += len(data)
        except OSError as exc:
            self._failure = exc
        except BaseException:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._refuse_after_failure()

    def _sync(self) -> None:
        """One fsync for everything that was written before it, by everybody; others write meanwhile."""
        upto = self._end
        self._syncing = True
        self._changed.release()
        try:
            os.fsync(self._descriptor)
        except OSError as exc:
            self._failure = exc
        finally:
            self._changed.acquire()
            self._syncing = False
            self._changed.notify_all()
        if self._failure is None:
            self._on_disk = max(self._on_disk, upto)

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise _failed(self.path, self._failure) from self._failure


def is_in_use(path: Path) -> bool:
    """Tell whether a process holds the file: the run that writes it is alive."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Let no other process of this machine do the same during the block. Raises Refused, or JournalFailed."""
    try:
        private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _failed(path, exc) from exc
    try:
        if not _lock(descriptor):
            raise Refused(f"{what} is running already", hint="see " + our_command("runs", "list"))
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    def is_ours() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    return wait_until(is_ours, seconds=LOCK_SECONDS, pause_seconds=POLL_SECONDS)


def _write_at(descriptor: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, place)
        place, view = place + written, view[written:]


def _cut_torn_line(descriptor: int) -> None:
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - CHUNK_BYTES)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            os.ftruncate(descriptor, start + newline + 1)
            return
        end = start
    os.ftruncate(descriptor, 0)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, error: OSError) -> JournalFailed:
    return JournalFailed(
        f"{path} cannot be used: {error.strerror or error}",
        hint="each step is recorded there before it is done: free some space, or set B2BPILOT_HOME",
    )
