"""No command says that nothing was changed where something may have been: each that writes, with faults and ends at drawn moments.

The oracle stands between the commands and AWS, and Twilio: it knows what was carried out.
"""

from __future__ import annotations

import os
import random
import re
import resource
import shlex
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote_plus

import psycopg
import pytest

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.twilio.numbers import numbers, set_number_webhook
from b2bpilot.twilio.rest import Twilio as TwilioClient
from b2bpilot.twilio.rest import TwilioAccess
from tests import forked
from tests.events import message
from tests.faults.claims import AtCalls, Seam, untrue
from tests.faults.proxies.dialect import Aws, Twilio
from tests.faults.proxies.trouble import NONE, CallFault
from tests.forked import Ended
from tests.fuzz import examples
from tests.local.conftest import Machine
from tests.local.test_redrive import OwnQueue, dead_letter
from tests.local.test_twilio import receive

DEAD_LETTERS = 12
SEED = 0
EXAMPLES = 24
"""By default; `make fuzz` has many times more."""
LEASE = timedelta(0)
MESSAGE_ID = re.compile(r"message_id[\\\": ]+([0-9a-f-]{36})")
EDITOR = """
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
document = json.loads(path.read_text())
document["params"]["Body"] = "Edited"
path.write_text(json.dumps(document))
"""


class Trouble(StrEnum):
    CUT = "the answer is cut"
    ERROR = "a 500 that was carried out"
    TRUNCATED = "half an answer"
    LATE = "no answer, and carried out when the command has ended"
    STALE = "what is read is what was before"
    THROTTLED = "throttled"
    DENIED = "denied"
    ONCE = "Ctrl-C"
    TWICE = "Ctrl-C twice"
    FULL = "the disk is full"
    KILLED = "a kill"


FAULTS = {
    Trouble.CUT: CallFault.DROPPED_AFTER,
    Trouble.ERROR: CallFault.ERROR_AFTER,
    Trouble.TRUNCATED: CallFault.TRUNCATED,
    Trouble.LATE: CallFault.LATE,
    Trouble.THROTTLED: CallFault.THROTTLED,
    Trouble.DENIED: CallFault.DENIED,
}
SIGNALS = {
    Trouble.ONCE: [signal.SIGINT],
    Trouble.TWICE: [signal.SIGINT, signal.SIGINT],
    Trouble.KILLED: [signal.SIGKILL],
}


