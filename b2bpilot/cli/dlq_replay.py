"""`b2bpilot dlq replay`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.context import Pilot, pilot_of
from b2bpilot.cli.dlq_options import letters as counted
from b2bpilot.cli.dlq_run import new_run
from b2bpilot.cli.dlq_selection import selection_of
from b2bpilot.cli.output import Row

if TYPE_CHECKING:
    from b2bpilot.ops.deadletters.engine import Handled
    from b2bpilot.ops.deadletters.routes import Invokable
    from b2bpilot.ops.deadletters.selection import Selection
    from b2bpilot.pipeline.deadletter import DeadLetter

WORKERS = 4


def replay(
    ctx: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Copies from an export, not from the queue.", metavar="FILE"),
    ] = None,
    local: Annotated[
        bool,
        typer.Option("--local", help="Run the handler in this process; it replies to nobody."),
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why; it is recorded in the run's journal.", metavar="TEXT")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Process copies of dead letters; the queue keeps them all.

    What is completed already is skipped by the processor as a duplicate. With --local a breakpoint in the handler works:
    put `breakpoint()` into it, or run this command under your debugger.

    Example: b2bpilot dlq replay -e staging --message-id 7d1eea89-294a-5d6f-8bdc-73898d8ce9cc --local
    """
    from b2bpilot.ops.deadletters import replay as operation

    pilot = pilot_of(ctx)
    letters = _copies(pilot, file, selection_of(ctx, now=pilot.now()))
    if not letters:
        pilot.output.notice("No dead letter matches.")
        return
    readable = operation.readable(letters)
    unreadable = len(letters) - len(readable)
    place = "in this process" if local else f"with {pilot.environment.stack.processor_function_name}"
    plan = [f"Process copies of {counted(len(readable))} of {pilot.environment} {place}."]
    plan += [f"{unreadable:,} cannot be read and are left out."] if unreadable else []
    pilot.confirmation(yes=yes).ask(plan, "Go on?")
    parameters = {"letters": len(readable), "file": str(file) if file else None, "local": local}
    with (
        _function(pilot, local=local) as function,
        new_run(pilot, operation.COMMAND, reason=reason, parameters=parameters) as journal,
    ):
        workers = 1 if local else WORKERS
        handled = list(operation.replay(readable, function, journal, run_id=journal.run_id, workers=workers))
        journal.finish({"processed": sum(one.sent.confirmed for one in handled)})
    _show(pilot, handled)
    operation.require_all_processed(handled, unreadable=unreadable)


def _copies(pilot: Pilot, file: Path | None, selection: Selection) -> list[DeadLetter]:
    from b2bpilot.aws.queue import DeadLetterQueue
    from b2bpilot.ops.deadletters import replay as operation

    if file is not None:
        return operation.copies_from_file(file, selection, now=pilot.now())
    stack = pilot.environment.stack
    queue = DeadLetterQueue.connect(stack.dead_letter_queue_url, access=pilot.environment.access)
    with pilot.output.progress("Looking at the dead-letter queue"):
        return operation.copies_from_queue(queue, selection, now=pilot.now())


def _function(pilot: Pilot, *, local: bool) -> AbstractContextManager[Invokable]:
    from b2bpilot.aws.functions import Function
    from b2bpilot.ops.deadletters.local_function import local_function

    if local:
        return local_function(pilot.database_url)
    name = pilot.environment.stack.processor_function_name
    return nullcontext(Function.connect(name, access=pilot.environment.access))


def _show(pilot: Pilot, handled: list[Handled]) -> None:
    rows = [
        Row(
            fields={
                "message_id": one.letter.message.message_id if one.letter.message else None,
                "queue_message_id": one.letter.queue_message_id,
                "verdict": one.sent.verdict.value,
                "error": one.sent.error,
            },
            columns={
                "message id": one.letter.message.message_id if one.letter.message else "-",
                "result": one.sent.verdict.value,
                "why": one.sent.error or "-",
            },
        )
        for one in handled
    ]
    pilot.output.rows("replayed", rows)
    processed = sum(one.sent.confirmed for one in handled)
    pilot.output.notice(f"Processed copies of {processed:,}; the queue keeps its letters.")
