"""What `.ci/audit` makes of pip-audit's answers: what could not be asked is said to be skipped, and never to be fine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNREACHABLE = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.example', port=443): Max retries exceeded"


def audited(tmp_path: Path, *, code: int, says: str) -> tuple[int, str]:
    """Run it with a pip-audit that says so and ends so."""
    program = tmp_path / "pip-audit"
    program.write_text(f'#!/bin/sh\necho "{says}" >&2\nexit {code}\n')
    program.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "PIP_AUDIT": str(program)}
    done = subprocess.run(
        [ROOT / ".ci" / "audit"], env=environ, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    return done.returncode, done.stderr


def test_advisories_that_cannot_be_reached_are_said_to_be_skipped(tmp_path: Path) -> None:
    code, said = audited(tmp_path, code=1, says=f"Traceback ...\n{UNREACHABLE}")

    assert code == 0
    assert said.startswith("audit: skipped: the advisory data can't be reached")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (1, "Found 1 known vulnerability in 1 package"),
        (1, "KeyError: a fault of the tool, not of the network"),
        (1, f"{UNREACHABLE}\nFound 1 known vulnerability in 1 package"),
        (0, "No known vulnerabilities found"),
    ],
)
def test_everything_else_is_pip_audits_to_say(tmp_path: Path, code: int, says: str) -> None:
    assert audited(tmp_path, code=code, says=says) == (code, f"{says}\n")
