"""What earlier commands saw, for completion and to compare with: small files of this user's; a lost one is none."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from b2bpilot.paths import open_private, private_folder

FOLDER = "completion"
ENVIRONMENTS = "environments"
AT = "at"


def environments(home: Path) -> dict[str, str]:
    """Return the stacks that were found before, each with where it was."""
    return _read(_file(home, ENVIRONMENTS))


def remember_environment(home: Path, name: str, where: str) -> None:
    known = environments(home)
    if known.get(name) != where:
        _write(_file(home, ENVIRONMENTS), {**known, name: where})


def groups(home: Path, environment: str) -> dict[str, str]:
    """Return the groups of dead letters that were listed last, each with its cause."""
    return _read(_file(home, f"groups-{environment}"))


def remember_groups(home: Path, environment: str, found: Mapping[str, str]) -> None:
    if groups(home, environment) != found:
        _write(_file(home, f"groups-{environment}"), found)


def queue_name(environment: str, subscriber: str | None) -> str:
    """Return under which name the groups of a queue are remembered; an ARN's last part is enough to tell it apart."""
    return f"{environment}-of-{subscriber.rpartition(':')[2]}" if subscriber else environment


def listed_causes(home: Path, queue_url: str) -> dict[str, str]:
    """Return what each group of the queue was when it was listed last, and under AT when that was."""
    return _read(_listed_file(home, queue_url))


def remember_causes(home: Path, queue_url: str, causes: Mapping[str, str], *, at: str) -> None:
    _write(_listed_file(home, queue_url), {**causes, AT: at})


def _listed_file(home: Path, queue_url: str) -> Path:
    """By the queue alone: a subscriber has several names."""
    where = urlsplit(queue_url)
    return _file(home, f"listed-{where.hostname}{where.path.replace('/', '-')}")


def subscribers(home: Path, environment: str) -> dict[str, str]:
    """Return the subscribers that were found last, beside the processor, each with its endpoint."""
    return _read(_file(home, f"subscribers-{environment}"))


def remember_subscribers(home: Path, environment: str, found: Mapping[str, str]) -> None:
    if subscribers(home, environment) != found:
        _write(_file(home, f"subscribers-{environment}"), found)


def _file(home: Path, name: str) -> Path:
    return home / FOLDER / f"{name}.json"


def _read(path: Path) -> dict[str, str]:
    """Nothing where there is no such file, or none of ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: where for name, where in found.items() if isinstance(where, str)}


def _write(path: Path, found: Mapping[str, str]) -> None:
    """Whole or not at all; a home that cannot be written is no reason to fail."""
    part = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        private_folder(path.parent)
        with open_private(part, "w") as file:
            json.dump(found, file, indent=1)
        part.replace(path)
