"""What became of missing messages that were published again, as it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row
from b2bpilot.cli.text.privacy import mask_numbers
from b2bpilot.errors import PartlyFailed, PilotError
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.reconcile.recovered import Recovered
    from b2bpilot.ops.unproven import UnprovenMessage

SHOWN = 20
"""So many problems are in a table; all of them are in the journal."""


def show_end(pilot: Pilot, run_id: str, recovered: Recovered) -> None:
    """Say what the run did, and raise PartlyFailed unless all of it is stored."""
    from b2bpilot.ops.reconcile.run import require_everything_stored

    _show(pilot, run_id, recovered)
    require_everything_stored(recovered, run_id)


@contextmanager
def shown_when_it_breaks(pilot: Pilot, run_id: str, recovered: Recovered) -> Iterator[None]:
    """Say what a run did that something ended; what it was sending is unknown. Raises PartlyFailed where it may have published any."""
    try:
        yield
    except PilotError as exc:
        _show(pilot, run_id, recovered)
        if recovered.published or recovered.unknown:
            raise PartlyFailed(f"{exc}; the rest was not published", hint=exc.hint) from exc
        raise
    except BaseException:
        _show(pilot, run_id, recovered)
        raise


def _show(pilot: Pilot, run_id: str, recovered: Recovered) -> None:
    fields = {
        "run_id": run_id,
        **recovered.counts(),
        "sent": recovered.sent,
        "refused": recovered.refused,
        "unknown": len(recovered.unknown),
        "unknown_stored": recovered.unknown_proven,
        "partial": recovered.partial,
        "rebuilt_from": {origin.value: count for origin, count in recovered.origins.items()},
        "lost_parameters": dict(recovered.lost),
        "stopped": recovered.is_stopped,
    }
    pilot.output.record({"recovered": fields}, text=["", *_told(recovered)])
    shown = recovered.problems if pilot.output.format is not Format.TABLE else recovered.problems[:SHOWN]
    pilot.output.rows("problems", (_problem_row(problem) for problem in shown))
    if len(shown) < len(recovered.problems):
        pilot.output.notice(
            f"{len(recovered.problems) - len(shown):,} more: " + our_command("runs", "show", run_id)
        )


def _told(recovered: Recovered) -> Iterator[str]:
    from b2bpilot.ops.reconcile.rebuild import RebuiltFrom
    from b2bpilot.ops.reconcile.recovered import summary

    yield from summary(recovered)
    if alert := recovered.whole:
        yield f"{alert:,} with all parameters, from the failed webhook requests that Twilio's alerts hold"
    if recovered.partial:
        yield f"{recovered.partial:,} in part: the rest is redacted or deleted at Twilio, or may be"
    if rest := recovered.origins[RebuiltFrom.REST]:
        yield f"{rest:,} from Twilio's messages, which lack what only a webhook tells, if it was there:"
    for count, names in sorted(_by_count(recovered.lost).items()):
        yield f"  of {many(count, 'message')}: {', '.join(names)}"


def _by_count(lost: Counter[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name, count in lost.items():
        found.setdefault(count, []).append(name)
    return found


def _problem_row(problem: UnprovenMessage) -> Row:
    reason = mask_numbers(problem.reason)
    fields = {"message_sid": problem.sid, "message_id": problem.message_id, "reason": reason}
    return Row(
        fields=fields,
        columns={"message sid": problem.sid, "message id": problem.message_id, "why": reason},
    )
