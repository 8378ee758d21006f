"""Options of `dlq redrive` that cannot be meant: refused before AWS is asked."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("rate", ["nan", "inf", "fast", "0", "-1"])
def test_a_rate_that_cannot_be_is_refused_with_what_it_may_be(run: Run, rate: str) -> None:
    result = run("dlq", "redrive", "-e", "staging", "--yes", "--rate", rate)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: --rate: '{rate}' must be a number of at least 0.01\n"


@pytest.mark.parametrize(
    "option",
    [
        ["--via", "topic"],
        ["--rate", "5"],
        ["--plan", "plan.json"],
        ["--include-completed"],
        ["--include-poison"],
        ["--wait", "5s"],
        ["--wait", "60s"],
        ["--force"],
    ],
)
def test_an_option_that_the_redriver_does_not_know_is_refused(run: Run, option: list[str]) -> None:
    result = run("dlq", "redrive", "-e", "staging", "--yes", "--engine", "lambda", *option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (f"error: {option[0]} cannot be used with --engine lambda\nhint: leave it out\n")


@pytest.mark.parametrize("filter_", [["--group", "G1"], ["--since", "1h"], ["--error", "customer"]])
def test_the_redriver_takes_no_filters(run: Run, filter_: list[str]) -> None:
    result = run("dlq", "redrive", "-e", "staging", "--yes", "--engine", "lambda", *filter_)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: --engine lambda redrives everything that is in the queue")
