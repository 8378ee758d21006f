"""What is said before the first message: what is sent, whom it reaches, and which alarms ring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.command_line import CommandLine
from acceptance.trial import HEALTHY, POISONED
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.plural import many

NOTIFIED = "B2B088"


def announcement(
    pilot: Pilot, commands: CommandLine, checks: Mapping[str, Mapping[str, Any]]
) -> Sequence[str]:
    reached = commands.run("subscribers", "test", "--test").document["subscriptions"]
    notified = checks.get(NOTIFIED, {}).get("seen") or "whom they notify was not looked at"
    return [
        f"Try {pilot.environment} with {many(len(HEALTHY) + len(POISONED) + 1, 'test message')}; nobody gets a reply",
        *_reached(reached),
        f"  {len(POISONED)} of them can never be stored: the alarms dlq and processor-errors ring, dlq for up to 40 minutes",
        f"  alarms: {notified}",
        "  their rows and dead letters are removed at the end; no other dead letter or row is touched",
    ]


def _reached(subscriptions: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    reached = [each["endpoint"] for each in subscriptions if each["delivers"] is not False]
    return [f"  they reach {many(len(reached), 'subscriber')} of the topic: {', '.join(reached)}"]
