"""CloudWatch Logs: what a function wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    at: datetime
    text: str


class LogGroup:
    """One log group by its name."""

    def __init__(self, client: CloudWatchLogsClient, name: str) -> None:
        self.name = name
        self._client = client

    @classmethod
    def of_function(cls, function_name: str, *, access: AwsAccess | None = None) -> Self:
        return cls((access or AwsAccess()).client("logs"), f"/aws/lambda/{function_name}")

    def lines_with(self, text: str, *, since: datetime, until: datetime, limit: int) -> list[LogLine]:
        """Return the oldest lines that contain `text`, which holds no quotation mark. Raises AwsError."""
        with translated(f"logs:FilterLogEvents on {self.name}"):
            pages = self._client.get_paginator("filter_log_events").paginate(
                logGroupName=self.name,
                filterPattern=f'"{text}"',
                startTime=_milliseconds(since),
                endTime=_milliseconds(until),
                PaginationConfig={"MaxItems": limit},
            )
            events = [event for page in pages for event in page.get("events", [])]
        return [
            LogLine(
                at=datetime.fromtimestamp(event.get("timestamp", 0) / 1000, UTC),
                text=event.get("message", "").rstrip(),
            )
            for event in events
        ]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
