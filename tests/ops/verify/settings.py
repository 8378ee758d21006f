"""How a healthy deployment is set up, for tests that change one thing in it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.queue_attributes import QueueAttributes
from b2bpilot.aws.topic_attributes import TopicAttributes
from b2bpilot.ops.verify.exposure import plain_http_refused
from tests.ops.verify.deployments import STACK

TOPIC = TopicAttributes(
    arn=STACK.topic_arn,
    key="alias/aws/sns",
    policy=json.dumps({"Statement": [dict(plain_http_refused("sns:Publish", STACK.topic_arn))]}),
)
QUEUE = QueueAttributes(
    arn=STACK.dead_letter_queue_arn,
    retention=timedelta(days=14),
    redrive_policy=None,
    policy=None,
    is_encrypted=True,
    longest_message_bytes=1_048_576,
)


def function(name: str, **changes: Any) -> FunctionSettings:
    settings: dict[str, Any] = {
        "name": name,
        "arn": f"arn:aws:lambda:eu-west-1:123456789012:function:{name}",
        "role_arn": f"arn:aws:iam::123456789012:role/{name}-role",
        "runtime": "python3.13",
        "timeout_seconds": 10,
        "memory_megabytes": 512,
        "environment": {
            "DATABASE_SECRET_ARN": STACK.database_secret_arn,
            "TWILIO_SECRET_ARN": STACK.twilio_secret_arn,
            "SNS_TOPIC_ARN": STACK.topic_arn,
            "PUBLIC_WEBHOOK_URL": STACK.webhook_url,
        },
        "dead_letter_arn": STACK.dead_letter_queue_arn,
        "log_group": f"/aws/lambda/{name}",
        "state": "Active",
        "state_reason": "",
        "update": "Successful",
        "update_reason": "",
    }
    return FunctionSettings(**{**settings, **changes})
