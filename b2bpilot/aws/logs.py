"""CloudWatch Logs: what a function wrote."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError, AwsThrottled
from b2bpilot.pipeline.waiting import pause

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_logs.type_defs import FilteredLogEventTypeDef

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""AWS answers few FilterLogEvents a second in a whole account: after botocore's own tries, these waits come."""
FULL_PAGE = 10_000
"""A page holds so many at most. AWS gives a token for the next one; an emulator may just stop there."""


class LogGroupMissing(AwsError):
    """The log group does not exist: nothing was deployed under that name, or it never ran."""

    code: ClassVar[str] = "log_group_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One line as CloudWatch keeps it. `event_id` is unique in the group."""

    at: datetime
    text: str
    event_id: str
    stream: str


class LogGroup:
    """One log group by its name. `pauses` are between attempts while AWS throttles, in seconds."""

    def __init__(
        self,
        client: CloudWatchLogsClient,
        name: str,
        *,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.name = name
        self._client = client
        self._pauses = pauses

    @classmethod
    def of_function(
        cls,
        function_name: str,
        *,
        access: AwsAccess | None = None,
        timeouts: Timeouts | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> Self:
        client = (access or AwsAccess()).client("logs", timeouts)
        return cls(client, f"/aws/lambda/{function_name}", pauses=pauses)

    def lines_with(self, text: str, *, since: datetime, until: datetime, limit: int) -> list[LogLine]:
        """Return the oldest lines that contain `text`, which holds no quotation mark. Raises AwsError."""
        found = self.events(since=since, until=until, pattern=f'"{text}"')
        return [LogLine(at=event.at, text=event.text) for event in itertools.islice(found, limit)]

    def events(
        self, *, since: datetime, until: datetime | None = None, pattern: str | None = None
    ) -> Iterator[LogEvent]:
        """Yield the lines, oldest first, with one page of them in memory. `pattern` is CloudWatch's filter pattern.

        Raises LogGroupMissing, or AwsError.
        """
        request: dict[str, Any] = {"logGroupName": self.name, "startTime": _milliseconds(since)}
        if until is not None:
            request["endTime"] = _milliseconds(until)
        if pattern:
            request["filterPattern"] = pattern
        seen: frozenset[str] = frozenset()
        while True:
            page, token = self._page(request)
            new = [event for event in page if event.event_id not in seen]
            yield from new
            if token:
                request["nextToken"] = token
            elif len(page) >= FULL_PAGE and new:
                request["startTime"] = _milliseconds(page[-1].at)
                seen = frozenset(event.event_id for event in page)
            else:
                return

    def _page(self, request: dict[str, Any]) -> tuple[list[LogEvent], str | None]:
        for seconds in self._pauses:
            try:
                return self._ask(request)
            except AwsThrottled:
                pause(seconds)
        return self._ask(request)

    def _ask(self, request: dict[str, Any]) -> tuple[list[LogEvent], str | None]:
        with translated(f"logs:FilterLogEvents on {self.name}"):
            try:
                answer = self._client.filter_log_events(**request)
            except ClientError as exc:
                if error_code(exc) != "ResourceNotFoundException":
                    raise
                raise LogGroupMissing(f"log group {self.name} does not exist") from exc
        return [_event(found) for found in answer.get("events", [])], answer.get("nextToken")


def _event(answer: FilteredLogEventTypeDef) -> LogEvent:
    return LogEvent(
        at=datetime.fromtimestamp(answer.get("timestamp", 0) / 1000, UTC),
        text=answer.get("message", "").rstrip(),
        event_id=answer.get("eventId", ""),
        stream=answer.get("logStreamName", ""),
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
