"""`b2bpilot inspect` and `logs` in the real environment: what each kind of message's story looks like."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.cli.inspect.inspection import DATED_LATE
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.numbers import numbers, set_number_webhook
from b2bpilot.twilio.rest import Twilio, TwilioAccess
from b2bpilot.twilio.samples import NUMBER, Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient
from tests.forked import Forked
from tests.local.conftest import Machine, machine
from tests.local.polling import eventually
from tests.local.test_pipeline import client_of, dead_letters
from tests.local.test_twilio import back_door

STORIES = Path(__file__).parent / "stories"
TIMEOUT_SECONDS = 5
NORMALISED = (
    (re.compile(r"\d{8}T\d{6}Z-(\w+)-[0-9a-f]{4}"), r"<\1 run>"),
    (re.compile(r" by \S+@\S+:"), " by <operator>:"),
    # Twilio tells no thousandths; whether a moment is dated late is the clocks' and the logs' business.
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{3}| {4}(?= {2}\w))?)?"), "<time>"),
    (re.compile(re.escape(DATED_LATE)), ""),
    (re.compile(r"\d\d:\d\d:\d\d\.\d{3}"), "<time>"),
    (re.compile(r"\d\d:\d\d:\d\d\b"), "<time>"),
    (re.compile(r"[\d,.]+ ms"), "<n> ms"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), r"\1:<port>"),
)
ID = re.compile(r"SM[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Lambda's retries come after 1 and 2 s; the processor may take 5."""
    with machine(tmp_path_factory.mktemp("inspect") / "home") as found:
        found.client("lambda").update_function_configuration(
            FunctionName=found.stack_output("ProcessorFunctionName"), Timeout=TIMEOUT_SECONDS
        )
        yield found


@pytest.fixture
def webhook(pipeline: Machine) -> Iterator[WebhookClient]:
    with client_of(pipeline) as client:
        yield client


class Shell:
    """Commands against the environment."""

    def __init__(self, pipeline: Machine, capsys: pytest.CaptureFixture[str]) -> None:
        self.pipeline = pipeline
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main([*arguments, "-e", "local"])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def told(self, wanted: str, *options: str) -> str:
        code, out, _ = self.run("inspect", wanted, *options)
        assert code == 0
        return out


