"""What people use instead: loops around boto3 that check nothing. `python -m bench.plain_loops ROUTE THREADS BATCH ...`"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import boto3


def main(route: str, threads: int, batch: int, *, endpoint_url: str, queue_url: str, target: str) -> None:
    options: dict[str, Any] = {"endpoint_url": endpoint_url, "region_name": "us-east-1"}
    sqs, sns = boto3.client("sqs", **options), boto3.client("sns", **options)
    functions = boto3.client("lambda", **options)

    def publish(bodies: list[str]) -> None:
        messages = [_message(json.loads(body)["Records"][0]["Sns"]) for body in bodies]
        if batch == 1:
            sns.publish(TopicArn=target, **messages[0])
        else:
            entries = [{"Id": str(n), **message} for n, message in enumerate(messages)]
            sns.publish_batch(TopicArn=target, PublishBatchRequestEntries=entries)

    def invoke(bodies: list[str]) -> None:
        for body in bodies:
            functions.invoke(FunctionName=target, InvocationType="Event", Payload=body)

    def loop() -> None:
        while found := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=batch).get("Messages"):
            (publish if route == "topic" else invoke)([message["Body"] for message in found])
            if batch == 1:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=found[0]["ReceiptHandle"])
            else:
                entries = [
                    {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                    for n, message in enumerate(found)
                ]
                sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)

    workers = [threading.Thread(target=loop) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _message(notification: dict[str, Any]) -> dict[str, Any]:
    """Without its attributes a message would be filtered out: even the plainest loop has to keep them."""
    attributes = {
        name: {"DataType": value["Type"], "StringValue": value["Value"]}
        for name, value in notification["MessageAttributes"].items()
    }
    return {"Message": notification["Message"], "MessageAttributes": attributes}


if __name__ == "__main__":
    route, threads, batch, endpoint_url, queue_url, target = sys.argv[1:]
    main(route, int(threads), int(batch), endpoint_url=endpoint_url, queue_url=queue_url, target=target)
