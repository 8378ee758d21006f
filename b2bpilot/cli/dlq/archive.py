"""`b2bpilot dlq export`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.dlq import group_view, owner_view
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.dlq.scheduled import export_scheduled
from b2bpilot.cli.dlq.selection import selection_as_listed
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import PipeClosed
from b2bpilot.errors import PartlyFailed, UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.copies import ExportRequest
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.dead_letters.peek import Peek

STDOUT = "-"


def export(
    ctx: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(help="New file, or - for stdout; with --scheduled, a folder.", metavar="FILE"),
    ] = None,
    *,
    scheduled: Annotated[
        bool,
        typer.Option(
            "--scheduled",
            help="For cron: copy what no earlier archive in the folder holds; silent if nothing is new.",
        ),
    ] = False,
) -> None:
    """Copy dead letters to a file as JSON lines that only you can read. They stay in the queue.

    `dlq restore` puts exported dead letters back, `dlq replay` processes them. Exit code 4: some may not have been seen; the
    others are written.

    With --scheduled, exit code 0 includes that nothing is new, and 5 means that another export is running; see docs/dead-letters.md, "Day 14".

    Example: b2bpilot dlq export -e prod --group G1 dead-letters.jsonl
    """
    from b2bpilot.ops.dead_letters.archive import Origin
    from b2bpilot.ops.dead_letters.copies import ExportRequest

    pilot = pilot_of(ctx)
    selection = selection_as_listed(ctx, pilot)
    if scheduled:
        _require_everything(file, selection)
        export_scheduled(pilot, file)
        return
    file = _require_a_place(pilot, file)
    origin = Origin.of(pilot.environment)
    with tempfile.TemporaryFile() as lines:
        with pilot.output.progress("Reading the dead-letter queue") as tell:
            wanted = ExportRequest(
                selection=selection,
                origin=origin,
                now=pilot.now(),
                observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
            )
            found = _export(pilot, file, wanted, lines)
        _print(pilot, lines)
    _show(pilot, file, found, selection)
    _require_all_seen(pilot, file, found, selection)


def _require_everything(folder: str | None, selection: Selection) -> None:
    if folder == STDOUT or not selection.is_everything:
        raise UsageError(
            "--scheduled copies every new dead letter into a folder",
            hint="leave filters and - out, or export without --scheduled",
        )


def _require_a_place(pilot: Pilot, file: str | None) -> str:
    if file is None:
        raise UsageError("no file was named", hint="name a new file, - for stdout, or --scheduled")
    if file != STDOUT:
        return file
    if pilot.output.stdout.isatty():
        raise UsageError(
            "an export holds numbers and texts in full: it is not printed on a terminal",
            hint="name a file, or pipe it",
        )
    if pilot.output.query:
        raise UsageError(
            "--query cannot be used with an export to stdout", hint="name a file, or leave it out"
        )
    if pilot.output.format is Format.JSON:
        raise UsageError("an export to stdout is JSON lines", hint="leave -o json out, or name a file")
    return file


def _export(pilot: Pilot, file: str, wanted: ExportRequest, lines: IO[bytes]) -> Peek:
    """Write the dead letters into the file, or into `lines` what stdout gets."""
    from b2bpilot.ops.dead_letters.copies import export as write
    from b2bpilot.ops.dead_letters.copies import export_to_file

    queue = pilot.environment.queue()
    return write(queue, lines, wanted) if file == STDOUT else export_to_file(queue, Path(file), wanted)


def _print(pilot: Pilot, lines: IO[bytes]) -> None:
    lines.seek(0)
    try:
        for line in lines:
            pilot.output.stdout.write(line.decode())
    except BrokenPipeError as exc:
        raise PipeClosed from exc


def _show(pilot: Pilot, file: str, found: Peek, selection: Selection) -> None:
    from b2bpilot.ops.dead_letters.causes import owners_of

    subscriber = pilot.environment.subscriber
    of = f" of subscriber {subscriber}" if subscriber else ""
    what = f"{dead_letters(len(found.found))}{of}{group_view.of_group(found.names, selection)}"
    if file == STDOUT:
        pilot.output.notice(f"Exported {what}")
    else:
        fields = {
            "file": file,
            "subscriber": subscriber,
            "letters": len(found.found),
            "group": group_view.cause_fields(found.names, selection),
            "saw": found.saw,
            "about": found.about,
            "owners": owner_view.fields(owners_of(found.found)),
        }
        pilot.output.record({"exported": fields}, text=[f"Exported {what} to {file}"])
    for owner, count in owners_of(found.found).items():
        pilot.output.notice(f"{count:,} of them: {owner}")
    if found.not_released:
        pilot.output.notice(
            f"{dead_letters(found.not_released)} could not be returned; visible again within a minute."
        )


def _require_all_seen(pilot: Pilot, file: str, found: Peek, selection: Selection) -> None:
    """Raises PartlyFailed; on stdout, where each line is a dead letter, no line is an error, whatever the output's form."""
    from b2bpilot.ops.dead_letters.copies import require_all_seen

    try:
        require_all_seen(found, selection)
    except PartlyFailed as exc:
        if file != STDOUT:
            raise
        pilot.output.notice(f"error: {exc}")
        pilot.output.notice("hint: " + (exc.hint or "none"))
        raise typer.Exit(exc.exit_code) from exc
