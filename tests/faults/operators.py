"""People who run commands while all of that happens, and at times pull the plug."""

from __future__ import annotations

import random
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.commands import CommandLine, Database, Kill, Ran
from tests.faults.deployment import Deployment

KILLED_SHARE = 0.3
SHORTEST_LIFE_SECONDS, LONGEST_LIFE_SECONDS = 0.6, 5.0
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
DATABASES = ((Database.SECRET, 3), (Database.TUNNEL, 6), (Database.COPY, 1))
LONGEST_PAUSE_SECONDS = 3.0
EDITOR = Path(__file__).parent / "correct.py"

Command = Callable[["Operator"], Sequence[str] | None]
"""Draw the arguments; None when there is nothing to do."""


class Operator:
    """Draws commands one after another. Two of them know nothing of each other."""

    def __init__(self, deployment: Deployment, line: CommandLine, seed: str, sids: Sequence[str]) -> None:
        self.chance = random.Random(seed)
        self.deployment = deployment
        self.line = line
        self.sids = sids
        """Of the messages so far; others add to it."""

    def run(self, healing: threading.Event) -> None:
        while not healing.is_set():
            self._one()
            healing.wait(self.chance.uniform(0.2, LONGEST_PAUSE_SECONDS))

    def ask(self, *arguments: str) -> Ran:
        return self.line.run(*arguments, database=self._database())

    def journals(self, command: str) -> list[str]:
        """The runs of a command, by their journals."""
        folder = self.deployment.machine.home / "runs"
        return sorted(path.stem for path in folder.glob(f"*-{command}-*.jsonl"))

    def _one(self) -> None:
        commands = [command for command, _ in COMMANDS]
        weights = [weight for _, weight in COMMANDS]
        arguments = self.chance.choices(commands, weights)[0](self)
        kill, database = self._kill(), self._database()
        if arguments:
            self.line.run(*arguments, kill=kill, database=database, variables={"EDITOR": editor()})

    def _database(self) -> Database:
        kinds, weights = zip(*DATABASES, strict=True)
        return self.chance.choices(kinds, weights)[0]

    def _kill(self) -> Kill | None:
        if self.chance.random() >= KILLED_SHARE:
            return None
        after = self.chance.uniform(SHORTEST_LIFE_SECONDS, LONGEST_LIFE_SECONDS)
        return Kill(after_seconds=after, signal=self.chance.choice(SIGNALS))


def editor() -> str:
    """A program that corrects what makes a message poison, as a person with an editor would."""
    return shlex.join([sys.executable, str(EDITOR)])


def redrive(operator: Operator) -> Sequence[str]:
    route = operator.chance.choice(["invoke", "invoke", "async", "topic"])
    wait = operator.chance.choice(["0s", "5s", "15s"])
    most = operator.chance.choice(["20%", "100%"])
    return ("dlq", "redrive", "--yes", "--via", route, "--wait", wait, "--max-failures", most)


def redrive_in_aws(operator: Operator) -> Sequence[str]:
    return ("dlq", "redrive", "--yes", "--engine", "lambda")


def replay(operator: Operator) -> Sequence[str]:
    return ("dlq", "replay", "--yes", "--limit", "15")


def publish(operator: Operator) -> Sequence[str]:
    count = str(operator.chance.choice([1, 5, 30]))
    route = operator.chance.choice(["topic", "topic", "webhook"])
    return ("publish", "--count", count, "--wait", "20s", "--yes", "--via", route)


def discard(operator: Operator) -> Sequence[str]:
    return ("dlq", "discard", "--yes", "--confirm", "local", "--limit", "6")


def restore(operator: Operator) -> Sequence[str] | None:
    runs = operator.journals("discard") + operator.journals("edit")
    return ("dlq", "restore", operator.chance.choice(runs), "--yes") if runs else None


def resume(operator: Operator) -> Sequence[str] | None:
    document = operator.ask("runs", "list").document
    runs = document.get("runs", []) if isinstance(document, dict) else []
    interrupted = [run["run_id"] for run in runs if run.get("state") == "interrupted"]
    return ("runs", "resume", operator.chance.choice(interrupted), "--yes") if interrupted else None


def show(operator: Operator) -> Sequence[str] | None:
    ids = samples(operator.ask("dlq", "list").document)
    return ("dlq", "show", operator.chance.choice(ids)) if ids else None


def inspect(operator: Operator) -> Sequence[str] | None:
    return ("inspect", operator.chance.choice(operator.sids)) if operator.sids else None


def edit(operator: Operator) -> Sequence[str] | None:
    """A dead letter that `dlq list` shows: poison, as a rule."""
    ids = samples(operator.ask("dlq", "list").document)
    return ("dlq", "edit", operator.chance.choice(ids), "--yes") if ids else None


def export(operator: Operator) -> Sequence[str]:
    if operator.chance.random() < 0.5:
        return ("dlq", "export", "--scheduled", str(operator.deployment.machine.home / "exports"))
    file = operator.deployment.machine.home / f"export-{operator.chance.getrandbits(40):x}.jsonl"
    return ("dlq", "export", str(file))


def republish(operator: Operator) -> Sequence[str]:
    return ("submissions", "republish", "--abandoned", "--yes", "--wait", "15s")


def reconcile(operator: Operator) -> Sequence[str]:
    more = ("--publish-missing", "--yes", "--wait", "15s") if operator.chance.random() < 0.5 else ()
    return ("twilio", "reconcile", "--since", "1h", *more)


def look(operator: Operator) -> Sequence[str]:
    return operator.chance.choice(
        [
            ("dlq", "list"),
            ("status",),
            ("submissions", "list"),
            ("submissions", "stuck"),
            ("verify",),
            ("subscribers",),
        ]
    )


COMMANDS: Sequence[tuple[Command, float]] = (
    (redrive, 40),
    (redrive_in_aws, 5),
    (replay, 6),
    (publish, 12),
    (discard, 8),
    (restore, 8),
    (resume, 12),
    (edit, 4),
    (export, 3),
    (reconcile, 4),
    (republish, 4),
    (show, 3),
    (inspect, 4),
    (look, 8),
)


def samples(listed: object) -> list[str]:
    """Return a message of each group that `dlq list` shows."""
    groups = listed.get("groups", []) if isinstance(listed, dict) else []
    return [group["sample"] for group in groups if group.get("sample")]
