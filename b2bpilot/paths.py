"""Where a path leads, whatever the working directory is by then; one that was deleted is said."""

from __future__ import annotations

from pathlib import Path

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
    """Make it (0700) if it is not there. Raises OSError, NotADirectoryError for a file in its place."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError as exc:
        raise NotADirectoryError(exc.errno, "Not a directory", str(folder)) from exc
