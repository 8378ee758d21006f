"""The redrive that sends what another one left when a stage had too many failures: the same dead letters, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from b2bpilot.advice import Words, our_command
from b2bpilot.ops.redrive.options import RedriveOptions

DEFAULTS = RedriveOptions()
SAME = "to send the others all the same: "


def sent_again(asked: RedriveOptions, *, group: str | None, plan_file: Path | None) -> Words:
    """Return the command as it was typed, without --yes: a group may have another number by now, and the plan tells its cause.

    Ages have become times, so that nothing newer is taken than was meant.
    """
    options = (*_selection(asked, group, plan_file), *_options(asked))
    return SAME + our_command("dlq", "redrive", *options, "--max-failures", "100%")


def resumed_again(run_id: str) -> Words:
    """Return the same for a run that was resumed: a journal keeps no group's number, and no phone number."""
    return (
        f"{SAME}redrive again with --max-failures 100% and the filters of this run, which "
        + our_command("runs", "show", run_id)
        + " shows"
    )


def _selection(asked: RedriveOptions, group: str | None, plan_file: Path | None) -> Iterator[str]:
    if plan_file is not None:
        yield from ("--plan", str(plan_file))
    if group is not None:
        yield from ("--group", group)
    kept = asked.filters.to_journal() if asked.filters else {}
    for message_id in sorted(asked.filters.selection.message_ids) if asked.filters else ():
        yield from ("--message-id", message_id)
    for name in ("since", "until", "error", "from", "where"):
        if value := kept.get(name):
            yield from (f"--{name}", str(value))
    if asked.limit is not None:
        yield from ("--limit", str(asked.limit))


def _options(asked: RedriveOptions) -> Iterator[str]:
    if asked.via is not DEFAULTS.via:
        yield from ("--via", asked.via.value)
    for name in ("include_completed", "include_poison", "force"):
        if getattr(asked, name):
            yield f"--{name.replace('_', '-')}"
    if asked.rate is not None:
        yield from ("--rate", f"{asked.rate:g}")
    if asked.concurrency is not None:
        yield from ("--concurrency", str(asked.concurrency))
    if asked.wait != DEFAULTS.wait:
        yield from ("--wait", f"{asked.wait.total_seconds():g}s")
    for arn in sorted(asked.adopted):
        yield from ("--adopt", arn)
