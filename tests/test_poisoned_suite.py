"""`make test` hands nothing of the shell's to the tests: a slice of them runs under poison as `make test` runs all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.poison import POISON

ROOT = Path(__file__).parents[1]
SLICE = (
    "tests/pipeline/test_connection.py",
    "tests/pipeline/test_settings.py",
    "tests/lambdas/test_processor.py",
    "tests/aws/test_session.py",
    "tests/cli/test_local.py",
    "tests/cli/test_submissions.py::test_filters",
)


def test_a_slice_of_the_tests_passes_in_a_poisoned_shell() -> None:
    command = [sys.executable, "-E", "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *SLICE]
    shell = {**os.environ, **POISON}
    done = subprocess.run(command, cwd=ROOT, env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
