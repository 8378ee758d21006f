import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_sam_validate_finds_nothing(run: Run) -> None:
    """Without `--lint`, as `make check` has it: that is cfn-lint once more."""
    done = run("sam", "validate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_cfn_lint_finds_nothing(run: Run) -> None:
    done = run("cfn-lint", "template.yaml")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
