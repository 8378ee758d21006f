"""A function's cold start: a fresh interpreter imports its code and makes the clients of its first event.

Beside it the same clients of boto3, and psycopg where the function has a database, with nothing of ours.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

from bench.environment import Environments
from bench.row import Turn

ARN = "arn:aws:sns:us-east-1:123456789012:any"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/any"
SECRET = "from b2bpilot.aws.session import AwsAccess; AwsAccess().client('secretsmanager')"
TOPIC = f"from b2bpilot.aws.topic import Topic; Topic.connect('{ARN}')"
DATABASE = "from b2bpilot.pipeline.database import DatabaseManager; DatabaseManager('host=nowhere')"
FUNCTIONS = {
    "webhook": ("webhook_handler", ["sns", "secretsmanager"], [SECRET, TOPIC], False),
    "processor": ("background_processor", ["secretsmanager"], [SECRET, DATABASE], True),
    "stale processor": (
        "stale_message_processor",
        ["sns", "secretsmanager"],
        [SECRET, DATABASE, TOPIC],
        True,
    ),
    "redriver": (
        "dead_letter_redriver",
        ["sqs", "lambda"],
        [
            f"from b2bpilot.aws.queue import DeadLetterQueue; DeadLetterQueue.connect('{QUEUE}')",
            "from b2bpilot.aws.functions import Function; Function.connect('any')",
        ],
        False,
    ),
}
VARIABLES = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}


def imports(_: Environments) -> Iterator[Turn]:
    """Milliseconds of processor time, of the whole interpreter."""
    while True:
        turn = {}
        for name, (module, services, first, has_database) in FUNCTIONS.items():
            driver = ["import psycopg"] if has_database else []
            ours = [f"import lambdas.{module}.handler", *first]
            boto3 = ["import boto3", *(f"boto3.client('{service}')" for service in services)]
            turn[name] = _milliseconds(ours)
            turn[f"boto3 for the {name}"] = _milliseconds([*boto3, *driver])
        yield turn


def _milliseconds(statements: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "\n".join(statements)], check=True, env=os.environ | VARIABLES)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1_000
