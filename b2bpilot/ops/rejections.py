"""Requests that the webhook refused, told from the probes that `verify` and `diagnose` make to see that it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from b2bpilot.aws.logs import LogGroup
from b2bpilot.ops.logs.entry import entry
from b2bpilot.pipeline.message import message_id_for

PROBE_SID = "b2bpilot-verify-probe"
"""What the probe claims to be. Never one of Twilio's, which are 34 letters and digits."""
PROBE_MESSAGE_ID = message_id_for(PROBE_SID)
MOST_LINES = 20_000
PAUSES = (1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejections:
    """How many requests were refused. `is_complete` False: there were more than are read. `last` is when the newest of those
    that are no probes was refused."""

    others: int
    probes: int
    is_complete: bool
    last: datetime | None = None


def rejections(group: LogGroup, *, since: datetime, until: datetime | None = None) -> Rejections:
    """Count them in the webhook's log: the metric has them all in one. Raises AwsError."""
    lines = list(islice(group.events(since=since, until=until, pattern='"rejected"'), MOST_LINES + 1))
    entries = [entry(line, "webhook") for line in lines[:MOST_LINES]]
    refused = [found for found in entries if found.event == "rejected"]
    others = [found.at for found in refused if found.message_id != PROBE_MESSAGE_ID]
    return Rejections(
        others=len(others),
        probes=len(refused) - len(others),
        is_complete=len(lines) <= MOST_LINES,
        last=max(others, default=None),
    )