@pytest.fixture
def shell(pipeline: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    return Shell(pipeline, capsys)


@pytest.fixture
def admin(pipeline: Machine) -> Iterator[psycopg.Connection]:
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as connection:
        yield connection


def story(name: str, text: str) -> None:
    """Compare with the recorded story; STORIES=write records it anew."""
    found = normalised(text)
    path = STORIES / f"{name}.txt"
    if os.environ.get("STORIES") == "write":
        path.write_text(found)
    assert found == path.read_text()


def normalised(text: str) -> str:
    """Ids are numbered as they come; times and durations are taken out."""
    for pattern, placeholder in NORMALISED:
        text = pattern.sub(placeholder, text)
    known: dict[str, str] = {}
    return ID.sub(lambda found: known.setdefault(found[0], f"<id {len(known) + 1}>"), text)


def lines(pipeline: Machine, function: str, text: str) -> list[dict[str, Any]]:
    group = f"/aws/lambda/{pipeline.stack_output(function)}"
    found = pipeline.client("logs").filter_log_events(logGroupName=group, filterPattern=f'"{text}"')
    return [json.loads(event["message"]) for event in found["events"]]


def wait_for_runs(pipeline: Machine, message_id: str, count: int) -> None:
    """Until the logs tell of so many ended runs with the message."""

    def ended() -> bool:
        requests = {line["requestId"] for line in lines(pipeline, "ProcessorFunctionName", message_id)}
        reports = [
            line
            for request_id in requests
            for line in lines(pipeline, "ProcessorFunctionName", request_id)
            if line.get("type") == "platform.report"
        ]
        return len(reports) >= count

    eventually(ended, f"{count} runs in the log")


def wait_for_webhook(pipeline: Machine, message_id: str, count: int = 1) -> None:
    eventually(lambda: len(lines(pipeline, "WebhookFunctionName", message_id)) >= count, "the webhook's line")


def posted(webhook: WebhookClient, pipeline: Machine, params: dict[str, str], *, runs: int = 1) -> str:
    message_id = webhook.post(params).message_id
    assert message_id is not None
    wait_for_runs(pipeline, message_id, runs)
    wait_for_webhook(pipeline, message_id)
    return message_id


def test_a_message_that_was_stored(pipeline: Machine, webhook: WebhookClient, shell: Shell) -> None:
    params = sample_params(Sample.TEXT)
    message_id = posted(webhook, pipeline, params)

    told = shell.told(message_id)

    story("stored", told)
    (published,) = lines(pipeline, "WebhookFunctionName", message_id)
    (stored,) = lines(pipeline, "ProcessorFunctionName", message_id)
    for other in (params["MessageSid"], published["sns_message_id"], stored["requestId"]):
        code, out, _ = shell.run("inspect", other, "-o", "json")
        assert (code, json.loads(out)["inspection"]["message_id"]) == (0, message_id)


def test_a_message_that_was_answered(pipeline: Machine, shell: Shell, admin: psycopg.Connection) -> None:
    """Twilio tells what became of the reply; it alone knows the reply's own story."""
    sid = received_at_twilio(pipeline)
    message_id = message_id_for(sid)
    wait_for_runs(pipeline, message_id, 1)
    wait_for_webhook(pipeline, message_id)
    reply_sid = twilio_of(pipeline).client.messages.create(to="+15005550006", from_=NUMBER, body="Thanks").sid
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET reply_state = 'sent', reply_sid = %s WHERE message_id = %s",
        [reply_sid, message_id],
    )
    story("answered", shell.told(sid))
    assert "known to Twilio: it was sent, not received" in shell.told(str(reply_sid))


def twilio_of(pipeline: Machine) -> Twilio:
    state = pipeline.state
    return TwilioAccess(
        account_sid=state.twilio_account_sid, auth_token=state.twilio_auth_token, api_url=state.twilio_api_url
    ).connect()


def received_at_twilio(pipeline: Machine) -> str:
    account = pipeline.state.twilio_account_sid
    params = sample_params(Sample.TEXT, From="+15005550006", To=NUMBER, AccountSid=account)
    back_door(pipeline, "inbound", {"messages": [{"params": params}]})
    return params["MessageSid"]


@contextlib.contextmanager
def webhook_url(pipeline: Machine, change: Callable[[str], str]) -> Iterator[None]:
    """Let Twilio deliver to another URL."""
    twilio = twilio_of(pipeline)
    (number,) = numbers(twilio, phone_number=NUMBER)
    set_number_webhook(twilio, number.sid, replace(number.webhook, url=change(number.webhook.url)))
    try:
        yield
    finally:
        set_number_webhook(twilio, number.sid, number.webhook)


def test_a_message_that_was_lost_before_sns(pipeline: Machine, shell: Shell) -> None:
    """Nothing listens where Twilio delivers: only Twilio knows of it, until it is brought back."""
    with webhook_url(pipeline, lambda _: "http://127.0.0.1:9/webhook"):
        sid = received_at_twilio(pipeline)
    story("lost_before_sns", shell.told(sid))

    back_door(
        pipeline, "faults", {"fault": "refuse", "matching": "Messages/SM", "status": 401, "code": 20003}
    )
    code, _, err = shell.run("inspect", sid)
    assert code == 1
    assert f"Not asked: Twilio: read message {sid}: Twilio refused the token" in err


def test_a_message_of_which_only_the_message_id_is_known_cannot_be_asked_for_at_twilio(shell: Shell) -> None:
    code, _, err = shell.run("inspect", message_id_for("SM" + "1" * 32))
    assert code == 1
    assert "Twilio: its MessageSid is not known: no row, dead letter or line of the webhook holds it" in err


