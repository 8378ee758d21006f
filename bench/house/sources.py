"""The repository's text: of the working tree, or of a git revision, without checking it out."""

from __future__ import annotations

import ast
import io
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PRODUCT = ("b2bpilot", "lambdas")
"""What is shipped."""

DIVIDED = (["b2bpilot", "cli"], ["b2bpilot", "local"], ["b2bpilot", "ops"])
"""Layers that are divided into folders."""

ROOT = Path(__file__).parent.parent.parent

_TEXT = (".md", ".py", ".sql", ".toml", ".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    name: str
    path: str
    text: str
    body: Sequence[ast.stmt] = field(repr=False)
    nodes: Sequence[ast.AST] = field(repr=False)
    """All of its syntax, in no order that means anything."""

    @property
    def room(self) -> str:
        """The folder of one use case, command group or layer that holds it. A module that stands beside such folders is its
        own room."""
        parts = self.name.split(".")
        return ".".join(parts[: 3 if parts[:2] in DIVIDED else 2])


class UnknownRevision(Exception):
    """Git knows no such commit."""


def texts(revision: str | None = None) -> dict[str, str]:
    """Return the text of each tracked file that people read, by its path. None: the working tree. Raises UnknownRevision."""
    return dict(sorted(_of_the_tree() if revision is None else _of(revision)))


def modules(files: dict[str, str]) -> list[Module]:
    """Return the product's modules."""
    folders = tuple(f"{folder}/" for folder in PRODUCT)
    return [
        _module(path, text)
        for path, text in files.items()
        if path.endswith(".py") and path.startswith(folders)
    ]


def _module(path: str, text: str) -> Module:
    tree = ast.parse(text)
    return Module(name=_name(path), path=path, text=text, body=tree.body, nodes=list(ast.walk(tree)))


def _of(revision: str) -> Iterator[tuple[str, str]]:
    with tarfile.open(fileobj=io.BytesIO(_git("archive", _commit(revision)))) as archive:
        for member in archive:
            if member.name.endswith(_TEXT) and (content := archive.extractfile(member)):
                yield member.name, content.read().decode()


def _of_the_tree() -> Iterator[tuple[str, str]]:
    """New files count before they are added; what git ignores doesn't."""
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode()
    for path in listed.split("\0"):
        if path.endswith(_TEXT) and (ROOT / path).is_file():
            yield path, (ROOT / path).read_text()


def _commit(revision: str) -> str:
    try:
        return (
            _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )
    except subprocess.CalledProcessError:
        raise UnknownRevision(
            f"git knows no commit {revision!r}: name a commit, a branch, or . for the working tree"
        ) from None


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
