"""Programs that a few tests run and nothing else here needs. No Python package brings them, and CI installs no others."""

from __future__ import annotations

import shutil

import pytest


def needs(*programs: str, path: str | None = None) -> pytest.MarkDecorator:
    """Skip the test where one of them is missing, naming it: whoever installs it has the test."""
    missing = [name for name in programs if shutil.which(name, path=path) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
