"""`b2bpilot dlq export --scheduled`, for cron: it says nothing when there is nothing new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.paths import absolute

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.scheduled import Scheduled


def export_scheduled(pilot: Pilot, folder: str | None) -> None:
    """Copy the dead letters that no earlier scheduled archive holds. Raises PartlyFailed when not all could be seen."""
    from b2bpilot.ops.dead_letters.archive import Origin
    from b2bpilot.ops.dead_letters.scheduled import export_new, folder_of, remember, require_all_seen

    origin = Origin.of(pilot.environment)
    place = absolute(folder) if folder else folder_of(pilot.runs_home, origin)
    done = export_new(pilot.environment.queue(), place, origin=origin, now=pilot.now())
    remember(pilot.runs_home, origin, place)
    _show(pilot, done)
    require_all_seen(done)


def _show(pilot: Pilot, done: Scheduled) -> None:
    fields = {
        "file": str(done.path) if done.path else None,
        "letters": done.new,
        "saw": done.look.saw,
        "about": done.look.about,
        "complete": done.look.is_complete,
    }
    if done.path or pilot.output.format is not Format.TABLE:
        text = [f"Exported {dead_letters(done.new)} that no earlier archive holds to {done.path}"]
        pilot.output.record({"exported": fields}, text=text)
    for broken in done.unreadable:
        pilot.output.notice(f"What an earlier archive holds is unknown, and copied again: {broken}")
    if done.look.not_released:
        pilot.output.notice(
            f"{dead_letters(done.look.not_released)} could not be returned; visible again within a minute."
        )
