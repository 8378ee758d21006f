"""What exit codes and the causes of dead letters mean. docs/configuration.md has the same table of exit codes; a test compares."""

from __future__ import annotations

from collections.abc import Mapping

from b2bpilot.advice import Words, our_command
from b2bpilot.pipeline.dead_letter import FailureKind

EXIT_CODES: Mapping[int, tuple[str, str]] = {
    0: ("done", "Nothing is left to do."),
    1: ("it failed, or a check failed", "The line that begins with `error:` says what, and what to do."),
    2: (
        "wrong usage, settings or credentials, or no such environment, run, group or fixture; nothing was changed",
        "Correct the command line or the setting that the error names, and run it again.",
    ),
    3: ("found something (with `--exit-code`)", "The output lists it. It is a result, not a failure."),
    4: (
        "part of it failed",
        "The summary says how many of each; the run's journal has each of them, and the run can be resumed.",
    ),
    5: ("refused, or not confirmed", "Nothing was changed. The error says what would be needed."),
    130: (
        "interrupted",
        "By Ctrl-C, SIGTERM or SIGHUP (a closed terminal). What was taken from a queue was returned; a run can be resumed.",
    ),
    141: ("the reader of the output has gone", "As after `| head`: no failure of the command."),
}

FAILURES: Mapping[FailureKind, tuple[str, Words]] = {
    FailureKind.EXCEPTION: (
        "The processor raised an error, three times. The error's text is the dead letter's.",
        our_command("dlq", "list"),
    ),
    FailureKind.TIMEOUT: (
        (
            "The function's run took longer than its timeout, three times. It may have done its work anyway: of the processor the "
            "row tells."
        ),
        our_command("dlq", "list"),
    ),
    FailureKind.THROTTLED: (
        "Lambda could not run the processor within 6 hours: it was at its reserved concurrency all the time.",
        our_command("verify", "--only", "processor"),
    ),
    FailureKind.ZERO_CONCURRENCY: (
        "Lambda may not run the processor at all: its reserved concurrency is 0.",
        our_command("verify", "--only", "processor"),
    ),
    FailureKind.NOT_DELIVERED: (
        "SNS could not hand the message to the function: a permission or the function is missing. SNS records no error.",
        our_command("verify", "--only", "topic"),
    ),
    FailureKind.GIVEN_UP: (
        (
            "A subscriber's queue had the message received as often as its redrive policy allows. Its function's "
            "log says why: `dlq show` of the dead letter has the lines that name the message."
        ),
        our_command("dlq", "list"),
    ),
    FailureKind.UNREADABLE: (
        "What is in the queue is not a message of this pipeline, or is damaged. It cannot be redriven as it is.",
        our_command("dlq", "list"),
    ),
    FailureKind.UNKNOWN: (
        "Nothing that is known of the dead letter says why it is there.",
        our_command("dlq", "list"),
    ),
}
"""What it means, and what to run first."""

OTHER_ERRORS: Mapping[str, tuple[str, int]] = {
    "failed": ("It failed; the message says of what.", 1),
    "unexpected": ("A fault of this program, or of a library. --verbose shows where.", 1),
    "interrupted": ("It was ended by Ctrl-C, SIGTERM or SIGHUP.", 130),
}
"""Codes in JSON that no class of errors explains, and what the command ends with."""
