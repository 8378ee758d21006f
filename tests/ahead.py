"""What a whole run needs and takes long to make, made while one process collects and the other cores have nothing to do."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from tests.forked import connect


def begin(config: pytest.Config) -> None:
    """Who needs it before it is ready waits for it, and who finds that it failed makes it anew (tests/once.py)."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_whole or not config.option.workers or config.option.keyword or config.option.markexpr:
        return
    process = os.fork()
    if process == 0:
        with suppress(BaseException):
            _make()
        os._exit(0)
    config.stash[PROCESS] = process


def wait(config: pytest.Config) -> None:
    """Until nobody writes into the run's folder any more."""
    if PROCESS in config.stash:
        os.waitpid(config.stash[PROCESS], 0)


PROCESS = pytest.StashKey[int]()


def _make() -> None:
    from tests.deployment.conftest import built

    connect().close()
    for architecture in ("arm64", "x86_64"):
        built(architecture)
