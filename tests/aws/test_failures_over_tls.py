"""Calls over a real TLS connection that breaks: before the request left, and after AWS had all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.pipeline.message import encode
from tests.aws.conftest import REGION
from tests.events import message
from tests.tls import GARBAGE, PLAIN, Breaking, self_signed

BODY = "the-body-of-the-letter"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "localhost.pem")


@pytest.fixture(params=[GARBAGE, PLAIN], ids=["garbage", "a plain 502"])
def server(certificate: Path, request: pytest.FixtureRequest) -> Iterator[Breaking]:
    with closing(Breaking(certificate, request.param, until=BODY.encode())) as breaking:
        yield breaking


def access(port: int) -> AwsAccess:
    return AwsAccess(
        region=REGION, endpoint_url=f"https://localhost:{port}", access_key_id="x", secret_access_key="y"
    )


def queue(port: int) -> DeadLetterQueue:
    client = access(port).client("sqs", Timeouts(attempts=1))
    return DeadLetterQueue(client, f"https://localhost:{port}/123456789012/letters")


def test_a_dead_letter_is_perhaps_put_back_when_tls_breaks_after_it_was_sent(
    server: Breaking, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    (unsent,) = queue(server.port).send([Outgoing(body=BODY, attributes={})])

    assert BODY.encode() in server.received
    assert unsent.is_unknown


def test_a_message_is_perhaps_published_when_tls_breaks_after_it_was_sent(
    server: Breaking, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    topic = Topic.connect(
        "arn:aws:sns:eu-west-1:123456789012:topic",
        access=access(server.port),
        timeouts=Timeouts(attempts=1),
    )
    (published,) = topic.publish_batch([encode(message(params={"Body": BODY}))])

    assert published.is_unknown


def test_nothing_was_sent_to_a_server_whose_certificate_is_not_trusted(server: Breaking) -> None:
    (unsent,) = queue(server.port).send([Outgoing(body=BODY, attributes={})])

    assert server.received == b""
    assert not unsent.is_unknown