@dataclass(kw_only=True)
class Stage:
    """The environment with its seams, and one command after the other at them."""

    machine: Machine
    aws: Seam
    twilio: Seam
    queue: DeadLetterQueue
    database: DatabaseManager
    folder: Path
    process: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, *arguments: str) -> Ended:
        environ = {
            "HOME": str(self.folder),
            "B2BPILOT_HOME": str(self.machine.home),
            "TWILIO_API_URL": self.twilio.url,
            "EDITOR": shlex.join([sys.executable, str(self.folder / "editor.py")]),
        }
        try:
            return forked.run(
                *arguments,
                "-e",
                "local",
                "--endpoint-url",
                self.aws.url,
                environ=environ,
                started=self._started,
            )
        finally:
            self._started(0)
            for seam in (self.aws, self.twilio):
                seam.carry_out_late_calls()

    @property
    def done(self) -> int:
        return len(self.aws.done) + len(self.twilio.done)

    def sent(self) -> set[str]:
        """The messages in what AWS took."""
        text = "".join(unquote_plus(call.body.decode("utf-8", "replace")) for call in self.aws.done)
        return set(MESSAGE_ID.findall(text))

    def journals(self) -> set[str]:
        return {path.stem for path in (self.machine.home / "runs").glob("*.jsonl")}

    def prepare(self, trouble: Trouble | None, chance: random.Random, *, forget: bool = True) -> None:
        """Let it meet that at a drawn call, or at all from there on."""
        number = chance.randint(1, 4)
        numbers = frozenset({number} if chance.random() < 0.5 else range(number, 1_000))
        for seam in (self.aws, self.twilio):
            if forget:
                seam.start_anew(is_stale=trouble is Trouble.STALE)
            seam.is_stale &= forget
            seam.control.trouble = (
                AtCalls(numbers=numbers, fault=FAULTS[trouble]) if trouble in FAULTS else NONE
            )
            seam.then = self._then(trouble, number) if trouble else lambda _: None

    def _then(self, trouble: Trouble, number: int) -> Callable[[int], None]:
        def then(done: int) -> None:
            if done != number:
                return
            with self._lock:
                for sent in SIGNALS.get(trouble, []) if self.process else []:
                    os.kill(self.process, sent)
                if trouble is Trouble.FULL and self.process:
                    self._fill_the_disk(self.process)

        return then

    def _fill_the_disk(self, process: int) -> None:
        newest = max((self.machine.home / "runs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (newest.stat().st_size, resource.RLIM_INFINITY))

    def _started(self, process: int) -> None:
        with self._lock:
            self.process = process

    # What commands are about.

    def dead_letters(self, count: int = DEAD_LETTERS) -> list[PilotMessage]:
        found = [message() for _ in range(count)]
        assert not self.queue.send([dead_letter(of, "the CRM is down") for of in found])
        return found

    def whole_queue(self) -> list[str]:
        self.dead_letters()
        return []

    def abandoned(self, count: int = DEAD_LETTERS) -> list[str]:
        found = [message() for _ in range(count)]
        for one in found:
            self.database.claim(one, lease=LEASE)
            self.database.abandon(one.message_id, "the CRM is down")
        return [one.message_id for one in found]

    def exported(self) -> str:
        file = self.folder / f"{uuid.uuid4()}.jsonl"
        found = self.dead_letters()
        exported = self.run("dlq", "export", *chosen(found), str(file))
        assert exported.code == 0, exported.errors
        self.empty()
        return str(file)

    def missing(self) -> list[str]:
        receive(self.machine, 4, deliver=False, ago=timedelta(hours=2))
        return []

    def astray(self) -> str:
        """Let the account's number deliver elsewhere, and return it."""
        (number,) = numbers(self._twilio())
        set_number_webhook(
            self._twilio(), number.sid, replace(number.webhook, url="https://old.example.com/")
        )
        return number.phone_number

    def switched(self) -> str:
        """Cut the account's number over, and return the run."""
        ended = self.run("twilio", "cutover", "--to", "stack", "--confirm", self.astray(), "-o", "json")
        assert ended.code == 0, "error" in ended.document and ended.document["error"]
        return str(ended.document["run_id"])

    def empty(self) -> None:
        self.machine.client("sqs").purge_queue(QueueUrl=self.machine.stack_output("DeadLetterQueueUrl"))

    @contextmanager
    def left_as_it_was(self) -> Iterator[None]:
        """The environment is others', too."""
        (number,) = numbers(self._twilio())
        yield
        set_number_webhook(self._twilio(), number.sid, number.webhook)
        self.empty()
        with psycopg.connect(self.machine.state.database_url, autocommit=True) as admin:
            admin.execute("TRUNCATE b2b_pilot_user_submissions")

    def _twilio(self) -> TwilioClient:
        state = self.machine.state
        return TwilioAccess(
            account_sid=state.twilio_account_sid,
            auth_token=state.twilio_auth_token,
            api_url=state.twilio_api_url,
        ).connect()


def chosen(found: list[PilotMessage]) -> list[str]:
    return [part for one in found for part in ("--message-id", one.message_id)]


PUBLISH = ("publish", "text", "--count", "45", "--concurrency", "2", "--yes")
LOAD = (
    "load",
    "--clients",
    "2",
    "--requests",
    "4",
    "--via",
    "topic",
    "--retry",
    "0s",
    "--wait",
    "2s",
    "--yes",
)
RECONCILE = (
    *("twilio", "reconcile", "--since", "3h", "--publish-missing", "--even-if-queued"),
    *("--wait", "1s", "--yes"),
)
INSIDE_AWS = ("dlq", "redrive", "--engine", "lambda", "--yes")
COMMANDS: dict[str, Callable[[Stage], list[str]]] = {
    "publish": lambda _: [*PUBLISH],
    "publish one": lambda _: ["publish", "text"],
    "load": lambda _: [*LOAD],
    "redrive": lambda stage: ["dlq", "redrive", *chosen(stage.dead_letters()), "--wait", "1s", "--yes"],
    "redrive via topic": lambda stage: [
        *("dlq", "redrive", *chosen(stage.dead_letters()), "--via", "topic", "--wait", "0s", "--yes")
    ],
    "replay": lambda stage: ["dlq", "replay", *chosen(stage.dead_letters(6)), "--yes"],
    "discard": lambda stage: ["dlq", "discard", *chosen(stage.dead_letters(25)), "--yes"],
    "edit": lambda stage: ["dlq", "edit", stage.dead_letters(1)[0].message_id, "--yes"],
    "restore": lambda stage: ["dlq", "restore", stage.exported(), "--yes"],
    "republish": lambda stage: ["submissions", "republish", *stage.abandoned(), "--wait", "1s", "--yes"],
    "reconcile": lambda stage: [*RECONCILE, *stage.missing()],
    "publish via webhook": lambda _: ["publish", "text", "--count", "12", "--via", "webhook", "--yes"],
    "redrive inside AWS": lambda stage: [*INSIDE_AWS, *stage.whole_queue()],
    "rollback": lambda stage: ["twilio", "rollback", stage.switched(), "--yes"],
    "cutover": lambda stage: ["twilio", "cutover", "--to", "stack", "--confirm", stage.astray()],
}
SENDS = {
    "publish",
    "publish one",
    "publish via webhook",
    "redrive via topic",
    "restore",
    "republish",
    "reconcile",
}
"""Where `failed` means that a message was certainly not sent."""
RESUMED_AT_ONCE = {
    "publish",
    "publish one",
    "publish via webhook",
    "replay",
    "restore",
    "republish",
    "reconcile",
}
"""Others wait for what a killed run hides in the queue."""


@pytest.fixture(scope="module")
def stage(environment: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("claims")
    (folder / "editor.py").write_text(EDITOR)
    state = environment.state
    queue = OwnQueue.connect(environment.stack_output("DeadLetterQueueUrl"), access=environment.access)
    queue.subscription_arn = environment.stack_output("SubscriptionArn")
    with ExitStack() as stack:
        aws, twilio = Seam("claims", Aws()), Seam("claims", Twilio())
        aws.lead_to(state.endpoint_url)
        twilio.lead_to(state.twilio_api_url)
        for seam in (aws, twilio):
            stack.callback(seam.close)
        found = Stage(
            machine=environment,
            aws=aws,
            twilio=twilio,
            queue=queue,
            database=stack.enter_context(DatabaseManager(state.database_url)),
            folder=folder,
        )
        with found.left_as_it_was():
            yield found


ONLY_OF = {Trouble.STALE: {"cutover", "rollback"}}
"""Nothing but a cut-over reads what it has written."""


def pairs() -> list[tuple[str, Trouble]]:
    """Each command with each trouble; the next command meets the next trouble, so that few of them have all of both."""
    names, troubles = list(COMMANDS), random.Random(SEED).sample(list(Trouble), len(Trouble))
    found = [
        (name, troubles[(place + number) % len(troubles)])
        for place in range(len(troubles))
        for number, name in enumerate(names)
    ]
    return [(name, trouble) for name, trouble in found if name in ONLY_OF.get(trouble, COMMANDS)]


def cases() -> list[tuple[str, Trouble, int]]:
    """By default the first of the pairs; `make fuzz` has all, several times."""
    all_of_them, count = pairs(), examples(EXAMPLES)
    return [(*all_of_them[number % len(all_of_them)], number // len(all_of_them)) for number in range(count)]


def test_the_default_slice_has_each_command_and_each_trouble() -> None:
    of_the_default = pairs()[:EXAMPLES]
    assert {name for name, _ in of_the_default} == set(COMMANDS)
    assert {trouble for _, trouble in of_the_default} == set(Trouble)


def test_what_goes_through_the_webhook_is_seen(stage: Stage) -> None:
    stage.prepare(None, random.Random(SEED))
    stage.aws.token = stage.machine.state.twilio_auth_token
    assert stage.run("publish", "text", "--count", "2", "--via", "webhook", "--yes").code == 0
    assert (stage.done, len(stage.sent())) == (2, 2)


@pytest.mark.hypothesis  # for `make fuzz`: it draws, too
@pytest.mark.parametrize(("name", "trouble", "seed"), cases())
def test_no_command_says_that_nothing_was_changed_where_something_may_have_been(
    stage: Stage, name: str, trouble: Trouble, seed: int
) -> None:
    chance = random.Random(f"{name} {trouble} {seed}")
    stage.empty()
    stage.aws.token = stage.machine.state.twilio_auth_token if "webhook" in name else ""
    arguments = COMMANDS[name](stage)
    before = stage.journals()
    stage.prepare(trouble, chance)
    ended = stage.run(*arguments)
    assert "Traceback" not in ended.errors
    assert untrue(ended.output + ended.errors, ended.code, done=stage.done) == []

    stage.prepare(None, chance, forget=False)
    for run_id in stage.journals() - before:
        shown = stage.run("runs", "show", run_id, "-o", "json").document
        if name in SENDS:
            assert certainly_not_sent(shown["messages"]) & stage.sent() == set()
            assert stage.sent() <= {one["message_id"] for one in shown["messages"]}
        if name in RESUMED_AT_ONCE and shown["run"]["state"] == "interrupted":
            resumed = stage.run("runs", "resume", run_id, "--yes")
            assert untrue(resumed.output + resumed.errors, resumed.code, done=stage.done) == []


def certainly_not_sent(messages: list[dict[str, str]]) -> set[str]:
    return {one["message_id"] for one in messages if one["stage"] in ("planned", "failed")}
