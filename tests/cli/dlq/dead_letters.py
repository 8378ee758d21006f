"""The dead-letter queue of `staging`, and an operator at a terminal."""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.pipeline.message import PilotMessage
from tests.aws_clients import client
from tests.events import sns_event


class DeadLetters:
    """What is in the queue, and what is put there."""

    def __init__(self) -> None:
        self._client = client("sqs")
        self.url = self._client.create_queue(QueueName="b2b-pilot-dead-letters-staging")["QueueUrl"]

    def put(self, of: PilotMessage | str, error: str = "no customer") -> str:
        """Write a dead letter and return its id in the queue."""
        body = of if isinstance(of, str) else json.dumps(sns_event(of))
        sent = self._client.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageAttributes={
                "ErrorCode": {"DataType": "Number", "StringValue": "200"},
                "ErrorMessage": {"DataType": "String", "StringValue": error},
            },
        )
        return sent["MessageId"]

    def all(self) -> list[Any]:
        """Take what can be received now, and give it back."""
        found: list[Any] = []
        while batch := self._client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=30
        ).get("Messages"):
            found += batch
        for each in found:
            self._client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
            )
        return found

    def hold_one(self) -> str:
        """Hide a dead letter as another consumer does, and return its id."""
        (dead_letter,) = self._client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=1, VisibilityTimeout=2_160
        )["Messages"]
        return dead_letter["MessageId"]

    def contents(self) -> list[str]:
        """Bodies and attributes, to compare."""
        return sorted(
            json.dumps([each["Body"], each["MessageAttributes"]], sort_keys=True) for each in self.all()
        )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Terminal:
    """Let somebody type these lines; return what they see on stderr."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{answer}\n" for answer in answers)))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "1000")
    return screen


def editor(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Let $EDITOR be a program that has the message in `document`, and its file in `path`."""
    script = folder / "editor.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "document = json.loads(path.read_text())\n"
        f"{code}\n"
    )
    monkeypatch.setenv("EDITOR", shlex.join([sys.executable, str(script)]))
