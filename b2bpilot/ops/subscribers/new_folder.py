"""A subscriber's folder: what its files say, and how they are written, all or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from b2bpilot import resources
from b2bpilot.errors import PilotError, UsageError
from b2bpilot.ops.subscribers.coverage import takes_tests
from b2bpilot.ops.subscribers.filter_policy import json_text
from b2bpilot.ops.subscribers.new_filter import ATTRIBUTES_SCOPE, as_yaml
from b2bpilot.paths import why

SUFFIX = ".in"
COMMON = "common"
COPIED = ("subscriber/once.py", "pipeline/rds.pem")
"""What is ours and goes into the folder as it is."""
FOLDER_MODE = 0o777
"""Less what the shell's umask takes."""


class Protocol(StrEnum):
    LAMBDA = "lambda"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscriber:
    """What was asked for, judged."""

    name: str
    protocol: Protocol
    filter_policy: Mapping[str, Any]

    def files(self) -> dict[str, bytes]:
        """Return the folder's files by name, the same bytes for the same subscriber."""
        found = {path.name: path.read_bytes() for path in map(resources.code, COPIED)}
        for folder in (COMMON, self.protocol.value):
            for path in resources.code(f"subscriber/folder/{folder}").iterdir():
                found[path.name.removesuffix(SUFFIX)] = self._filled(path.read_text(encoding="utf-8"))
        return dict(sorted(found.items()))

    def _filled(self, text: str) -> bytes:
        policy = f"FilterPolicy: {as_yaml(self.filter_policy)}" if self.filter_policy else "# All of them."
        filled = text.replace("__NAME__", self.name).replace("__TESTS__", self._tests())
        return filled.replace("__FILTER__", policy).encode()

    def _tests(self) -> str:
        """What becomes of a test message, in words that follow it."""
        match takes_tests(json_text(dict(self.filter_policy)), ATTRIBUTES_SCOPE):
            case True:
                return "which it takes, too"
            case False:
                return "which its filter policy leaves out"
            case None:
                return "and whether its filter policy takes that is not known"


def require_free(folder: Path) -> None:
    """Raises UsageError unless the folder can be made, or is there and empty."""
    try:
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", hint="name another folder with --dir")
    except FileNotFoundError:
        if not folder.parent.is_dir():
            raise UsageError(
                f"{folder} cannot be made: {folder.parent} is not there", hint="make it first"
            ) from None
    except OSError as exc:
        raise UsageError(
            f"{folder} cannot be used: {why(exc)}", hint="name another folder with --dir"
        ) from exc


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none. Raises PilotError."""
    try:
        with _staged(folder) as place:
            for name, content in files.items():
                (place / name).write_bytes(content)
    except OSError as exc:
        raise PilotError(f"{folder} could not be written: {why(exc)}", outcome="Nothing was written") from exc


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A folder that becomes this one at the end. One that is there stays the same: somebody may stand in it."""
    is_there = folder.exists()
    stage = Path(tempfile.mkdtemp(prefix=".new-", dir=folder if is_there else folder.parent))
    moved: list[Path] = []
    try:
        yield stage
        if is_there:
            moved.extend(path.rename(folder / path.name) for path in stage.iterdir())
            stage.rmdir()
        else:
            stage.chmod(FOLDER_MODE & ~_umask())
            stage.rename(folder)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        shutil.rmtree(stage, ignore_errors=True)
        raise


def _umask() -> int:
    """It can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
