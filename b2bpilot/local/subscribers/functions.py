"""The subscribers' functions: whose code each runs, and in what environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from b2bpilot.local.runtime.code import Handler, HandlerMissing, Load
from b2bpilot.local.runtime.configuration import FunctionConfiguration
from b2bpilot.local.runtime.process import HandlerProcess
from b2bpilot.local.subscribers.folder import SubscriberFolder

MOST_PROCESSES = 10
"""Each takes tens of megabytes."""


def with_subscribers(ours: Load, folders: Mapping[str, SubscriberFolder]) -> Load:
    """Load a subscriber's function in a process of its own, from the folder that has it, and every other as `ours` does. Of
    a folder, the handlers of its template are run and nothing else."""

    def load(configuration: FunctionConfiguration) -> Handler:
        folder = folders.get(configuration.name)
        if folder is None:
            return ours(configuration)
        if configuration.handler not in folder.code:
            raise HandlerMissing(
                f"'{configuration.handler}' is no handler of {folder.path}: nothing else is run there"
            )
        return HandlerProcess(configuration, folder.code[configuration.handler], packages=folder.packages)

    return load


def as_it_is_now(
    configuration: FunctionConfiguration, folder: SubscriberFolder, account: Mapping[str, str]
) -> FunctionConfiguration:
    """Add the account's variables to the function's own, and let a changed file be a changed function, as an upload makes
    it one: the next event has a new process."""
    return replace(
        configuration,
        environment={**account, **configuration.environment},
        code_sha256=fingerprint(folder.path),
        most_containers=MOST_PROCESSES,
    )


def fingerprint(path: Path) -> str:
    """Which Python files are there, and when each was written. What a tool keeps in a hidden folder is none of them."""
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(files):
            if name.endswith(".py"):
                stat = (Path(folder) / name).stat()
                found.append((folder, name, stat.st_mtime_ns, stat.st_size))
    return repr(found)