def test_a_message_that_was_delivered_twice(pipeline: Machine, webhook: WebhookClient, shell: Shell) -> None:
    params = sample_params(Sample.MEDIA)
    posted(webhook, pipeline, params)
    message_id = posted(webhook, pipeline, params, runs=2)
    wait_for_webhook(pipeline, message_id, 2)
    story("duplicated", shell.told(message_id))


def test_a_message_that_a_filter_policy_rejected(
    pipeline: Machine, webhook: WebhookClient, shell: Shell
) -> None:
    with filter_policy(pipeline, {"message_type": ["media", "location"]}):
        message_id = webhook.post(sample_params(Sample.TEXT)).message_id
        assert message_id is not None
        wait_for_webhook(pipeline, message_id)
        story("filtered", shell.told(message_id))


def test_a_filtered_message_is_explained_whatever_published_it_and_its_priority(
    pipeline: Machine, shell: Shell
) -> None:
    with filter_policy(pipeline, {"source": ["twilio"]}):
        _, out, _ = shell.run("publish", "--body", "x", "--priority", "high", "-o", "json")
        (message_id,) = set(
            re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", out.split("sns_message_id")[0])
        )
        told = shell.told(message_id)
    assert "filtered out: the subscription's filter policy rejects it" in told


@contextlib.contextmanager
def filter_policy(pipeline: Machine, policy: dict[str, Any]) -> Iterator[None]:
    sns, arn = pipeline.client("sns"), pipeline.stack_output("SubscriptionArn")

    def put(value: dict[str, Any]) -> None:
        sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=json.dumps(value)
        )

    put(policy)
    try:
        yield
    finally:
        put({})


def test_a_message_whose_signature_was_wrong(pipeline: Machine, webhook: WebhookClient, shell: Shell) -> None:
    params = sample_params(Sample.TEXT)
    assert webhook.post(params, signature="d3Jvbmc=").status == 403
    wait_for_webhook(pipeline, message_id_for(params["MessageSid"]))
    story("rejected", shell.told(params["MessageSid"]))


def test_a_message_that_twilio_signed_over_another_url(pipeline: Machine, shell: Shell) -> None:
    with webhook_url(pipeline, lambda url: url.replace("127.0.0.1", "localhost")):
        sid = received_at_twilio(pipeline)
    wait_for_webhook(pipeline, message_id_for(sid))
    story("rejected_twilios", shell.told(sid))


def test_a_message_whose_run_timed_out_and_was_stored_by_the_retry(
    pipeline: Machine, webhook: WebhookClient, shell: Shell, admin: psycopg.Connection
) -> None:
    with the_second_update_never_ends(admin):
        message_id = posted(webhook, pipeline, sample_params(Sample.BUTTON), runs=2)
        story("timed_out", shell.told(message_id))


@contextlib.contextmanager
def the_second_update_never_ends(admin: psycopg.Connection) -> Iterator[None]:
    """A claim passes, its completion hangs, what comes after passes. Before the statement, so that no row is locked."""
    admin.execute("CREATE SEQUENCE updates")
    admin.execute(
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF nextval('updates') = 2 THEN PERFORM pg_sleep(3600); END IF; RETURN NULL; END $$"
    )
    admin.execute(
        "CREATE TRIGGER hang BEFORE UPDATE ON b2b_pilot_user_submissions FOR EACH STATEMENT EXECUTE FUNCTION hang()"
    )
    try:
        yield
    finally:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid()"
        )
        admin.execute("DROP TRIGGER hang ON b2b_pilot_user_submissions")
        admin.execute("DROP FUNCTION hang")
        admin.execute("DROP SEQUENCE updates")


