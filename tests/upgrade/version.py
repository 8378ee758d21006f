"""A version of the product: where its code, its template and its migrations are."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from b2bpilot.twilio.samples import NUMBER

ROOT = Path(__file__).parents[2]
LAST_RELEASE = "e623749"
"""A commit, and a tag when there is one; the first thing to change after a release."""


class VersionMissing(Exception):
    """The code of the release is not here: a copy without its history, or a shallow clone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    name: str
    root: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Those that are given beside the usual ones."""

    @property
    def template(self) -> Path:
        return self.root / "template.yaml"


LANE = {"ExpressConcurrency": "2", "HighPriorityNumbers": NUMBER}
"""All that is sent is urgent, and goes both ways."""
THIS = Version(name="this", root=ROOT, parameters=LANE)


@contextmanager
def version(name: str = LAST_RELEASE) -> Iterator[Version]:
    """Give the code of a folder, or of a commit of this repository, in a temporary one. Raises VersionMissing."""
    if (Path(name) / "template.yaml").is_file():
        yield Version(name=Path(name).name, root=Path(name).resolve())
        return
    with TemporaryDirectory(prefix="b2bpilot-release-") as folder:
        with tarfile.open(fileobj=io.BytesIO(_archive(name))) as archive:
            archive.extractall(folder, filter="data")
        yield Version(name=name, root=Path(folder))


def is_there(commit: str = LAST_RELEASE) -> bool:
    try:
        _git("cat-file", "-e", f"{commit}^{{commit}}")
    except VersionMissing:
        return False
    return True


def _archive(commit: str) -> bytes:
    if not is_there(commit):
        raise VersionMissing(
            f"the code of the last release, {commit}, is not in {ROOT}: {_why()}. "
            "`git fetch --unshallow --tags` brings it into a clone; `--from FOLDER` names a copy of it"
        )
    return _git("archive", "--format=tar", commit)


def _why() -> str:
    try:
        shallow = _git("rev-parse", "--is-shallow-repository").strip() == b"true"
    except VersionMissing as missing:
        return str(missing)
    return "the clone is shallow" if shallow else "the clone does not have that commit"


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise VersionMissing(f"git does not run ({error})") from error
    if found.returncode:
        raise VersionMissing(found.stderr.decode().strip().partition("\n")[0] or "git failed")
    return found.stdout


def migrations(version: Version) -> set[str]:
    return {file.name for file in (version.root / "migrations").glob("*.sql")}


def clean_environment(root: Path) -> dict[str, str]:
    """Nothing of the shell's but the way to programs: a function gets what Lambda gives it."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}


def migrate(version: Version, database_url: str, home: Path) -> None:
    """Let the version's own command line migrate. Raises CalledProcessError, with what it said."""
    environment = clean_environment(version.root) | {"B2BPILOT_HOME": str(home)}
    subprocess.run(
        [sys.executable, "-m", "b2bpilot", "migrate", "--database-url", database_url, "--yes"],
        env=environment,
        cwd=version.root,
        check=True,
        capture_output=True,
        text=True,
    )
