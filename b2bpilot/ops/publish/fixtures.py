"""Named messages: those that come with the program, and the operator's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from b2bpilot.errors import UsageError
from b2bpilot.ops.parameters import checked_name
from b2bpilot.paths import open_private, private_folder, why
from b2bpilot.twilio.samples import Sample, sample_params

SUFFIX = ".json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A message by its name. `base` brings what Twilio sends with such a message, a new SID each time among it."""

    base: Sample | None = None
    changes: Mapping[str, str] = field(default_factory=dict, repr=False)

    def params(self) -> dict[str, str]:
        return {**(sample_params(self.base) if self.base else {}), **self.changes}


def find(folder: Path, name: str) -> Fixture:
    """Return a fixture of ours or of the operator's. Raises UsageError."""
    if name in list(Sample):
        return Fixture(base=Sample(name))
    if name in own_names(folder):
        return _read(folder / f"{name}{SUFFIX}")
    known = [*Sample, *own_names(folder)]
    close = get_close_matches(name, known, n=1)
    raise UsageError(
        f"there is no fixture {name!r}",
        hint=f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}",
    )


def own_names(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def save(folder: Path, name: str, fixture: Fixture) -> tuple[Path, bool]:
    """Keep a fixture under a name; return where, and whether it replaced one. Raises UsageError."""
    if name in list(Sample):
        raise UsageError(f"--save: {name!r} is a fixture of b2bpilot's own", hint="choose another name")
    if not NAME.fullmatch(name):
        raise UsageError(f"--save: {name!r} is not a name", hint="small letters, digits and dashes")
    path = folder / f"{name}{SUFFIX}"
    is_new = not path.exists()
    base = fixture.base.value if fixture.base else None
    document = {"fixture": base, "params": dict(fixture.changes)}
    try:
        private_folder(folder)
        with open_private(path, "w") as file:
            file.write(json.dumps(document, indent=2) + "\n")
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc
    return path, not is_new


def _read(path: Path) -> Fixture:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path} cannot be read: {why(exc)}") from exc
    return fixture_of(document, where=str(path))


def fixture_of(document: Any, *, where: str) -> Fixture:
    """Return what `{"fixture": NAME or null, "params": {...}}` says. Raises UsageError that begins with `where`."""
    if not isinstance(document, dict):
        raise UsageError(f"{where}: not a JSON object")
    base, params = document.get("fixture"), document.get("params", {})
    if base is not None and base not in list(Sample):
        raise UsageError(f"{where}: there is no fixture {base!r}", hint=f"there are {', '.join(Sample)}")
    if not isinstance(params, dict):
        raise UsageError(f"{where}: params is not an object")
    return Fixture(base=Sample(base) if base else None, changes=checked_params(params, where=where))


def checked_params(params: Mapping[str, Any], *, where: str) -> dict[str, str]:
    """Return Twilio parameters as they were given. Raises UsageError for a name or a value that Twilio does not send."""
    for name, value in params.items():
        try:
            checked_name(name)
        except UsageError as exc:
            raise UsageError(f"{where}: {exc}", hint=exc.hint) from exc
        if not isinstance(value, str):
            raise UsageError(f"{where}: {name} is not a string", hint="Twilio's parameters are all text")
    return dict(params)