def test_a_message_that_was_dead_lettered_and_redriven(
    pipeline: Machine, webhook: WebhookClient, shell: Shell, admin: psycopg.Connection
) -> None:
    admin.execute(
        "ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT texts_are_short"
        " CHECK (status <> 'completed' OR length(body) < 10) NOT VALID"
    )
    message_id = posted(webhook, pipeline, sample_params(Sample.TEXT), runs=3)
    dead_letters(pipeline, 1)
    story("dead_lettered", shell.told(message_id))

    admin.execute("ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT texts_are_short")
    assert shell.run("dlq", "redrive", "--message-id", message_id, "--yes")[0] == 0
    wait_for_runs(pipeline, message_id, 4)
    story("redriven", shell.told(message_id))


def test_a_message_that_was_stale_and_published_again(
    pipeline: Machine, webhook: WebhookClient, shell: Shell, admin: psycopg.Connection
) -> None:
    message_id = posted(webhook, pipeline, sample_params(Sample.LOCATION))
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET status = 'processing', completed_at = NULL,"
        " lease_expires_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'"
        " WHERE message_id = %s",
        [message_id],
    )
    pipeline.client("lambda").invoke(FunctionName=pipeline.stack_output("StaleFunctionName"), Payload=b"{}")
    wait_for_runs(pipeline, message_id, 2)
    eventually(lambda: lines(pipeline, "StaleFunctionName", message_id), "the stale processor's line")
    story("stale", shell.told(message_id))


def test_logs_are_merged_by_time_and_chosen_by_message(
    pipeline: Machine, webhook: WebhookClient, shell: Shell
) -> None:
    message_id = posted(webhook, pipeline, sample_params(Sample.EMOJI))

    code, out, _ = shell.run("logs", "--message-id", message_id)
    assert code == 0
    assert sorted(line.split()[1:4] for line in out.splitlines()) == [
        ["processor", "INFO", "stored"],
        ["webhook", "INFO", "published"],
    ]
    raw = [json.loads(line) for line in shell.run("logs", "processor", "-o", "jsonl")[1].splitlines()]
    assert [line["at"] for line in raw] == sorted(line["at"] for line in raw)
    assert [line["line"]["event"] for line in raw if line["line"].get("message_id") == message_id] == [
        "stored"
    ]


def test_followed_logs_show_a_message_that_comes_later_once(
    pipeline: Machine, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "b2bpilot", "logs", "webhook", "-f", "-o", "jsonl", "-e", "local"]
    command += ["--filter", "event=published"]
    environment = os.environ | {"B2BPILOT_HOME": str(pipeline.home)}
    params = sample_params(Sample.EMPTY)
    with Forked(command, stdout=subprocess.PIPE, text=True, env=environment) as following:
        assert following.stdout is not None
        first = webhook.post(params).message_id
        shown = [_published(following.stdout, first)]
        second = webhook.post(sample_params(Sample.EMPTY)).message_id
        shown += [_published(following.stdout, second)]
        following.send_signal(signal.SIGINT)
        rest = following.stdout.read()
    assert shown == [1, 1]
    assert following.returncode == 0
    assert str(first) not in rest


def _published(stream: IO[str], message_id: str | None) -> int:
    """Read lines until the message's, and return how many of them were its."""
    for line in stream:
        if json.loads(line)["line"]["message_id"] == message_id:
            return 1
    return 0


def test_a_message_that_the_processor_never_saw(pipeline: Machine, shell: Shell) -> None:
    """The last one that needs the subscription."""
    pipeline.client("sns").unsubscribe(SubscriptionArn=pipeline.stack_output("SubscriptionArn"))
    sid = received_at_twilio(pipeline)
    wait_for_webhook(pipeline, message_id_for(sid))
    story("never_seen", shell.told(sid))


def test_an_id_that_nothing_knows(shell: Shell) -> None:
    code, out, err = shell.run("inspect", "SM" + "0" * 32)
    assert (code, out) == (1, "")
    story("unknown", err)
