"""Where a path leads, whatever the working directory is by then, and what is only the operator's there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TextIO, cast

from b2bpilot.errors import SettingsInvalid


def absolute(path: str | Path) -> Path:
    """Raises SettingsInvalid for a relative path in a working directory that is gone."""
    try:
        return Path(path).absolute()
    except FileNotFoundError as exc:
        raise SettingsInvalid(
            f"{path} is relative to the working directory, which was deleted",
            hint="go to a directory that is there, or write the path from / on",
        ) from exc


def private_folder(folder: Path) -> None:
    """Make it, and what is missing above it, 0700. One that is there may be others' to use, too: its files are closed, not it.

    Raises OSError, NotADirectoryError for a file in its place.
    """
    try:
        for missing in reversed([one for one in folder.parents if not one.exists()]):
            missing.mkdir(exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
    except FileExistsError as exc:
        raise NotADirectoryError(exc.errno, "Not a directory", str(folder)) from exc


def open_private(path: Path, mode: str) -> TextIO:
    """Open text to be written, 0600. A file that is there and that others may read is closed to them first.

    What is no file (/dev/stdout, a pipe) stays as it is. Raises OSError, also for a file that is another user's.
    """
    return cast("TextIO", open(path, mode, encoding="utf-8", opener=_private))


def _private(name: str, flags: int) -> int:
    """Nothing is cut off before it is certain that the file is ours."""
    descriptor = os.open(name, flags & ~os.O_TRUNC, 0o600)
    try:
        found = os.fstat(descriptor).st_mode
        if stat.S_ISREG(found):
            if stat.S_IMODE(found) & 0o077:
                os.fchmod(descriptor, 0o600)
            if flags & os.O_TRUNC:
                os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def why(error: Exception) -> str:
    """Return in words what kept a file from being read or written. What an OSError itself says has its number and its path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
