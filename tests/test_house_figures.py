"""What `make house` counts, on a house of four rooms."""

from __future__ import annotations

import pytest

from bench.house import imports
from bench.house.__main__ import main
from bench.house.report import report
from bench.house.sources import UnknownRevision, modules

HOUSE = {
    "b2bpilot/cli/dlq/redrive.py": "def redrive() -> None:\n    from b2bpilot.ops.redrive import run\n",
    "b2bpilot/ops/redrive/run.py": (
        "from b2bpilot.ops.redrive import plan\nfrom b2bpilot.ops.other.thing import Result\n\nclass Plan: ...\n"
    ),
    "b2bpilot/ops/redrive/plan.py": (
        "from typing import Protocol\n\nclass Plan: ...\n\nclass Queue(Protocol):\n"
        "    def take(self) -> None:\n        from b2bpilot.ops.redrive import run\n"
    ),
    "b2bpilot/ops/other/thing.py": "import b2bpilot.ops.redrive.plan\n\nclass Result: ...\n",
    "tests/test_it.py": "'''SQS lags (facts" + " B6), see design" + " 11.'''\n\nclass Plan: ...\n",
    "README.md": "Read facts" + ".md first.\n",
}


def test_the_figures_are_of_what_is_shipped() -> None:
    figures = report(HOUSE)

    assert figures["lines of b2bpilot and lambdas (.py)"] == "16"
    assert figures["files"] == "4"
    assert figures["classes"] == "4"
    assert figures["protocols"] == "1"
    assert figures["class names that more than one module defines"] == "1"
    assert figures["functions"] == "2"
    assert figures["lines of a function: median, p90, longest"] == "2, 2, 2"
    assert figures["indented imports"] == "2"


def test_a_circle_that_only_lazy_imports_close_is_counted_apart() -> None:
    figures = report(HOUSE)

    assert figures["circles of modules (with lazy imports)"] == "0 (1: 3)"
    assert figures["circles of folders (with lazy imports)"] == "1: 2 (1: 2)"


def test_a_dead_letters_walk_is_what_the_command_imports() -> None:
    figures = report(HOUSE)

    assert figures["modules about dead letters (ops), imports among them"] == "2, 2"
    assert figures["of them in reach of `dlq redrive`"] == "2"
    assert figures["all modules of ops in reach of `dlq redrive`"] == "3"


def test_references_are_looked_for_in_all_that_people_read() -> None:
    assert report(HOUSE)["references to documents that are not in the repository"] == "3"


def test_two_circles_that_one_import_joins_in_one_direction_stay_two() -> None:
    ways = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}, "e": {"a"}}

    assert imports.circles({name: frozenset(others) for name, others in ways.items()}) == [
        ["a", "b"],
        ["c", "d"],
    ]


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("b2bpilot/ops/verify/checks/access.py", "b2bpilot.ops.verify"),
        ("b2bpilot/ops/verify/__init__.py", "b2bpilot.ops.verify"),
        ("b2bpilot/ops/environment.py", "b2bpilot.ops.environment"),
        ("b2bpilot/aws/queue.py", "b2bpilot.aws"),
        ("b2bpilot/errors.py", "b2bpilot.errors"),
        ("lambdas/webhook_handler/handler.py", "lambdas.webhook_handler"),
    ],
)
def test_a_room_is_a_use_case_a_command_group_or_a_layer(path: str, room: str) -> None:
    (module,) = modules({path: ""})

    assert module.room == room


def test_the_working_tree_is_one_column(capsys: pytest.CaptureFixture[str]) -> None:
    main(["."])

    heading, lines, *_ = capsys.readouterr().out.splitlines()
    assert heading.strip() == "working tree"
    assert int(lines.split()[-1].replace(",", "")) > 10_000


@pytest.mark.parametrize("revision", ["no-such-branch", "--help"])
def test_a_revision_that_git_does_not_know_is_named(revision: str) -> None:
    with pytest.raises(UnknownRevision, match=f"git knows no commit '{revision}': name a commit"):
        main([revision])
