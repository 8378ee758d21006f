"""A command's output, in the colours and at the width that a terminal gets."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS, ROWS = 100, 50
PROMPT = "\x1b[1;32m$\x1b[0m "


def shown(arguments: Sequence[str], *, environment: Mapping[str, str]) -> str:
    """Run `b2bpilot` to its end; what it wrote to stdout, a terminal. stderr, where progress and notices go, is left out.

    Raises RuntimeError, with what stood in stderr, when the command failed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "b2bpilot", *arguments]
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=settings
    ) as process:
        os.close(theirs)
        text = _all_of(ours)
        assert process.stderr
        complaint = process.stderr.read().decode()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}: {text}{complaint}")
    return text.replace("\r\n", "\n")


def _all_of(descriptor: int) -> str:
    found = b""
    try:
        while chunk := os.read(descriptor, 65_536):
            found += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    finally:
        os.close(descriptor)
    return found.decode()
