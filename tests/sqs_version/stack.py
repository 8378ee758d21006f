"""The old system's stack in the emulator, beside whatever else is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2bpilot.local.clients import LocalAws
from b2bpilot.local.environment import LocalEnvironment
from b2bpilot.local.stack import deploy_as, update_again

TEMPLATE = Path(__file__).with_name("template.yaml")
STACK_NAME = "pilot-sqs"
API_ID = "pilotsqs"
HANDLERS = ("tests.sqs_version.webhook.handler", "tests.sqs_version.processor.handler")
"""For `running(handlers=...)`: the environment runs no handler that it was not told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldStack:
    aws: LocalAws
    outputs: Mapping[str, str]
    webhook_url: str

    def depth(self, queue: str = "QueueUrl") -> int:
        """How many messages the queue holds, hidden ones too."""
        found = self.aws.sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=["All"])
        counts = found["Attributes"].items()
        return sum(int(value) for name, value in counts if name.startswith("ApproximateNumber"))

    def switch(self, *, on: bool) -> None:
        """The polling function's mapping, as its console page does."""
        self.aws.functions.update_event_source_mapping(UUID=self.outputs["MappingId"], Enabled=on)


def deploy_old(environment: LocalEnvironment, *, reply_text: str = "", **parameters: Any) -> OldStack:
    """Deploy the old version into a running environment: same database, same account at Twilio."""
    state, aws = environment.state, environment.aws
    webhook_url = f"{aws.endpoint_url}/_aws/execute-api/{API_ID}/webhook"
    given = {
        "TwilioAccountSid": state.twilio_account_sid,
        "TwilioAuthToken": state.twilio_auth_token,
        "DatabaseUrl": state.database_url,
        "WebhookUrl": webhook_url,
        "TwilioApi": f"{state.twilio_api_url}/api",
        "ReplyText": reply_text,
        **{name: str(value) for name, value in parameters.items()},
    }
    found, _ = deploy_as(
        aws, STACK_NAME, TEMPLATE.read_text(), given, [{"Key": "ms-custom-id", "Value": API_ID}]
    )
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    update_again(aws, [outputs["WebhookFunctionName"], outputs["ProcessorFunctionName"]])
    return OldStack(aws=aws, outputs=outputs, webhook_url=webhook_url)
