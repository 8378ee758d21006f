"""A text in the operator's editor and back."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from b2bpilot.errors import Refused, UsageError
from b2bpilot.paths import open_private, why

EDITORS = ("VISUAL", "EDITOR")


def ask_editor(text: str, *, environ: Mapping[str, str]) -> str:
    """Return the text as the editor left it. The file is only the operator's, and gone afterwards. What the editor prints
    never gets into our data.

    Raises UsageError when there is no editor, and Refused when it did not end well.
    """
    command = next((environ[name] for name in EDITORS if environ.get(name)), None)
    if command is None and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("there is no terminal to edit at", hint="set EDITOR to a program")
    command = command or "vi"
    with tempfile.TemporaryDirectory(prefix="b2bpilot-") as folder:
        file = Path(folder) / "message.json"
        with open_private(file, "x") as stream:
            stream.write(text)
        try:
            ended = subprocess.run(  # noqa: S603  # nosec B603  # the operator's own
                [*shlex.split(command), str(file)],
                check=False,
                stdout=None if sys.stdout.isatty() else sys.__stderr__,
            )
        except (OSError, ValueError) as exc:
            raise UsageError(
                f"the editor {command!r} cannot be started: {why(exc)}", hint="set EDITOR"
            ) from exc
        if ended.returncode != 0:
            raise Refused(f"the editor {command!r} ended with {ended.returncode}")
        try:
            return file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as exc:
            raise Refused(f"what the editor left cannot be read: {why(exc)}") from exc
