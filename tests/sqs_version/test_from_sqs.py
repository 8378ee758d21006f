"""A few seconds of `make upgrade ARGS="--from-sqs 500"` in every `make test`, with every command of the guide."""

from __future__ import annotations

from tests.programs import needs
from tests.sqs_version.guide import commands
from tests.sqs_version.run import run
from tests.upgrade.report import as_text
from tests.upgrade.run import Options


@needs("bash", "aws")
def test_the_guides_way_from_the_sqs_version_and_back_loses_nothing_and_doubles_nothing() -> None:
    summary = run(Options(seed=18, seconds=3, rate=8), 30, progress=print)

    assert not summary.faults, as_text(summary)
    assert summary.books.total.completed > 40


def test_the_guides_commands_are_found_in_it() -> None:
    found = commands()
    assert len(found) > 25
    assert next(one for one in found if one.startswith("SELECT")).endswith("HAVING count(*) > 1;")
