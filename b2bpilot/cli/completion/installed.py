"""Where a shell finds the script, and how it is put there and taken away again."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.cli.completion.shells import Shell
from b2bpilot.errors import SettingsInvalid, UsageError
from b2bpilot.paths import absolute, why

MARK = "# completion of b2bpilot"
MADE = f"# Made for it, and removed with it when nothing else stands here.  {MARK}"
"""Stands above the line in a file that was not there: an empty one may mean something to a shell, as .zshrc does to zsh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """`startup` is the file that the shell reads when it starts; None where it finds the script by itself."""

    script: Path
    startup: Path | None

    @property
    def line(self) -> str:
        quoted = shlex.quote(str(self.script))
        return f"[ ! -r {quoted} ] || . {quoted}  {MARK}"

    def write(self, text: str) -> list[Path]:
        """Write what is not there yet, and return the files that were changed. Raises UsageError."""
        changed = [self.script] if _written(self.script, text) else []
        if self.startup is not None and _written(self.startup, self._with_line(_read(self.startup))):
            changed.append(self.startup)
        return changed

    def remove(self) -> list[Path]:
        """Undo it, and return the files that were changed or removed. Raises UsageError."""
        changed = [self.script] if _removed(self.script) else []
        before = _read(self.startup) if self.startup else ""
        if self.startup is not None and (after := _without_line(before)) != before:
            if not after and MADE in before.split("\n"):
                _removed(self.startup)
            else:
                _written(self.startup, after)
            changed.append(self.startup)
        return changed

    def _with_line(self, text: str) -> str:
        """The line at the end, once, whatever an earlier one said."""
        if self.line in text.split("\n"):
            return text
        rest = _without_line(text)
        if self.startup is not None and (MADE in text.split("\n") or not self.startup.exists()):
            rest = f"{rest}{MADE}\n"
        gap = "" if not rest or rest.endswith("\n") else "\n"
        return f"{rest}{gap}{self.line}\n"


def place_of(shell: Shell, environ: Mapping[str, str]) -> Installed:
    """Raises SettingsInvalid when nobody can tell where the home is."""
    home = _home(environ)
    folder = _folder(environ.get("XDG_DATA_HOME"), home / ".local/share") / "b2bpilot"
    match shell:
        case Shell.BASH:
            return Installed(script=folder / "completion.bash", startup=home / ".bashrc")
        case Shell.ZSH:
            startup = _folder(environ.get("ZDOTDIR"), home) / ".zshrc"
            return Installed(script=folder / "completion.zsh", startup=startup)
        case Shell.FISH:
            config = _folder(environ.get("XDG_CONFIG_HOME"), home / ".config")
            return Installed(script=config / "fish/completions/b2bpilot.fish", startup=None)


def _home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("HOME"):
        return absolute(home)
    raise SettingsInvalid("HOME is not set: nobody can tell where the shell looks", hint="set HOME")


def _folder(chosen: str | None, usual: Path) -> Path:
    return absolute(chosen) if chosen else usual


def _without_line(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip().endswith(MARK))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {why(exc)}") from exc


def _written(path: Path, text: str) -> bool:
    """Return whether it had to be written. A link stays one: many keep such files elsewhere."""
    if path.exists() and _read(path) == text:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {why(exc)}") from exc
    return True


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise UsageError(f"{path} cannot be removed: {why(exc)}") from exc
    with contextlib.suppress(OSError):
        path.parent.rmdir()
    return True
