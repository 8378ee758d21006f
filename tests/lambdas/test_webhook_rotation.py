"""A container that outlives its secret: tokens are rotated while it is warm."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from b2bpilot.errors import AwsUnreachable, PilotError
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.pipeline.settings import Settings
from b2bpilot.twilio.signature import signature_for
from lambdas.webhook_handler import handler as webhook
from lambdas.webhook_handler.config import RENEW_AFTER_SECONDS, Renewing, webhook_config
from tests.aws_clients import client
from tests.lambdas.webhook_deployment import TOKEN, URL, Topic, call, form, params

NEW = "the-promoted-token"


@dataclass
class Container:
    """A warm container: its secret in Secrets Manager, how often that was read, and its clock."""

    secret: dict[str, Any] = field(default_factory=lambda: {"TWILIO_AUTH_TOKEN": TOKEN})
    reads: int = 0
    seconds: float = 0.0
    problem: PilotError | None = None

    def renewing(self, topic: Topic) -> Renewing:
        environ = {"SNS_TOPIC_ARN": topic.arn, "PUBLIC_WEBHOOK_URL": URL, "SECRET_ARN": "arn"}
        return Renewing(
            lambda: webhook_config(Settings.from_env(environ, read_secret=self.read)),
            monotonic=lambda: self.seconds,
        )

    def read(self, _: str) -> dict[str, str]:
        self.reads += 1
        if self.problem:
            raise self.problem
        return dict(self.secret)


@pytest.fixture
def container(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Container:
    """Warm, and its secret was read a while ago."""
    found = Container()
    monkeypatch.setattr(webhook, "_configuration", found.renewing(topic))
    assert status(TOKEN) == 200
    found.seconds = 2 * RENEW_AFTER_SECONDS
    return found


def status(token: str) -> int:
    sent = params()
    return int(call(form(sent, signature_for(token, URL, sent)))["statusCode"])


def test_a_token_that_was_rotated_meanwhile_is_taken(container: Container) -> None:
    container.secret = {"TWILIO_AUTH_TOKEN": NEW}

    assert [status(NEW), status(NEW), status(TOKEN)] == [200, 200, 403]
    assert container.reads == 2


def test_a_shared_key_that_was_added_meanwhile_is_taken(container: Container) -> None:
    container.secret["TWILIO_SHARED_KEYS"] = json.dumps({"SK7": "shared"})
    sent = params()
    request = form(sent, RequestValidator("shared").compute_signature(URL, sent, "HMAC_SHA256"))
    request["headers"]["X-Twilio-Webhooks-Signature-Settings"] = "key=SK7,algorithm=HMAC_SHA256"

    assert call(request)["statusCode"] == 200


def test_wrong_signatures_read_the_secret_once_in_a_while_and_never_get_503(container: Container) -> None:
    assert {status("guessed") for _ in range(20)} == {403}
    assert container.reads == 2

    container.seconds += RENEW_AFTER_SECONDS
    assert {status("guessed") for _ in range(20)} == {403}
    assert container.reads == 3


def test_a_request_without_a_signature_is_no_reason_to_read_the_secret(container: Container) -> None:
    assert call(form(params(), ""))["statusCode"] == 403
    assert container.reads == 1


def test_while_the_secret_cannot_be_read_twilio_is_asked_to_try_again(
    container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the token is an old one, nobody can tell then. It costs one call in a while, and ends with the trouble."""
    container.problem = AwsUnreachable("AWS was not reached")
    sent = params()

    assert call(form(sent, signature_for(NEW, URL, sent)))["statusCode"] == 503
    assert {status("guessed") for _ in range(20)} == {503}
    assert status(TOKEN) == 200
    assert container.reads == 2

    container.problem, container.seconds = None, container.seconds + RENEW_AFTER_SECONDS
    assert status("guessed") == 403
    first = next(vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (first["event"], first["error"]) == ("publish_failed", "AWS was not reached")
    assert (first["message_sid"], first["message_id"]) == (
        sent["MessageSid"],
        message_id_for(sent["MessageSid"]),
    )


def test_a_container_whose_first_reading_failed_reads_again_with_the_next_request(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = Container(problem=AwsUnreachable("AWS was not reached"))
    monkeypatch.setattr(webhook, "_configuration", cold.renewing(topic))

    assert status(TOKEN) == 503
    cold.problem = None
    assert status(TOKEN) == 200


def test_the_secret_of_a_warm_container_is_read_from_secrets_manager(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = client("secretsmanager", "us-east-1")
    arn = secrets.create_secret(Name="pilot", SecretString='{"TWILIO_AUTH_TOKEN": "old"}')["ARN"]
    for name in ("TWILIO_AUTH_TOKEN", "TWILIO_SECONDARY_AUTH_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SECRET_ARN", arn)
    now = [0.0]
    webhook._configuration._monotonic = lambda: now[0]
    assert status("old") == 200
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"TWILIO_AUTH_TOKEN": NEW}))

    now[0] = RENEW_AFTER_SECONDS
    assert status(NEW) == 200
