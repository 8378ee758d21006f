"""A log group itself: how long it keeps lines, and whether it gets any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MOST_PAGES = 10
"""CloudWatch may answer pages without lines before it comes to one that has some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroupSettings:
    """`retention_days` None keeps lines for ever."""

    name: str
    retention_days: int | None


def log_group(client: CloudWatchLogsClient, name: str) -> LogGroupSettings | None:
    """Return the group; None when there is none. Raises AwsError."""
    with translated("logs:DescribeLogGroups"):
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        found = [group for page in pages for group in page["logGroups"] if group.get("logGroupName") == name]
    if not found:
        return None
    return LogGroupSettings(name=name, retention_days=found[0].get("retentionInDays"))


def has_lines(client: CloudWatchLogsClient, name: str, *, since: datetime) -> bool | None:
    """Tell whether a line was written; None when CloudWatch found none in the part that it searched. Raises AwsError."""
    request: dict[str, Any] = {"logGroupName": name, "startTime": int(since.timestamp() * 1000), "limit": 1}
    for _ in range(MOST_PAGES):
        with translated("logs:FilterLogEvents"):
            answer = client.filter_log_events(**request)
        if answer.get("events"):
            return True
        if not answer.get("nextToken"):
            return False
        request["nextToken"] = answer["nextToken"]
    return None
