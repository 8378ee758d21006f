"""What a workflow says of `verify -o junit`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Run, create_stack

ANNOTATIONS = Path(__file__).parents[2] / ".github" / "annotations.py"


def test_a_failed_check_becomes_an_annotation(run: Run, aws: None, tmp_path: Path) -> None:
    create_stack("dev", {"Environment": "dev"})
    said = run("verify", "-e", "dev", "--strict", "--yes", "-o", "junit")
    assert said.exit_code == 1
    report = tmp_path / "verify.xml"
    report.write_text(said.stdout, encoding="utf-8")

    done = subprocess.run([sys.executable, ANNOTATIONS, report], capture_output=True, text=True, check=True)

    error, *_, counted = done.stdout.splitlines()
    assert error.startswith("::error title=B2B010 the stack exists and has the outputs of this version::")
    assert error.partition("%0A")[2]
    assert re.fullmatch(r"::notice title=b2bpilot verify::\d+ checks: 1 failed, \d+ skipped", counted)
