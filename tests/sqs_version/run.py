"""From the SQS version to this one by the guide's commands and back, under traffic, with messages waiting in the old queue."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from b2bpilot.local.clients import REGION
from b2bpilot.local.environment import LocalEnvironment, running
from b2bpilot.local.release import Release
from b2bpilot.pipeline.waiting import wait_until
from tests.ops.migrations.tables import create_old_table
from tests.sqs_version.guide import Guide, GuideFailed
from tests.sqs_version.stack import HANDLERS, OldStack, deploy_old
from tests.sqs_version.traffic import RoutedTraffic, SoundDrawing, point_at
from tests.upgrade.books import Found, Row, balance
from tests.upgrade.run import REPLY, Options, Summary
from tests.upgrade.table import dead_letters_by_sid, events_of_lambda, replies_by_receiver
from tests.upgrade.upgrade import pause
from tests.upgrade.version import THIS

SETTLE_SECONDS = 300
POLL_SECONDS = 0.1
TYPE_AGAIN_SECONDS = 1.0
UNREADABLE = ("no JSON", '{"Body": "no SID"}', '{"messages": []}')
"""Each must end in the old queue's own dead-letter queue."""
TIME_SCALE = 120
WAITING_BEGIN, LEFT_ROWS = 6_000_000, 3
ROWS = """
    SELECT message_sid, status, to_jsonb(submission) ->> 'reply_state', extract(epoch FROM updated_at)::float
    FROM b2b_pilot_user_submissions AS submission
    WHERE coalesce((to_jsonb(submission) ->> 'test')::boolean, false) IS FALSE AND message_sid <> ALL(%s)
"""
"""Before the migration, too, which brings the columns of which `to_jsonb` knows nothing yet."""


def run(options: Options, waiting: int, *, progress: Callable[[str], None]) -> Summary:
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="b2bpilot-from-sqs-")))
        release = Release(migrate=lambda url: create_old_table(url, rows=LEFT_ROWS))
        environment = cleanup.enter_context(
            running(
                folder / "home",
                reply_text=REPLY,
                release=release,
                handlers=HANDLERS,
                time_scale=TIME_SCALE,
                progress=progress,
            )
        )
        # A second run of the old code would race with the first: what that stores twice is no fault of a cut-over.
        old = deploy_old(environment, reply_text=REPLY, BatchWindowSeconds=1, Concurrency=1)
        connection = cleanup.enter_context(psycopg.connect(environment.state.database_url, autocommit=True))
        is_idle = cleanup.enter_context(events_of_lambda(folder / "home"))
        point_at(environment.twilio, old.webhook_url)
        traffic = RoutedTraffic(
            environment.twilio,
            environment.state.twilio_auth_token,
            rate=options.rate,
            drawing=SoundDrawing(Random(f"{options.seed} traffic")),
            phase_seconds=options.seconds / PHASES,
        )
        over = CutOver(
            environment=environment,
            old=old,
            guide=_guide(environment, old, folder / "home"),
            traffic=traffic,
            connection=connection,
            is_idle=is_idle,
            random=Random(f"{options.seed} way"),
            progress=progress,
        )
        over.go(waiting, seconds=options.seconds / PHASES)
        return Summary(
            options=options,
            old="SQS",
            new=THIS.name,
            migrations=(),
            books=balance(traffic.messages, over.found()),
            incidents=tuple(over.incidents),
            runs={},
            way=f"--from-sqs {waiting} ",
            title=f"From the SQS version with {waiting} messages in its queue to this one, and back",
        )


PHASES = 5


def _guide(environment: LocalEnvironment, old: OldStack, home: Path) -> Guide:
    keys = environment.state
    return Guide(
        home=home,
        database_url=keys.database_url,
        endpoint_url=keys.endpoint_url,
        names={
            "prod": "local",
            "OLD_QUEUE_URL": old.outputs["QueueUrl"],
            "OLD_QUEUE_ARN": old.outputs["QueueArn"],
            "OLD_DEAD_LETTER_QUEUE_ARN": old.outputs["DeadLetterQueueArn"],
            "OLD_MAPPING_ID": old.outputs["MappingId"],
        },
        variables={
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        },
    )


