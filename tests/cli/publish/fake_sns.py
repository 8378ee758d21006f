"""An AWS endpoint of a few lines that misbehaves: refuses entries, throttles, or takes a batch and never answers."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.cli.conftest import OUTPUTS

ARNS = {
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging",
    "SecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:b2b-pilot-staging",
}
NOBODY = (
    "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions/>"
    "</ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
)
ENTRY = re.compile(r"PublishBatchRequestEntries\.member\.(\d+)\.(Id|Message)")


class FakeAws(ThreadingHTTPServer):
    """What is to go wrong is set before; what was taken can be read after. `refuse` names an entry of each batch."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.batches = 0
        self.taken: Counter[str] = Counter()
        self.silent: set[str] = set()
        self.refused: set[str] = set()
        self.refuse: str | None = None
        self.throttle_first = 0
        self.silent_batches: frozenset[int] = frozenset()
        self.denied = False
        self.after_taking: Callable[[int], None] = lambda _: None
        """Hears the number of a batch that was taken, before it is answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fix(self) -> None:
        self.refuse, self.throttle_first, self.silent_batches, self.denied = None, 0, frozenset(), False


class Handler(BaseHTTPRequestHandler):
    server: FakeAws
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["Action"][0] == "DescribeStacks":
            self.answer(200, stack())
            return
        if form["Action"][0] == "ListSubscriptionsByTopic":
            self.answer(200, NOBODY)
            return
        entries = batch(form)
        with self.server.lock:
            self.publish(entries)

    def publish(self, entries: Mapping[str, str]) -> None:
        aws = self.server
        if aws.denied:
            self.answer(403, error("AuthorizationError", "not authorized to perform sns:Publish"))
            return
        if aws.throttle_first:
            aws.throttle_first -= 1
            self.answer(400, error("Throttling", "Rate exceeded"))
            return
        aws.batches += 1
        failed = {entry_id: id_ for entry_id, id_ in entries.items() if entry_id == aws.refuse}
        taken = {entry_id: id_ for entry_id, id_ in entries.items() if entry_id not in failed}
        aws.taken.update(taken.values())
        aws.refused.update(failed.values())
        aws.after_taking(aws.batches)
        if aws.batches in aws.silent_batches:
            aws.silent.update(entries.values())
            self.close_connection = True
            self.connection.close()
            return
        self.answer(200, published(taken, failed))

    def answer(self, status: int, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Stay silent."""


@contextmanager
def fake_aws() -> Iterator[FakeAws]:
    with FakeAws() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def batch(form: Mapping[str, list[str]]) -> dict[str, str]:
    """The message_id of each entry, by the entry's Id."""
    found: dict[str, dict[str, str]] = {}
    for name, (value, *_) in form.items():
        if match := ENTRY.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = value
    return {entry["Id"]: json.loads(entry["Message"])["message_id"] for entry in found.values()}


def published(taken: Mapping[str, str], failed: Mapping[str, str]) -> str:
    successes = "".join(
        f"<member><Id>{entry_id}</Id><MessageId>sns-{message_id}</MessageId></member>"
        for entry_id, message_id in taken.items()
    )
    failures = "".join(
        f"<member><Id>{entry_id}</Id><Code>InvalidParameter</Code><Message>refused</Message>"
        "<SenderFault>true</SenderFault></member>"
        for entry_id in failed
    )
    return (
        "<PublishBatchResponse><PublishBatchResult>"
        f"<Successful>{successes}</Successful><Failed>{failures}</Failed>"
        "</PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"
    )


def error(code: str, message: str) -> str:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>r</RequestId></ErrorResponse>"
    )


def stack() -> str:
    outputs = "".join(
        f"<member><OutputKey>{name}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
        for name, value in {**OUTPUTS, **ARNS}.items()
    )
    return (
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>b2b-pilot-staging</StackName>"
        "<StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/b2b-pilot-staging/1</StackId>"
        "<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
        f"<Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )
