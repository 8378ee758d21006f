"""What people use instead: eight threads around boto3's PublishBatch. `python -m bench.plain_publish COUNT THREADS ...`"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3

from b2bpilot.twilio.samples import Sample, sample_params


def main(count: int, threads: int, *, endpoint_url: str, topic_arn: str) -> float:
    """Publish and return the seconds that the loop alone took. Nobody looks at `Failed`."""
    sns = boto3.client("sns", endpoint_url=endpoint_url, region_name="us-east-1")
    batches = iter([range(start, min(start + 10, count)) for start in range(0, count, 10)])
    lock = threading.Lock()

    def loop() -> None:
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            entries = [{"Id": str(n), **_message()} for n in batch]
            sns.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)

    started = time.perf_counter()
    workers = [threading.Thread(target=loop) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def _message() -> dict[str, Any]:
    params = sample_params(Sample.TEXT)
    message_id = str(uuid.uuid5(uuid.NAMESPACE_OID, params["MessageSid"]))
    body = {
        "schema": 1,
        "message_id": message_id,
        "source": "cli",
        "test": True,
        "received_at": datetime.now(UTC).isoformat(),
        "params": params,
    }
    attributes = {
        "message_id": message_id,
        "source": "cli",
        "message_type": "test",
        "priority": "normal",
        "test": "true",
    }
    return {
        "Message": json.dumps(body),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }


if __name__ == "__main__":
    count, threads, endpoint_url, topic_arn = sys.argv[1:]
    print(main(int(count), int(threads), endpoint_url=endpoint_url, topic_arn=topic_arn))