@dataclass(slots=True, kw_only=True)
class CutOver:
    """`incidents` are faults that no book shows."""

    environment: LocalEnvironment
    old: OldStack
    guide: Guide
    traffic: RoutedTraffic
    connection: psycopg.Connection
    is_idle: Callable[[], bool]
    random: Random
    progress: Callable[[str], None]
    incidents: list[str] = field(default_factory=list)

    def go(self, waiting: int, *, seconds: float) -> None:
        self._begin("the SQS version")
        self.traffic.start()
        try:
            pause(seconds)
            self._deploy_beside()
            self._fill(waiting)
            self._begin("draining")
            self._drain()
            self._begin("cut over")
            self._cut_over()
            pause(seconds)
            self._see_that_nothing_is_left()
            self._begin("going back")
            self._go_back()
            self._begin("the SQS version again")
            pause(seconds)
            self.incidents += [f"the guide's `{one}` was not run" for one in self.guide.left_out]
        except GuideFailed as failed:
            self._incident(str(failed))
        finally:
            self.traffic.stop()
        self._settle()

    def found(self) -> Found:
        """Who died in the middle of it is in no book: what the old version left is looked at by itself."""
        dead_letters = dead_letters_by_sid(
            self.environment.aws.sqs, self.environment.stack.outputs["DeadLetterQueueUrl"]
        )
        given_up = dead_letters_by_sid(self.old.aws.sqs, self.old.outputs["DeadLetterQueueUrl"])
        unreadable = given_up.pop(None, 0)
        if unreadable != len(UNREADABLE):
            self._incident(
                f"{unreadable} unreadable messages in the old dead-letter queue, not {len(UNREADABLE)}"
            )
        return Found(
            rows=list(self._rows()),
            replies=replies_by_receiver(self.environment),
            dead_letters={**dead_letters, **given_up},
        )

    # ---- the guide's steps ----

    def _deploy_beside(self) -> None:
        self.progress("1. deploy beside it")
        self.guide.run("b2bpilot migrate", more=f"--database-url {self.guide.database_url} --yes")
        self.guide.stand_in_for("make deploy")
        self.guide.run("aws scheduler update-schedule")
        self.progress("2. verify")
        self.guide.run("b2bpilot verify -e prod --wait", accepts=(0, 1))
        self.guide.run("b2bpilot publish")
        self.guide.stand_in_for("make acceptance")
        self.guide.run("b2bpilot twilio reconcile -e prod --since 1h")

    def _fill(self, waiting: int) -> None:
        """The polling function stood still for a while. Of what waits, some is there twice, as SQS may deliver it, and some
        was stored already."""
        self._begin("waiting in the old queue")
        self.old.switch(on=False)
        self.traffic.burst(
            SoundDrawing(Random(f"{self.random.random()}"), first_number=WAITING_BEGIN), waiting
        )
        for body in UNREADABLE:
            self.old.aws.sqs.send_message(QueueUrl=self.old.outputs["QueueUrl"], MessageBody=body)
        self.progress(f"{self.old.depth()} messages in the old queue")
        if self.random.random() < 0.5:
            self.progress("the old processor goes on with them")
            self.old.switch(on=True)

    def _cut_over(self) -> None:
        self.guide.run("b2bpilot twilio route")
        cutover = "b2bpilot twilio cutover -e prod --to stack --number +15005550001"
        self.guide.run(f"{cutover} --dry-run")
        self.guide.run(f"{cutover} --reason", more="--confirm +15005550001")

    def _drain(self) -> None:
        self.guide.run("aws lambda update-event-source-mapping --uuid OLD_MAPPING_ID --no-enabled")
        self._until("Disabled", "aws lambda get-event-source-mapping --uuid OLD_MAPPING_ID")
        in_flight = "aws sqs get-queue-attributes --queue-url OLD_QUEUE_URL --attribute-names ApproximateNumberOfMessagesNotVisible"
        seen = self._until(NONE_IN_FLIGHT, f"{in_flight} VisibilityTimeout")
        timeout = re.search(r'"VisibilityTimeout": "(\d+)"', seen)
        self.guide.names["OLD_TIMEOUT"] = timeout[1] if timeout else "none seen"
        self.guide.run(
            "aws sqs set-queue-attributes --queue-url OLD_QUEUE_URL --attributes VisibilityTimeout=1800"
        )
        self.progress(f"{self.old.depth()} messages left to drain")
        self.guide.stand_in_for("b2bpilot deploy")
        self._deploy({"OldQueueArn": self.old.outputs["QueueArn"]})
        self._until(r"in it +about 0 waiting", "b2bpilot delivery")
        self.guide.run("b2bpilot verify -e prod --only B2B191")

    def _see_that_nothing_is_left(self) -> None:
        self.guide.stand_in_for("aws sqs start-message-move-task")
        self._move_back()
        self._until(r"in it +about 0 waiting, 0 in flight", "b2bpilot delivery")
        self._enable_the_schedule()
        self.guide.run("b2bpilot verify -e prod", accepts=(0, 1))
        self.guide.run("b2bpilot twilio reconcile -e prod --since 26h", accepts=(0, 3))
        if doubled := self.guide.run("SELECT"):
            self._incident(f"the guide's query finds {doubled}")

    def _go_back(self) -> None:
        run_id = re.search(r"^(\S+-cutover-\S+)", self.guide.run("b2bpilot runs list"), re.MULTILINE)
        self.guide.names["RUN"] = run_id[1] if run_id else "none"
        self.guide.run("b2bpilot twilio rollback", more="--yes")
        (mapping,) = self._mappings()
        self.guide.names["NEW_MAPPING_ID"] = mapping
        self.guide.run("aws lambda update-event-source-mapping --uuid NEW_MAPPING_ID --no-enabled")
        self._until("Disabled", "aws lambda get-event-source-mapping --uuid NEW_MAPPING_ID")
        in_flight = "aws sqs get-queue-attributes --queue-url OLD_QUEUE_URL --attribute-names ApproximateNumberOfMessagesNotVisible"
        self._until(NONE_IN_FLIGHT, in_flight)
        self.guide.run(
            "aws sqs set-queue-attributes --queue-url OLD_QUEUE_URL --attributes VisibilityTimeout=OLD_TIMEOUT"
        )
        self.guide.run("aws lambda update-event-source-mapping --uuid OLD_MAPPING_ID --enabled")

    # ---- and what is behind them ----

    def _deploy(self, more: dict[str, str]) -> None:
        (region,) = self.environment.regions
        region.deploy(THIS.template, {**self.environment.parameters, **more})

    def _mappings(self) -> list[str]:
        seen = self.guide.run("b2bpilot delivery")
        return re.findall(r"old queue.*mapping (\S+) ", seen)

    def _enable_the_schedule(self) -> None:
        name = self.environment.stack.outputs["ScheduleName"]
        scheduler: Any = self.environment.aws.access.client("scheduler")
        known = scheduler.get_schedule(Name=name)
        same = {key: known[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
        if known["State"] != "DISABLED":
            self._incident(f"the schedule was {known['State']}, not paused")
        scheduler.update_schedule(**same, State="ENABLED")

    def _move_back(self) -> None:
        """The emulator knows no move tasks."""
        sqs, source = self.old.aws.sqs, self.old.outputs["DeadLetterQueueUrl"]
        while taken := sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10).get("Messages"):
            for one in taken:
                sqs.send_message(QueueUrl=self.old.outputs["QueueUrl"], MessageBody=one["Body"])
                sqs.delete_message(QueueUrl=source, ReceiptHandle=one["ReceiptHandle"])

    def _until(self, pattern: str, command: str) -> str:
        """Type a command until what it prints matches. Nothing new is sent meanwhile: a slow machine would never come to an
        end of it."""
        self.traffic.held = True
        seen = wait_until(
            lambda: self.guide.run(command),
            enough=lambda printed: re.search(pattern, printed) is not None,
            seconds=SETTLE_SECONDS,
            pause_seconds=TYPE_AGAIN_SECONDS,
        )
        self.traffic.held = False
        if not re.search(pattern, seen):
            raise GuideFailed(f"`{command}` never said {pattern!r}: {seen}")
        return seen

    def _settle(self) -> None:
        self.progress("waiting until everything is settled")
        open_ = wait_until(
            self._open, enough=lambda found: not found, seconds=SETTLE_SECONDS, pause_seconds=POLL_SECONDS
        )
        if open_:
            self._incident(
                f"not settled after {SETTLE_SECONDS} s: {len(open_)}, such as {', '.join(open_[:3])}"
            )

    def _open(self) -> list[str]:
        done = {row.sid for row in self._rows() if row.status == "completed"}
        waits = [one.sid for one in self.traffic.messages if one.is_accepted and one.sid not in done]
        return [
            *waits,
            *(["the old queue"] if self.old.depth() else []),
            *([] if self.is_idle() else ["Lambda"]),
        ]

    def _rows(self) -> Iterator[Row]:
        """But for those that were there before all of it."""
        known = self.connection.execute(
            "SELECT 'SM' || md5(n::text) FROM generate_series(1, %s) n", (LEFT_ROWS,)
        )
        for sid, status, reply, at in self.connection.execute(ROWS, ([sid for (sid,) in known],)):
            yield Row(sid=sid, status=status, reply_state=reply, completed_at=at)

    def _begin(self, phase: str) -> None:
        self.progress(phase)
        self.traffic.phase = phase

    def _incident(self, text: str) -> None:
        self.progress(text)
        self.incidents.append(text)


NONE_IN_FLIGHT = r'"ApproximateNumberOfMessagesNotVisible": "0"'
