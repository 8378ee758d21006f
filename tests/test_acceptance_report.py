"""What the acceptance tests end with."""

from __future__ import annotations

import io

import pytest

from acceptance.report import Report, Verdict
from b2bpilot.cli.output import Output

PASSED, FAILED, NOT_TRIED = Verdict.PASSED, Verdict.FAILED, Verdict.NOT_TRIED


def ended(*verdicts: Verdict, strict: bool = False, was_interrupted: bool = False) -> tuple[int, str]:
    stdout = io.StringIO()
    report = Report(output=Output(stdout=stdout, stderr=io.StringIO()), was_interrupted=was_interrupted)
    for number, verdict in enumerate(verdicts):
        report.add(f"step {number}", verdict, f"why {number}")
    return report.end(strict=strict), stdout.getvalue()


@pytest.mark.parametrize(
    ("verdicts", "exit_code", "strict_exit_code"),
    [
        ((PASSED,), 0, 0),
        ((PASSED, NOT_TRIED), 0, 4),
        ((PASSED, FAILED, NOT_TRIED), 1, 1),
        ((NOT_TRIED,), 2, 2),
        ((), 2, 2),
    ],
)
def test_the_exit_code_follows_from_the_steps(
    verdicts: tuple[Verdict, ...], exit_code: int, strict_exit_code: int
) -> None:
    assert ended(*verdicts)[0] == exit_code
    assert ended(*verdicts, strict=True)[0] == strict_exit_code


def test_an_interrupted_run_says_so_whatever_its_steps() -> None:
    assert ended(PASSED, FAILED, was_interrupted=True)[0] == 130


def test_what_was_not_tried_is_told_at_the_end_with_why() -> None:
    told = ended(PASSED, NOT_TRIED)[1].partition("Not tried:\n")[2]
    assert told.startswith("  step 1: why 1\n")
    assert "--engine lambda" in told
