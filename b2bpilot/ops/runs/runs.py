"""The runs that were made from this machine: find them, list them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.errors import Refused, RunUnknown, UsageError
from b2bpilot.ops.runs.durable import JournalFailed
from b2bpilot.ops.runs.journal import FOLDER, SUFFIX
from b2bpilot.ops.runs.record import RunRecord, RunState, glance, read

HINT = "see " + our_command("runs", "list")


def journals(home: Path) -> list[Path]:
    """Return the journals, newest first: their names begin with the time. Raises JournalFailed."""
    folder = home / FOLDER
    try:
        return sorted((path for path in folder.iterdir() if path.suffix == SUFFIX), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise JournalFailed(
            f"{folder} cannot be read: {exc.strerror}", hint="check B2BPILOT_HOME, and who owns the folder"
        ) from exc


def list_runs(home: Path, *, unreadable: Callable[[str], None] = lambda _: None) -> Iterator[RunRecord]:
    """Yield the runs, newest first, finished ones without their messages. One that cannot be read is named and left out."""
    yield from _each(journals(home), glance, unreadable)


def records(home: Path, command: str, *, unreadable: Callable[[str], None]) -> Iterator[RunRecord]:
    """Yield the runs of one command with their messages, oldest first."""
    paths = [path for path in journals(home) if f"-{command}-" in path.name]
    yield from _each(paths[::-1], read, unreadable)


def find(home: Path, text: str) -> RunRecord:
    """Return the run whose id is or begins with `text`, or ends with it. Raises RunUnknown, UsageError, JournalFailed."""
    found = {path.name.removesuffix(SUFFIX): path for path in journals(home)}
    if text in found:
        return read(found[text])
    matching = [run_id for run_id in found if text and (run_id.startswith(text) or run_id.endswith(text))]
    if not matching:
        raise RunUnknown(f"there is no run {text!r} in {home / FOLDER}", hint=HINT)
    if len(matching) > 1:
        raise UsageError(
            f"{len(matching)} runs begin or end with {text!r}: {', '.join(matching[:5])}", hint=HINT
        )
    return read(found[matching[0]])


def require_ended(record: RunRecord) -> None:
    """Raises Refused while the run's process is alive."""
    if record.state is RunState.RUNNING:
        raise Refused(
            f"run {record.run_id} still runs (process {record.pid})",
            hint="wait for its end, or interrupt it there",
        )


def _each(
    paths: list[Path], open_: Callable[[Path], RunRecord], unreadable: Callable[[str], None]
) -> Iterator[RunRecord]:
    for path in paths:
        try:
            yield open_(path)
        except JournalFailed as exc:
            unreadable(str(exc))
