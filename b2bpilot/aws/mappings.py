"""The event source mapping from the dead-letter queue to the redrive function: its switch and its tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from b2bpilot.aws.clock import AWS, answered_at
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError
from b2bpilot.pipeline.arn import region_of
from b2bpilot.pipeline.clock import HostClock

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


AS_DEPLOYED = 2
"""MaximumConcurrency in the template (docs/aws-facts.md#mappings). A redrive raises it; left so, it would be a drift."""
BATCH_SIZE = 10
REPORTS = "ReportBatchItemFailures"


OFF = frozenset({"Disabling", "Disabled", "Deleting"})
"""Lambda's words for a mapping that hands nothing out, or soon will not."""


class MappingState(StrEnum):
    """Lambda's words. A change takes effect within seconds to a minute; meanwhile the state ends in -ing."""

    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    DELETING = "Deleting"

    @property
    def is_on(self) -> bool:
        """Whether Lambda hands out dead letters, or soon will."""
        return self not in OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingReading:
    """`read_at` is by AWS's clock, to the second."""

    state: MappingState
    max_concurrency: int | None
    read_at: datetime
    batch_size: int = BATCH_SIZE
    response_types: tuple[str, ...] = (REPORTS,)
    filters: int = 0
    """How many there are: Lambda deletes what they leave out."""


class EventSourceMapping:
    """One mapping by its id. Tags belong to its ARN, which is made from the function's."""

    def __init__(
        self, client: LambdaClient, uuid: str, *, function_arn: str, clock: HostClock | None = None
    ) -> None:
        self.uuid = uuid
        self.arn = ":".join([*function_arn.split(":")[:5], "event-source-mapping", uuid])
        self.clock = clock or HostClock(AWS)
        """AWS's, which SentTimestamp is read from, too."""
        self._client = client

    @classmethod
    def connect(cls, uuid: str, *, access: AwsAccess | None = None) -> Self:
        """Raises AwsError."""
        access = access or AwsAccess()
        client: LambdaClient = access.client("lambda")
        with translated("lambda:GetEventSourceMapping"):
            found = client.get_event_source_mapping(UUID=uuid)
        return cls(client, uuid, function_arn=found["FunctionArn"], clock=access.clock)

    @classmethod
    def of_function(cls, name: str, *, access: AwsAccess | None = None) -> Self:
        """Return the only mapping of a function, which cannot be told its id: the id is made after the function.

        Raises AwsError.
        """
        access = access or AwsAccess()
        client: LambdaClient = access.client("lambda")
        with translated("lambda:ListEventSourceMappings"):
            found = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        if len(found) != 1:
            raise AwsError(f"function {name} has {len(found)} event source mappings; one is expected")
        return cls(client, found[0]["UUID"], function_arn=found[0]["FunctionArn"], clock=access.clock)

    @property
    def off_command(self) -> str:
        """What turns the mapping off where this program cannot."""
        region = region_of(self.arn)
        return (
            f"aws lambda update-event-source-mapping --uuid {self.uuid} --no-enabled "
            f"--scaling-config MaximumConcurrency={AS_DEPLOYED} --region {region}"
        )

    def read(self) -> MappingReading:
        """Raises AwsError."""
        with translated("lambda:GetEventSourceMapping"):
            found = self._client.get_event_source_mapping(UUID=self.uuid)
        return MappingReading(
            state=MappingState(found["State"]),
            max_concurrency=found.get("ScalingConfig", {}).get("MaximumConcurrency"),
            read_at=answered_at(found) or self.clock.now(),
            batch_size=found.get("BatchSize", BATCH_SIZE),
            response_types=tuple(found.get("FunctionResponseTypes", ())),
            filters=len(found.get("FilterCriteria", {}).get("Filters", [])),
        )

    def enable(self, *, max_concurrency: int) -> None:
        """Raises AwsError, also while an earlier change is still being made."""
        with translated("lambda:UpdateEventSourceMapping"):
            self._client.update_event_source_mapping(
                UUID=self.uuid, Enabled=True, ScalingConfig={"MaximumConcurrency": max_concurrency}
            )

    def disable(self) -> None:
        """Leave the mapping as the template has it. Batches that Lambda has already taken are still handed out. Raises as
        `enable` does."""
        with translated("lambda:UpdateEventSourceMapping"):
            self._client.update_event_source_mapping(
                UUID=self.uuid, Enabled=False, ScalingConfig={"MaximumConcurrency": AS_DEPLOYED}
            )

    def tags(self) -> dict[str, str]:
        """Raises AwsError."""
        with translated("lambda:ListTags"):
            return self._client.list_tags(Resource=self.arn).get("Tags", {})

    def write_tags(self, tags: dict[str, str]) -> None:
        """Tags of other names stay. Raises AwsError."""
        with translated("lambda:TagResource"):
            self._client.tag_resource(Resource=self.arn, Tags=tags)
