"""The commands of ours that `verify` prints are commands of ours."""

from __future__ import annotations

import shlex

import pytest

from b2bpilot.ops.verify.catalogue import CHECKS
from tests.cli.conftest import Run

OURS = sorted({check.mend for check in CHECKS if check.mend.startswith("b2bpilot ")})
GLOBAL = frozenset({"-e", "--env"})


@pytest.mark.parametrize("mend", OURS)
def test_a_printed_command_exists_with_its_options(mend: str, run: Run) -> None:
    words = shlex.split(mend.format(environment="staging"))[1:]
    options = [word for word in words if word.startswith("-") and word not in GLOBAL]
    command = words[: next((place for place, word in enumerate(words) if word.startswith("-")), len(words))]
    result = run(*command, "--help")
    assert result.exit_code == 0, result.stderr
    assert [option for option in options if option not in result.stdout] == []
