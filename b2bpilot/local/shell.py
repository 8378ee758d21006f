"""What the shell's variables may say to the local environment: where programs and folders are, and how the terminal is.

Everything else is meant for somebody else: DATABASE_URL and TWILIO_* for a project, AWS_*, PG*, PYTHON* and proxies for
other programs. The functions would take them for their settings (docs/decisions/0017-nothing-of-the-shells.md).
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from b2bpilot.resources import PACKAGE

KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),  # without them some builds of Python do not start
        *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    }
)


def of_the_shell(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is kept of the variables."""
    return {name: value for name, value in environ.items() if name in KEPT}


def for_a_child(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a Python process that runs the same code as this one."""
    root = PACKAGE.parent
    installed = root == type(root)(sysconfig.get_path("purelib"))
    return of_the_shell(environ) | ({} if installed else {"PYTHONPATH": str(root)})


@contextmanager
def only_what_is_kept() -> Iterator[None]:
    """Keep everything else away from the block, and from every process that is started in it."""
    before = dict(os.environ)
    kept = of_the_shell(before)
    for name in before.keys() - kept.keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
