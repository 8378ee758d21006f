"""What a server answers, and what is then known of the call: over HTTP, with boto3's own retries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from b2bpilot.aws.functions import Function
from b2bpilot.aws.queue import DeadLetterQueue, Outgoing
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import AwsError, PublishFailed
from b2bpilot.pipeline.message import encode
from tests.aws.conftest import REGION
from tests.events import message

ARN = "arn:aws:sns:eu-west-1:123456789012:topic"
HTML = b"<html><body>Please log in</body></html>"
NO_XML = b"<html><p>Please<br>log in"
PUBLISHED = b"<PublishResponse><PublishResult/></PublishResponse>"
SENT = b'{"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}], "Failed": []}'
DENIED = b'{"__type": "com.amazonaws.sqs#AccessDenied", "message": "no"}'
JSON = {"Content-Type": "application/x-amz-json-1.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False
    """Whether the connection ends before the whole body was sent."""


@contextmanager
def server(*answers: Answer) -> Iterator[str]:
    """Give these answers, one a request, and then the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + 10 * answer.is_cut))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = answer.is_cut

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


def access(url: str) -> AwsAccess:
    return AwsAccess(region=REGION, endpoint_url=url, access_key_id="x", secret_access_key="y")


def queue(url: str, *, attempts: int = 1) -> DeadLetterQueue:
    client = access(url).client("sqs", Timeouts(attempts=attempts))
    return DeadLetterQueue(client, f"{url}/123456789012/letters")


def topic(url: str) -> Topic:
    return Topic.connect(ARN, access=access(url), timeouts=Timeouts(attempts=1))


NO_ANSWERS = [
    Answer(status=200, body=HTML),
    Answer(status=200, body=NO_XML),
    Answer(status=200, body=b"gateway: connection refused"),
    Answer(status=200, body=b"[]"),
    Answer(status=200, body=b"\xff\xfe"),
    Answer(status=200, body=SENT[:-20]),
    Answer(status=200, body=SENT, is_cut=True),
    Answer(status=500, body=b"upstream connection refused"),
    Answer(status=502, body=HTML),
    Answer(status=504, body=b""),
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=lambda answer: f"{answer.status} {answer.body[:20]!r}")
def test_what_sqs_did_not_say_leaves_a_dead_letter_perhaps_sent(answer: Answer) -> None:
    with server(answer) as url:
        (unsent,) = queue(url).send([Outgoing(body="letter")])
    assert unsent.is_unknown


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=lambda answer: f"{answer.status} {answer.body[:20]!r}")
def test_what_sqs_did_not_say_is_no_empty_queue(answer: Answer) -> None:
    with server(answer) as url, pytest.raises(AwsError):
        queue(url).receive(hidden_seconds=1, wait_seconds=0)


@pytest.mark.parametrize(
    "answer", [*NO_ANSWERS, Answer(status=200, body=PUBLISHED)], ids=lambda answer: repr(answer.body[:20])
)
def test_what_sns_did_not_say_leaves_a_message_perhaps_published(answer: Answer) -> None:
    with server(answer) as url:
        (published,) = topic(url).publish_batch([encode(message())])
        with pytest.raises(PublishFailed) as raised:
            topic(url).publish(encode(message()))
    assert published.is_unknown
    assert raised.value.is_unknown


RUNS = [
    Answer(status=200, body=HTML),
    Answer(status=200, body=b""),
    Answer(status=202, body=b""),
    Answer(status=500, body=b"upstream connection refused"),
    Answer(status=200, body=b'{"outcomes"', is_cut=True),
    Answer(status=429, body=b'{"Reason": "Reserved', is_cut=True),
    Answer(status=503, body=b"upstream", is_cut=True),
]


@pytest.mark.parametrize("answer", RUNS, ids=lambda answer: f"{answer.status} {answer.body[:20]!r}")
def test_an_answer_that_is_no_result_leaves_a_run_unknown(answer: Answer) -> None:
    with server(answer) as url, pytest.raises(AwsError) as raised:
        Function.connect("processor", access=access(url)).invoke({})
    assert raised.value.is_unknown


def test_a_refusal_that_is_cut_short_leaves_an_event_perhaps_taken() -> None:
    """botocore reads the body of a streaming operation's error outside of what translates the network's."""
    cut = Answer(status=429, body=b'{"Reason": "Reserved', is_cut=True)
    with server(cut) as url, pytest.raises(AwsError) as raised:
        Function.connect("processor", access=access(url)).invoke_later({})
    assert raised.value.is_unknown


def test_only_lambdas_202_means_that_it_has_an_event() -> None:
    with server(Answer(status=200, body=HTML)) as url, pytest.raises(AwsError) as raised:
        Function.connect("processor", access=access(url)).invoke_later({})
    assert raised.value.is_unknown


def test_a_refusal_after_an_attempt_without_a_clear_answer_makes_nothing_sure() -> None:
    broken = Answer(status=503, body=b"upstream connection refused")
    with server(broken, Answer(status=403, body=DENIED, headers=JSON)) as url:
        (unsent,) = queue(url, attempts=2).send([Outgoing(body="letter")])
    assert unsent.is_unknown
    assert "an attempt got no answer, so nobody knows whether AWS did it" in str(unsent.error)


def test_a_refusal_alone_is_sure() -> None:
    with server(Answer(status=403, body=DENIED, headers=JSON)) as url:
        (unsent,) = queue(url, attempts=2).send([Outgoing(body="letter")])
    assert not unsent.is_unknown


@pytest.mark.parametrize(
    ("entry", "is_unknown"),
    [
        ('"Code": "InvalidMessageContents", "SenderFault": true', False),
        ('"Code": "RequestThrottled", "SenderFault": false', False),
        ('"Code": "InternalError", "SenderFault": false', True),
        ('"Code": "ServiceUnavailable", "Message": "connection refused", "SenderFault": false', True),
    ],
)
def test_a_failed_entry_says_by_its_fault_whether_it_may_be_sent(entry: str, is_unknown: bool) -> None:
    body = f'{{"Successful": [], "Failed": [{{"Id": "0", {entry}}}]}}'.encode()
    with server(Answer(status=200, body=body, headers=JSON)) as url:
        (unsent,) = queue(url).send([Outgoing(body="letter")])
    assert unsent.is_unknown is is_unknown
