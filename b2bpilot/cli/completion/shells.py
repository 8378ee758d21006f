"""How each shell says what was typed, and how it wants its answer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.cli.completion.offer import Candidate, Offer
from b2bpilot.cli.output.flow import Span, clipped, shown
from b2bpilot.cli.text import plain

FILES = 64
"""The exit code that tells a script of ours to offer files."""


AROUND = 9
"""Columns that zsh keeps for itself beside a value and its help, which it cuts without a mark."""


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """The words before the one that is being typed, without the program's name, and that one."""

    words: Sequence[str]
    incomplete: str
    is_joined: bool = True
    """Whether an option and its value, joined by `=`, are one word for the shell."""


def asked(shell: Shell, environ: Mapping[str, str]) -> ShellRequest:
    """Read what the shell's script passes."""
    if shell is Shell.BASH:
        return _asked_by_bash(environ)
    text = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = split(text)[1:]
    if words and not text.endswith((" ", "\n")):
        return ShellRequest(words=words[:-1], incomplete=words[-1])
    return ShellRequest(words=words, incomplete="")


def _asked_by_bash(environ: Mapping[str, str]) -> ShellRequest:
    """bash makes three words of `--env=dev`."""
    words = split(environ.get("COMP_WORDS", ""))
    cursor = int(environ.get("COMP_CWORD", "0"))
    before, at = words[1:cursor], words[cursor] if cursor < len(words) else ""
    joined: list[str] = []
    for word in (*before, at):
        if joined and joined[-1].startswith("--") and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return ShellRequest(words=joined[:-1], incomplete=joined[-1], is_joined="=" in at.removeprefix("="))


def split(text: str) -> list[str]:
    """Split as a shell does. A quote that is still open ends with the text."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


def told(shell: Shell, offer: Offer, asked: ShellRequest, environ: Mapping[str, str]) -> tuple[str, int]:
    """Return what is printed, and the exit code."""
    before = offer.before if asked.is_joined else ""
    found = [
        Candidate(plain.one_line(f"{before}{one.value}"), plain.one_line(" ".join(one.help.split())))
        for one in offer.candidates
    ]
    match shell:
        case Shell.BASH:
            text = "\n".join(shlex.quote(one.value) for one in found)
        case Shell.ZSH:
            text = _for_zsh(found, offer, environ)
        case Shell.FISH:
            if "_TYPER_COMPLETE_FISH_ACTION" in environ:
                return _for_an_older_fish(found, environ)
            text = _lines(found)
    return text, FILES if offer.are_files and shell is not Shell.ZSH else 0


def _for_zsh(found: Sequence[Candidate], offer: Offer, environ: Mapping[str, str]) -> str:
    """Code for zsh: its script runs what it is given."""
    if offer.are_files:
        return "_files"
    if not found:
        return ""
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal():
        room = int(columns) - max(plain.width(one.value) for one in found) - AROUND
        found = [Candidate(one.value, _clipped(one.help, room)) for one in found]
    described = " ".join(shlex.quote(_described(one)) for one in found)
    return f"local -a b2bpilot_words; b2bpilot_words=({described}); _describe -V b2bpilot b2bpilot_words"


def _clipped(text: str, room: int) -> str:
    return shown(clipped(Span(text), width=room), is_painted=False)


def _described(one: Candidate) -> str:
    value = one.value.replace("\\", "\\\\").replace(":", "\\:")
    return f"{value}:{one.help}" if one.help else value


def _lines(found: Sequence[Candidate]) -> str:
    return "\n".join(f"{one.value}\t{one.help}" if one.help else one.value for one in found)


def _for_an_older_fish(found: Sequence[Candidate], environ: Mapping[str, str]) -> tuple[str, int]:
    """The script that --install-completion wrote asks twice: whether there is anything, and what."""
    if environ["_TYPER_COMPLETE_FISH_ACTION"] == "is-args":
        return "", 0 if found else 1
    return _lines(found), 0
