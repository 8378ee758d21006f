"""Which functions take what is in a queue: its event source mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated
from b2bpilot.aws.mappings import OFF, REPORTS
from b2bpilot.aws.session import AwsAccess, Timeouts

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A function behind a queue. `uuid` is its mapping's, `state` is Lambda's word, such as Enabled."""

    uuid: str
    function_arn: str
    state: str
    reports_batch_item_failures: bool

    @property
    def is_on(self) -> bool:
        return self.state not in OFF


def consumers_of(access: AwsAccess, queue_arn: str, *, timeouts: Timeouts | None = None) -> list[Consumer]:
    """Return the functions behind a queue of this account and region. Raises AwsError."""
    client: LambdaClient = access.client("lambda", timeouts)
    with translated("lambda:ListEventSourceMappings"):
        pages = client.get_paginator("list_event_source_mappings").paginate(EventSourceArn=queue_arn)
        found = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    return [
        Consumer(
            uuid=mapping["UUID"],
            function_arn=mapping["FunctionArn"],
            state=mapping["State"],
            reports_batch_item_failures=REPORTS in mapping.get("FunctionResponseTypes", ()),
        )
        for mapping in found
    ]
