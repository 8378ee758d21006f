"""A replay as it is shown: its plan, its results, its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.dlq import group_view, owner_view
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row, of_state
from b2bpilot.cli.runs.running import SHOWN

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.copies import Copies
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.redrive.replay import ReplayOutcome
    from b2bpilot.ops.runs.record import RunRecord


def show_plan(pilot: Pilot, copies: Copies, selection: Selection, *, dry_run: bool) -> None:
    """Tell programs what is meant; people read it where they are asked."""
    from b2bpilot.ops.dead_letters.causes import owners_of

    plan = {
        "letters": len(copies.chosen),
        "matching": copies.matching,
        "processable": copies.processable,
        "unreadable": len(copies.unreadable),
        "owners": owner_view.fields(owners_of(copies.chosen)),
        "group": group_view.cause_fields(copies.names, selection),
        "saw": copies.saw,
        "about": copies.about,
        "cut_line": copies.cut,
        "dry_run": dry_run,
    }
    pilot.output.record({"plan": plan}, text=())


def plan(
    pilot: Pilot, copies: Copies, selection: Selection, *, file: Path | None, local: bool
) -> list[Words]:
    """Return for people what is meant, and what is left out."""
    if not copies.chosen:
        is_all = not copies.unseen
        none = "No dead letter matches." if is_all else "None of those that were looked at matches."
        return [none, *_unseen(copies)]
    what = f"{_chosen(copies)}{group_view.of_group(copies.names, selection)}"
    source = f" from {file}" if file else ""
    lines: list[Words] = [
        f"Process copies of {what}{source} {_place(pilot, local=local)}:",
        f"  {pilot.environment}",
    ]
    if len(copies.readable) < copies.processable and selection.limit is None:
        lines.append("The oldest are taken; --limit takes more of them.")
    if len(copies.readable) == copies.processable == selection.limit:
        lines.append("As many as --limit says; there may be more.")
    return [*lines, *_left_out(copies), *_unseen(copies)]


def rest(
    pilot: Pilot, record: RunRecord, copies: Copies, gone: Sequence[ReplayOutcome], *, local: bool
) -> list[Words]:
    """Return for people what an interrupted run has left to do."""
    lines: list[Words] = [
        f"Process copies of {dead_letters(len(copies.chosen))} that run {record.run_id} left {_place(pilot, local=local)}:",
        f"  {pilot.environment}",
    ]
    if gone:
        lines.append(f"{len(gone):,} more cannot be processed: {gone[0].error}.")
    return [*lines, *_left_out(copies), *_unseen(copies)]


def show(pilot: Pilot, run_id: str, outcomes: Iterable[ReplayOutcome]) -> Counter[str]:
    """Show each result to programs, and the first that are no success to people, as they come. Return the counts."""
    counts: Counter[str] = Counter(processed=0)
    pilot.output.rows("replayed", _rows(pilot, outcomes, counts))
    hidden = counts.total() - _done(counts) - SHOWN
    if hidden > 0 and pilot.output.format is Format.TABLE:
        pilot.output.notice(f"{hidden:,} more: " + our_command("runs", "show", run_id))
    return counts


def end(pilot: Pilot, run_id: str, counts: Counter[str]) -> None:
    """Raises PartlyFailed unless every copy was processed."""
    from b2bpilot.ops.redrive.replay import require_all_processed

    pilot.output.record({"summary": {"run_id": run_id, "counts": dict(counts)}}, text=())
    more = _done(counts) - counts["processed"]
    said = f"; {more:,} more returned without an error" if more else ""
    pilot.output.notice(
        f"Processed copies of {counts['processed']:,}{said}; the queue keeps its dead letters."
    )
    require_all_processed(counts, run_id=run_id)


def _done(counts: Counter[str]) -> int:
    from b2bpilot.ops.redrive.replay import DONE

    return sum(counts[verdict] for verdict in DONE)


def _chosen(copies: Copies) -> str:
    if len(copies.readable) < copies.processable:
        return f"the first {len(copies.readable):,} of {dead_letters(copies.processable)}"
    return dead_letters(len(copies.readable))


def _place(pilot: Pilot, *, local: bool) -> str:
    return "in this process" if local else f"with {pilot.environment.function().short_name}"


def _left_out(copies: Copies) -> Iterator[Words]:
    from b2bpilot.ops.dead_letters.causes import owners_of

    if copies.unreadable:
        yield f"{len(copies.unreadable):,} left out: unreadable."
    yield from owner_view.lines(owners_of(copies.chosen))


def _unseen(copies: Copies) -> Iterator[str]:
    from b2bpilot.ops.dead_letters.sweep import THE_OTHERS

    if copies.cut:
        yield f"{copies.cut} is cut: the dead letter in it cannot be read, and is left out."
    if copies.unseen:
        yield f"Saw {copies.saw:,} of about {dead_letters(copies.about)}: {THE_OTHERS}."


def _rows(pilot: Pilot, outcomes: Iterable[ReplayOutcome], counts: Counter[str]) -> Iterator[Row]:
    for one in outcomes:
        counts[one.verdict] += 1
        problems = counts.total() - _done(counts)
        if pilot.output.format is not Format.TABLE or (not one.is_processed and problems <= SHOWN):
            yield _row(one)


def _row(one: ReplayOutcome) -> Row:
    return Row(
        fields={
            "message_id": one.message_id,
            "queue_message_id": one.queue_message_id,
            "verdict": one.verdict,
            "error": one.error,
        },
        columns={
            "message id": one.message_id or "-",
            "id in the queue": one.queue_message_id,
            "result": of_state(one.verdict),
            "why": one.error or "-",
        },
    )
