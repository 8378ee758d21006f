"""docs/deploy.md: its commands are taken as they stand. Its sums, README's and docs/from-sqs-to-sns.md's are the price table's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from b2bpilot.ops.cost.estimate import ALARMS, METRICS, READS_A_RUN, Assumptions
from b2bpilot.ops.cost.prices import PRICES
from tests.cli.conftest import Run
from tests.clock import StillClock

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "deploy.md").read_text()
COMPARISON = (ROOT / "docs" / "from-sqs-to-sns.md").read_text()
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(
    r"(?m)(?:^    |^\$ |`)(b2bpilot [^`\n]*?(?:-e dev|rollback RUN)[^`\n]*?)(?:`|$|   )", GUIDE
)

MINUTES, GUARDS = 30 * 24 * 60, 30 * 24 * 12
"""Runs of the stale processor and of the redriver's guard in a month."""
RUN_SECONDS, LOG_GIGABYTES = Decimal("0.1"), Decimal("0.000005")
GB_SECOND = PRICES.lambda_gb_second["arm64"]


@dataclass(frozen=True, slots=True)
class Line:
    what: str
    count: int
    unit: str
    price: Decimal

    @property
    def dollars(self) -> Decimal:
        return self.count * self.price

    def __str__(self) -> str:
        return f"| {self.what} | {self.count:,} {self.unit} | ${self.dollars:.4f} |"


def time(gigabytes: str) -> Decimal:
    return RUN_SECONDS * Decimal(gigabytes) * GB_SECOND


IDLE = (
    Line("alarms", ALARMS, "at $0.10", PRICES.alarm_month),
    Line("metrics of the log lines, if each has data", METRICS, "at $0.30", PRICES.metric_month),
    Line("dashboard", 1, "at $3.00", PRICES.dashboard_month),
    Line("secrets, one of them the release before's, until the next", 3, "at $0.40", PRICES.secret_month),
    Line(
        "metrics that the stale processor reads",
        MINUTES * READS_A_RUN,
        "at $0.01 for 1,000",
        PRICES.metric_read,
    ),
    Line("the scheduler's calls", MINUTES + GUARDS, "at $1.00 a million", PRICES.scheduler_invocation),
    Line("their runs", MINUTES + GUARDS, "at $0.20 a million", PRICES.lambda_request),
    Line("their time, 0.1 s of 256 MB", MINUTES + GUARDS, "at 0.025 GB-s", time("0.25")),
    Line("the guard's looks at the queue's counters", GUARDS, "at $0.40 a million", PRICES.sqs_request),
    Line("their log lines, 1 KB a run", MINUTES + GUARDS, "at $0.50 a GB", PRICES.log_gigabyte / 1_000_000),
)
MESSAGES = (
    Line("requests of the HTTP API", 1_000, "at $1.00 a million", PRICES.http_api_request),
    Line("messages published", 1_000, "at $0.50 a million", PRICES.sns_publish),
    Line("runs of webhook and processor", 2_000, "at $0.20 a million", PRICES.lambda_request),
    Line("their time, 0.1 s of 512 MB", 2_000, "at 0.05 GB-s", time("0.5")),
    Line("log lines", 1_000, "at 5 KB and $0.50 a GB", LOG_GIGABYTES * PRICES.log_gigabyte),
)


def total(lines: Sequence[Line]) -> Decimal:
    return sum((line.dollars for line in lines), Decimal(0))


@pytest.mark.parametrize("line", [*IDLE, *MESSAGES], ids=lambda line: line.what)
def test_each_line_of_the_bill_is_there(line: Line) -> None:
    assert str(line) in GUIDE


@pytest.mark.parametrize("lines", [IDLE, MESSAGES], ids=["idle", "messages"])
def test_the_sums_are_there(lines: Sequence[Line]) -> None:
    assert f"| together | | **${total(lines):.4f}** |" in GUIDE


def test_a_million_messages_are_a_thousand_times_a_thousand() -> None:
    assert f"about ${total(MESSAGES) * 1_000:.2f} more" in GUIDE


def test_the_guide_has_commands() -> None:
    assert len(set(COMMANDS)) > 8


@pytest.mark.parametrize("command", list(dict.fromkeys(COMMANDS)))
def test_each_command_is_taken_as_it_stands(run: Run, aws: None, clock: StillClock, command: str) -> None:
    """An account without the stack: a command whose words are right gets as far as asking for it, or for the run."""
    name, *arguments = shlex.split(command)
    found = run(*arguments)
    assert name == "b2bpilot"
    assert re.search(
        r"there is no environment 'dev'|b2b-pilot-dev|there is no run", found.stdout + found.stderr
    )


MONITORING = IDLE[:3] + IDLE[4:5]
RUNS = IDLE[5:]
POLLED = Assumptions()
EMPTY_POLLS = 30 * 24 * 3_600 // POLLED.receive_seconds * POLLED.pollers


@pytest.mark.parametrize(
    ("what", "queue", "now"),
    [
        ("empty polls", EMPTY_POLLS * PRICES.sqs_request, None),
        ("the stale processor, its schedule", None, total(RUNS)),
        ("alarms, metrics, dashboard", None, total(MONITORING)),
        ("SQS: three requests", POLLED.requests_a_message * 1_000_000 * PRICES.sqs_request, None),
        ("SNS: one publish", None, 1_000_000 * PRICES.sns_publish),
    ],
)
def test_the_comparison_with_the_queue_is_reckoned_with_the_same_prices(
    what: str, queue: Decimal | None, now: Decimal | None
) -> None:
    (row,) = [line for line in COMPARISON.splitlines() if line.startswith(f"| {what}")]
    assert row.split(" | ", 1)[1] == f"{_cell(queue)}{_cell(now)}".lstrip()


def test_the_readme_has_the_same_sums() -> None:
    assert f"**${total(IDLE):.2f}**" in README
    assert f"**${total(MESSAGES) * 1_000:.2f}**" in README


def _cell(dollars: Decimal | None) -> str:
    return " |" if dollars is None else f" ${dollars:.4f} |"
