"""`publish --as-curl`: what it refuses, before anything is asked of AWS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2bpilot.errors import UsageError
from b2bpilot.ops.publish.curl import LONGEST_ARGUMENT, curl_command
from tests.cli.conftest import Run
from tests.events import message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--as-curl prints a request to the webhook"),
        (("--via", "webhook", "--wait", "5s"), "--wait cannot be used with --as-curl"),
        (("--via", "webhook", "--duplicate", "2"), "--duplicate cannot be used with --as-curl"),
        (("--via", "webhook", "--rate", "5"), "--rate cannot be used with --as-curl"),
        (("--via", "webhook", "--concurrency", "5"), "--concurrency cannot be used with --as-curl"),
        (("--via", "webhook", "--reason", "why"), "--reason cannot be used with --as-curl"),
        (("--via", "webhook", "--dry-run"), "--dry-run cannot be used with --as-curl"),
        (("--via", "webhook", "--save", "mine"), "--as-curl cannot be used with --save"),
    ],
)
def test_what_a_printed_command_would_ignore_is_refused(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    result = run("publish", "-e", "staging", "--as-curl", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def command_for(params: dict[str, str], *, test: bool) -> str:
    said = replace(message(test=test), params=params)
    return curl_command(said, url="https://hooks.example.com/webhook#rc=3", auth_token="t")


@pytest.mark.parametrize(
    ("params", "test", "said"),
    [
        ({"Body": "x" * LONGEST_ARGUMENT}, True, "too many for a command line"),
        ({"Body": "x", "From": "+1", "To": "+2"}, False, "needs its MessageSid"),
        ({"Body": "\udcff", "MessageSid": "SM1"}, False, "something that is not text"),
    ],
)
def test_a_request_that_no_command_line_can_send_is_refused(
    params: dict[str, str], test: bool, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        command_for(params, test=test)


@pytest.mark.parametrize("test", [True, False])
def test_nothing_in_a_command_moves_a_terminal_and_one_for_aws_minds_the_proxy(test: bool) -> None:
    every_control = "".join(map(chr, [*range(1, 32), *range(127, 160)]))
    command = command_for({"MessageSid": "SM1", "Body": every_control}, test=test)
    assert command.isascii()
    assert command.isprintable()
    assert "noproxy" not in command
    assert "#rc" not in command
