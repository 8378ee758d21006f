"""What people do when the causes are gone: resume, restore, redrive, correct, and leave what cannot be helped."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tests.faults.commands import CommandLine, Ran
from tests.faults.deployment import Deployment
from tests.faults.evidence import dead_letters, rows
from tests.faults.operators import editor

ROUTES = ("invoke", "topic", "invoke", "async")
REDRIVE = (
    "dlq",
    "redrive",
    "--yes",
    "--force",
    "--include-poison",
    "--max-failures",
    "100%",
    "--wait",
    "20s",
)


def drain(
    deployment: Deployment,
    line: CommandLine,
    rest: Callable[[], object],
    *,
    poison: Collection[str],
    corrected: int,
) -> None:
    """Leave nothing in the queue but `poison`, of which so many are corrected. `rest` returns when nothing is under way."""
    _resume(line)
    _restore(deployment, line)
    for route in ROUTES:
        rest()
        if not dead_letters(deployment).message_ids - set(poison):
            break
        line.run(*REDRIVE, "--via", route)
    rest()
    if _abandoned(deployment):
        line.run("submissions", "republish", "--abandoned", "--yes")
        rest()
    _correct(_some(deployment, poison, corrected), line)
    rest()


def _abandoned(deployment: Deployment) -> set[str]:
    """The rows that wait for a person and have no dead letter."""
    waiting = {
        row.message_id for row in rows(deployment) if row.status == "abandoned" and not row.discarded_by
    }
    return waiting - dead_letters(deployment).message_ids


def _resume(line: CommandLine) -> None:
    for run_id in _interrupted(line.run("runs", "list", "--limit", "1000")):
        line.run("runs", "resume", run_id, "--yes")


def _interrupted(listed: Ran) -> list[str]:
    document = listed.document
    runs = document.get("runs", []) if isinstance(document, dict) else []
    return [run["run_id"] for run in runs if run.get("state") == "interrupted"]


def _restore(deployment: Deployment, line: CommandLine) -> None:
    """Every second discard was a mistake; the others stay what they are."""
    for path in sorted((deployment.machine.home / "runs").glob("*-discard-*.jsonl"))[::2]:
        line.run("dlq", "restore", path.stem, "--yes")


def _some(deployment: Deployment, poison: Collection[str], count: int) -> dict[str, str]:
    """Return poisoned messages with one dead letter each: a message may have several."""
    found = dead_letters(deployment).found
    ours = {each.message_id: each.queue_message_id for each in found if not each.subscription}
    return {message_id: ours[message_id] for message_id in sorted(ours.keys() & set(poison))[:count]}


def _correct(messages: dict[str, str], line: CommandLine) -> None:
    """As a person would, one by one, and send each."""
    for message_id, queue_message_id in messages.items():
        line.run("dlq", "edit", queue_message_id, "--yes", variables={"EDITOR": editor()})
        line.run("dlq", "redrive", "--yes", "--include-poison", "--message-id", message_id, "--wait", "20s")
