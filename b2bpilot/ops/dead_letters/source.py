"""What a restore puts back: an export, or what a run archived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.errors import NotFound, PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters.archive import FOLDER, Origin, archive_path
from b2bpilot.ops.dead_letters.restore import Restored, RestorePlan
from b2bpilot.ops.runs.journal import FOLDER as RUNS
from b2bpilot.ops.runs.record import MessageState, RunRecord
from b2bpilot.ops.runs.runs import find, require_ended
from b2bpilot.paths import absolute

ARCHIVING = frozenset({"discard", "edit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, and the run that archived it if one did."""

    path: Path
    record: RunRecord | None = None

    @property
    def discarded(self) -> Mapping[str, MessageState] | None:
        return self.record.messages if self.record else None


def source_of(home: Path, text: str) -> Source:
    """Return what FILE or RUN names. Raises UsageError, or Refused while the run still discards."""
    path = absolute(text)
    if path.is_file() and path.parent != home / FOLDER:
        return Source(path=path)
    record = _run(home, path.stem if path.is_file() else text)
    if record.command not in ARCHIVING:
        raise UsageError(
            f"run {record.run_id} is a {record.command}: it archived nothing",
            hint="name a discard or an edit",
        )
    require_ended(record)
    archive = archive_path(home, record.run_id)
    if not archive.is_file():
        raise UsageError(f"run {record.run_id} has no archive {archive}: it ended before it took anything")
    return Source(path=archive, record=record)


def _run(home: Path, text: str) -> RunRecord:
    try:
        return find(home, text)
    except NotFound as exc:
        raise UsageError(
            f"{text!r} is neither a file nor a run in {home / RUNS}",
            hint="name a file of `dlq export`, or a run of " + our_command("runs", "list"),
        ) from exc


def require_same_origin(plan: RestorePlan, origin: Origin, *, force: bool) -> None:
    """Raises Refused when dead letters of another environment would get into this one."""
    others = [str(other) for other in plan.origins if other != origin]
    if others and not force:
        raise Refused(
            f"{plan.path.name} holds dead letters of {', '.join(others)}, not of {origin}. Nothing was changed",
            hint="--force puts them into this environment's queue all the same",
        )


def require_all_put_back(restored: Restored) -> None:
    """Raises PartlyFailed."""
    if restored.problems:
        raise PartlyFailed(
            f"not known to be back in the queue: {len(restored.problems):,} of the dead letters",
            hint="run it again: what is known to be back is not sent twice",
        )
