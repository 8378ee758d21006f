"""What is installed here, in CI and in the artifacts is what the lists with hashes name, and those are in step."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment.lock import entries, pins

ROOT = Path(__file__).parents[2]
LOCKS = {"constraints.txt": ROOT / "constraints.txt", "scanners.txt": ROOT / ".ci" / "scanners.txt"}


def wanted() -> dict[str, list[str]]:
    """What each list was made for, as pyproject.toml and .ci/scanners.in ask for it."""
    pyproject: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    ours = [
        *pyproject["build-system"]["requires"],
        *project["dependencies"],
        *project["optional-dependencies"]["local"],
        *pyproject["dependency-groups"]["dev"],
    ]
    return {"constraints.txt": ours, "scanners.txt": (ROOT / ".ci" / "scanners.in").read_text().split()}


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_pinned_to_a_version_that_will_do(name: str) -> None:
    pinned = pins(LOCKS[name])
    asked = [Requirement(each) for each in wanted()[name]]

    unfit = [
        str(each) for each in asked if pinned.get(canonicalize_name(each.name), "") not in each.specifier
    ]

    assert unfit == [], "make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_nothing_says_where_it_comes_from(name: str) -> None:
    text = LOCKS[name].read_text()

    without = [entry for entry in entries(LOCKS[name]) if "--hash=sha256:" not in entry]

    assert without == []
    assert re.findall(r"://|^\s*-(?!-hash)\S*", text, re.MULTILINE) == []


def test_no_package_makes_every_import_of_jsonschema_compile_grammars() -> None:
    """3.5 s of processor time for the emulator, each `sam`, each `cfn-lint` and each worker of the tests."""
    assert "rfc3987-syntax" not in pins(LOCKS["constraints.txt"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What lambdas/Makefile reads, with a list of its own."""
    for name in ("b2bpilot", "lambdas", ".venv", "LICENSE", "NOTICE"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "constraints.txt").write_text((ROOT / "constraints.txt").read_text())
    (tmp_path / "artifact").mkdir()
    return tmp_path


def _built(checkout: Path, run: Callable[..., subprocess.CompletedProcess[str]]) -> str:
    """What the build of the webhook handler says when it fails."""
    done = run(
        "make", "--directory", str(checkout), "--file", "lambdas/Makefile", "build-WebhookHandlerFunction",
        ARTIFACTS_DIR=str(checkout / "artifact"),
    )  # fmt: skip
    assert done.returncode != 0
    assert not (checkout / "artifact" / "twilio").exists()
    return done.stderr


def test_a_package_with_another_hash_is_not_built_in(
    checkout: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    lock = checkout / "constraints.txt"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text()))

    assert "Hash mismatch for `twilio" in _built(checkout, run)


def test_a_package_that_the_list_lacks_is_named(
    checkout: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    lock = checkout / "constraints.txt"
    lock.write_text(lock.read_text().replace("\ntwilio==", "\nanother=="))

    assert "twilio is in requirements.txt and not in constraints.txt: make lock" in _built(checkout, run)
